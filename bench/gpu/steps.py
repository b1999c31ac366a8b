"""The steps in their order: what fails soonest and costs least comes first, and what needs much time comes last."""

from pymafx_live.bench.gpu.course import Step
from pymafx_live.bench.gpu.decoding import try_decoding
from pymafx_live.bench.gpu.graphs import export_graphs, gate_graphs, time_graphs
from pymafx_live.bench.gpu.imaging import compare_imaging
from pymafx_live.bench.gpu.machine import look_at_machine
from pymafx_live.bench.gpu.networks import try_detector, try_landmark_networks
from pymafx_live.bench.gpu.pipeline import change_scene, make_clips, play_four, play_one, restart, watch_memory
from pymafx_live.bench.gpu.scratch import compare_scratch
from pymafx_live.bench.gpu.small import try_small_network

MACHINE, CLIPS = "machine", "clips"
SECONDS = 600.0
"""What all of it may take; the last steps take what is left."""
OF_PYMAFX = ("export", "gate", "times", "scratch")
"""Steps that no other engine has."""
STEPS = (
    Step(MACHINE, 30, look_at_machine),
    Step("small network", 40, try_small_network, [MACHINE]),
    Step("imaging", 20, compare_imaging, [MACHINE]),
    Step(CLIPS, 30, make_clips, [MACHINE]),
    Step("decoding", 15, try_decoding, [MACHINE]),
    Step("landmark networks", 90, try_landmark_networks, [MACHINE]),
    Step("detector", 40, try_detector, [MACHINE]),
    Step("export", 180, export_graphs, [MACHINE]),
    Step("gate", 210, gate_graphs, [MACHINE, "export"]),
    Step("times", 60, time_graphs, [MACHINE, "export"]),
    Step("scratch", 40, compare_scratch, [MACHINE, "export"]),
    Step("one person", 60, play_one, [MACHINE, CLIPS], 40),
    Step("four people", 60, play_four, [MACHINE, CLIPS], 40),
    Step("changes", 60, change_scene, [MACHINE, CLIPS], 30),
    Step("restart", 40, restart, [MACHINE, CLIPS], 20),
    Step("memory", 330, watch_memory, [MACHINE, CLIPS]),
)
