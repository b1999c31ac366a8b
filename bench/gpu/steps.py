"""The steps in their order: what fails soonest and costs least comes first, and what needs much time comes last."""

from pymafx_live.bench.gpu.course import Step
from pymafx_live.bench.gpu.graphs import gate_graphs, time_graphs
from pymafx_live.bench.gpu.imaging import compare_imaging
from pymafx_live.bench.gpu.machine import look_at_machine
from pymafx_live.bench.gpu.networks import try_detector, try_landmark_networks
from pymafx_live.bench.gpu.pipeline import change_scene, make_clips, play_four, play_one, restart, watch_memory
from pymafx_live.bench.gpu.small import try_small_network

MACHINE, CLIPS = "machine", "clips"
SECONDS = 600.0
"""What all of it may take; the last steps take what is left."""
OF_PYMAFX = ("gate", "times")
"""Steps that no other engine has."""
STEPS = (
    Step(MACHINE, 40, look_at_machine),
    Step("small network", 60, try_small_network, [MACHINE]),
    Step("imaging", 30, compare_imaging, [MACHINE]),
    Step(CLIPS, 40, make_clips, [MACHINE]),
    Step("landmark networks", 120, try_landmark_networks, [MACHINE]),
    Step("detector", 60, try_detector, [MACHINE]),
    Step("gate", 240, gate_graphs, [MACHINE]),
    Step("times", 60, time_graphs, [MACHINE]),
    Step("one person", 60, play_one, [MACHINE, CLIPS]),
    Step("four people", 60, play_four, [MACHINE, CLIPS]),
    Step("changes", 60, change_scene, [MACHINE, CLIPS]),
    Step("restart", 40, restart, [MACHINE, CLIPS]),
    Step("memory", 330, watch_memory, [MACHINE, CLIPS]),
)
