"""The outputs by name. To add one, write a file and give it a line here: docs/your-first-output.md."""

from collections.abc import Iterator, Mapping
from typing import Any

from pymafx_live.configs.schema import OutputSettings
from pymafx_live.core.interfaces import Output
from pymafx_live.core.registry import load_class
from pymafx_live.pipeline.outputs.run import Run

OUTPUTS: Mapping[str, str] = {
    "zmq": "pymafx_live.pipeline.outputs.zmq:ZmqOutput",
    "jsonl": "pymafx_live.pipeline.outputs.jsonl:JsonOutput",
    "save": "pymafx_live.pipeline.outputs.save:SaveOutput",
    "show": "pymafx_live.pipeline.outputs.window:WindowOutput",
    "metrics": "pymafx_live.pipeline.outputs.metrics:MetricsOutput",
    "robot": "pymafx_live.pipeline.outputs.robot:RobotOutput",
    "vmc": "pymafx_live.pipeline.outputs.vmc:VmcOutput",
    "osc-trackers": "pymafx_live.pipeline.outputs.osc_trackers:TrackerOutput",
    "record": "pymafx_live.pipeline.outputs.record:RecordOutput",
    "recorder": "pymafx_live.pipeline.outputs.recorder:RecorderOutput",
    "web": "pymafx_live.pipeline.outputs.web:WebOutput",
    "rerun": "pymafx_live.pipeline.outputs.rerun:RerunOutput",
}


def output_classes() -> list[Any]:
    """The classes of `OUTPUTS`.

    Each has `Settings`, a `Section` whose keys stand in the configuration's `output:`, and
    `open(settings, run) -> Output | None`, None where its settings do not ask for it.
    """
    return [load_class(target) for target in OUTPUTS.values()]


def open_outputs(settings: OutputSettings, run: Run) -> Iterator[Output]:
    """Yields each output that is asked for as it is opened, so that the caller can close those before a failure.

    `settings` has the keys of the outputs where it was made by `pipeline.settings`; without them nothing is opened.

    Raises:
        UsageError: an address is taken, a file cannot be written, or there is no display.
        AssetError: the body to draw cannot be loaded.
    """
    for kind in output_classes():
        if isinstance(settings, kind.Settings) and (output := kind.open(settings, run)) is not None:
            yield output
