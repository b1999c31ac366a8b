"""docs/your-first-output.md, pasted."""

import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "your-first-output.md"
PASTED = """
import sys
from pymafx_live.pipeline import outputs
outputs.__path__.append(sys.argv.pop(1))  # as if the file were in the folder
outputs.OUTPUTS |= eval("{" + sys.argv.pop(1) + "}")
if sys.argv[1] == "tables":
    from pymafx_live.configs.reference import reference
    from pymafx_live.pipeline.settings import run_settings
    print(reference(run_settings()))
else:
    from pymafx_live.pipeline.cli import main
    main()
"""


@pytest.fixture
def pasted(tmp_path):
    """Runs `pymafx-live` with the page's output, or gives its tables."""
    file, line = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "outputs").mkdir()
    (tmp_path / "outputs" / "udp.py").write_text(file, encoding="utf-8")

    def run(*arguments):
        command = [sys.executable, "-c", PASTED, tmp_path / "outputs", line.strip(), *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=tmp_path)

    return run


def test_the_output_of_the_page_sends(pasted, tmp_path):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(20)
        (tmp_path / "live.yaml").write_text(f'output: {{bind: "", udp: "127.0.0.1:{receiver.getsockname()[1]}"}}')
        done = pasted("--config", "live.yaml", "--source", "demo", "--max-frames", "5")
        assert done.returncode == 0, done.stderr
        lines = [receiver.recv(100).decode() for _ in range(5)]
    assert all(re.fullmatch(r"1 -?\d\.\d\d -?\d\.\d\d \d\.\d\d\n", line) for line in lines), lines


def test_the_output_of_the_page_has_its_flag_its_checks_and_its_documentation(pasted):
    assert re.search(r"--udp TEXT +host:port to send everybody's place to", pasted("--help").stdout)
    wrong = pasted("--udp", "nowhere")
    assert wrong.returncode == 2
    assert "`output.udp` cannot be 'nowhere'" in wrong.stderr
    assert '| `udp` | `--udp` | `""` | host:port to send everybody\'s place to' in pasted("tables").stdout
