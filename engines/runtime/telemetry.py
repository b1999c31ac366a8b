"""Switches off what the networks' libraries would tell others: nothing leaves that the user did not ask for.

Importing OpenVINO forks a process that reports to its makers and inherits open sockets. ONNX Runtime writes a device
id and events into the home folder, and sends them. Ultralytics reports too, and installs packages. All of this begins
at their import, so `switch_off` is called before.
"""

import os
import sys

_SWITCHES = {
    "ORT_DISABLE_TELEMETRY": "1",
    "YOLO_OFFLINE": "true",
    "YOLO_AUTOINSTALL": "false",
}
_REPORTER = "openvino_telemetry"


def switch_off() -> None:
    """Sets the libraries' own switches, and lets OpenVINO find no reporter: it then has a stub that does nothing."""
    os.environ.update(_SWITCHES)
    if _REPORTER not in sys.modules:
        sys.modules[_REPORTER] = None  # type: ignore[assignment]  # an import of it then raises ImportError
