"""The libraries that run networks call nobody, start nobody and write no identifier."""

import os
import shutil
import subprocess
import sys
from importlib import resources
from importlib.util import find_spec
from pathlib import Path

import pytest

RUN = """
import sys
from pathlib import Path
import numpy as np
from pymafx_live.engines.runtime.interface import RunnerOptions
from pymafx_live.engines.runtime.selection import open_on
runner = open_on(Path(sys.argv[1]), sys.argv[2], RunnerOptions())
shapes = {name: [1 if not isinstance(n, int) else n for n in spec.shape] for name, spec in runner.inputs.items()}
runner.run({name: np.zeros(shape, np.float32) for name, shape in shapes.items()})
"""


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed (apt-get install strace)")
def test_running_a_network_calls_nobody_and_leaves_no_identifier(tmp_path: Path, runtime: str) -> None:
    if find_spec(runtime) is None:
        pytest.skip(f"{runtime} is not installed")
    trace, home = tmp_path / "trace.txt", tmp_path / "home"
    home.mkdir()
    model = resources.files("pymafx_live.engines.data") / "hand_recrop.onnx"
    environment = {k: v for k, v in os.environ.items() if "TELEMETRY" not in k and not k.startswith("XDG_")}
    subprocess.run(
        ["strace", "-f", "-e", "trace=fork,vfork,clone,clone3,execve,connect", "-o", trace,
         sys.executable, "-c", RUN, str(model), runtime],
        env={**environment, "HOME": str(home)}, check=True, timeout=120,
    )  # fmt: skip
    calls = trace.read_text().splitlines()
    assert len([call for call in calls if "execve(" in call]) == 1, "another program was started"
    assert [call for call in calls if "connect(" in call] == []
    assert [call for call in calls if "clone" in call and "CLONE_THREAD" not in call and "resumed" not in call] == []
    assert [call for call in calls if "fork(" in call] == []
    written = [p.relative_to(home).as_posix() for p in home.rglob("*") if p.is_file()]
    assert [name for name in written if not name.startswith(".cache/pymafx-live/")] == []
