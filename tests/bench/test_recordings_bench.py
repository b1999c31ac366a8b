"""The benchmark of recordings, on a small one."""

import json

from pymafx_live.bench import recordings
from pymafx_live.pipeline.recordings import FORMATS
from pymafx_live.pipeline.recordings.journal import Mcap
from support.recordings import recorded


def test_it_measures_the_journal_and_every_format(tmp_path, capsys):
    (file,) = Mcap().write(recorded(8), tmp_path / "run.mcap", lambda path: path)
    figures = tmp_path / "figures.json"
    assert recordings.main([str(file), "--people", "2", "--frames", "6", "--json", str(figures)]) == 0
    made = json.loads(figures.read_text())["figures"]
    assert made["2 people"]["kilobytes"] > 1
    assert set(made) >= set(FORMATS) - {".bag", ".rrd"} and all(
        made[ending]["megabytes"] > 0 for ending in made if ending[0] == "."
    )
    assert "a frame of a journal" in capsys.readouterr().out


def test_a_recording_of_nobody(tmp_path, capsys):
    (file,) = Mcap().write(recorded(3, ids=()), tmp_path / "run.mcap", lambda path: path)
    assert recordings.main([str(file)]) == 4
    assert "nobody was seen" in capsys.readouterr().err
