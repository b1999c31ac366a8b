"""The benchmark of a fleet's one address, for a moment."""

import json

import pytest
from pymafx_live.bench.fleet_proxy import main


@pytest.mark.slow
def test_both_ways_are_measured(tmp_path):
    file = tmp_path / "out.json"
    main(["--workers", "2", "--cameras", "2", "--seconds", "1", "--json", str(file)])
    rows = json.loads(file.read_text())["figures"]
    assert list(rows) == ["4 cameras, direct", "4 cameras, proxy"]
    for figures in rows.values():
        assert figures["lost"] < 50 and 0 < figures["p50"] <= figures["p99"]
    assert rows["4 cameras, direct"]["cpu"] is None and rows["4 cameras, proxy"]["cpu"] > 0
