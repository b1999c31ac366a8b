"""The benchmark of the page, for a second."""

import json
import shutil

import pytest

pytest.importorskip("playwright.sync_api", reason="no playwright: pip install playwright")
for module in ("starlette", "uvicorn", "websockets"):
    pytest.importorskip(module, reason="the extra `web` is not installed")

from pymafx_live.bench.page import main

pytestmark = pytest.mark.slow


@pytest.mark.skipif(shutil.which("chromium") is None, reason="no chromium: apt-get install chromium")
def test_results_are_shown_and_counted(tmp_path, capsys):
    assert main(["--seconds", "2", "--viewers", "2", "--json", str(tmp_path / "out.json")]) == 0
    (figures,) = json.loads((tmp_path / "out.json").read_text())["figures"].values()
    assert 0 < figures["shown"] <= figures["sent"] + 5 and figures["bytes"] < 4000 and figures["script"] > 0
    assert "4 people, viewers: 2" in capsys.readouterr().out
