"""The comparison with MediaPipe Holistic: its arithmetic, its processes, and a whole small run."""

import json
import sys
from pathlib import Path

import av
import numpy as np
import pytest
from click.testing import CliRunner
from pymafx_live.bench.laptop import (
    HOLISTIC,
    WARM_UP,
    Configuration,
    beside,
    compare,
    contender,
    decoded,
    figures,
    main,
)
from pymafx_live.configs.load import load
from pymafx_live.configs.schema import Settings
from pymafx_live.core.errors import UsageError

SPEAKS = """
import json, sys
print(json.dumps("ready"), flush=True)
for line in sys.stdin:
    seconds = [9.0] * 10 + [SECONDS] * 20
    found = {"person": 1.0, "hands": 0.5, "face": 1.0}
    print(json.dumps({"frame": seconds, "age": seconds, "work": 0.04, "found": found}), flush=True)
"""


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Twelve grey frames, on which nobody is."""
    path = tmp_path / "grey.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 160, 128, "yuv420p"
        for i in range(12):
            picture = np.full((128, 160, 3), 10 * i, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path


def test_warm_ups_do_not_count_and_the_figures_are_of_the_rest() -> None:
    found = {"person": 1.0, "hands": 0.25, "face": 0.5}
    seconds = [0.010] * 90 + [0.030] * 10
    answer = {"frame": [9.0] * WARM_UP + seconds, "age": [9.0] * WARM_UP + seconds, "work": 0.02, "found": found}
    row = figures([answer, answer])
    assert row["mean"] == pytest.approx(12) and row["fps"] == pytest.approx(1000 / 12)
    assert (row["p50"], row["p95"], row["p95/p50"], row["work"]) == pytest.approx((10, 30, 3, 20))
    assert (row["person"], row["hands"], row["face"]) == (100, 25, 50)


def test_contenders_take_turns_and_each_round_is_compared_within_itself(tmp_path: Path) -> None:
    def speaker(seconds: str) -> list[str]:
        return [sys.executable, "-c", SPEAKS.replace("SECONDS", seconds)]

    frames = {1: [tmp_path / "a.npy"], 2: [tmp_path / "b.npy"]}
    with contender(HOLISTIC, 1, speaker("0.030")) as theirs, contender("ours", 2, speaker("0.020")) as ours:
        rows = compare([theirs, ours], frames, rounds=2)
    assert rows["ours"]["ratio"] == pytest.approx(1.5)
    assert rows[HOLISTIC]["ratio"] == pytest.approx(1)


def test_a_contender_that_cannot_start_or_ends_is_named() -> None:
    with pytest.raises(UsageError, match="MediaPipe cannot be started"), contender("MediaPipe", 1, ["no-such-python"]):
        pass
    broken = [sys.executable, "-c", "raise SystemExit(7)"]
    with pytest.raises(UsageError, match="MediaPipe has ended with exit code 7"), contender("MediaPipe", 1, broken):
        pass


def test_frames_swing_and_people_stand_side_by_side(clip: Path) -> None:
    frames = decoded(clip)
    assert frames.shape == (12, 128, 160, 3)
    two = beside(frames, 2)
    assert two.shape == (24, 128, 320, 3)
    np.testing.assert_array_equal(two[0, :, :160], two[-1, :, :160])
    np.testing.assert_array_equal(two[7, :, 160:], two[0, :, :160])


def test_clips_that_are_none_are_named(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no video")
    for name in ("text.mp4", "nowhere.mp4"):
        outcome = CliRunner().invoke(main, ["--clip", str(tmp_path / name)])
        assert outcome.exit_code == UsageError.exit_code
        assert f"{name} cannot be read" in outcome.output


@pytest.mark.parametrize("stride", ["1", "auto"])
def test_a_configuration_is_one_of_the_pipelines(stride: str) -> None:
    assert str(load(None, Configuration("onnxruntime", stride, 1).settings, Settings).detector.stride) == stride


@pytest.mark.slow
def test_a_whole_run(clip: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.json"
    arguments = ["--clip", clip, "--runtime", "onnxruntime", "--stride", "auto", "--rounds", 1, "--json", output]
    outcome = CliRunner().invoke(main, [str(argument) for argument in arguments], catch_exceptions=False)
    assert outcome.exit_code == 0, outcome.output
    document = json.loads(output.read_text())
    (row,) = document["figures"].values()
    assert row["person"] == 0 and 0 < row["p50"] <= row["p95"]
    assert document["settings"]["clips"] == ["grey.mp4"]
