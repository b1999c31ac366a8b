"""MediaPipe's landmarks: what is written is read again, and whatever else is given is refused in a sentence."""

import sys
from pathlib import Path

import numpy as np
import pytest
from pymafx_live.bench import reference
from pymafx_live.bench.webcam_holistic import landmarks
from pymafx_live.core.errors import UsageError

DATA = Path(__file__).resolve().parents[1] / "data"

ANSWERS = """
import sys, numpy as np
while len(header := sys.stdin.buffer.read(12)) == 12:
    height, width, begins = np.frombuffer(header, np.int32).tolist()
    rgb = np.frombuffer(sys.stdin.buffer.read(3 * height * width), np.uint8).reshape(height, width, 3)
    told = np.full((75, 3), np.nan, np.float32)
    told[0] = width, height, begins
    told[1] = rgb[0, 0]
    sys.stdout.buffer.write(told.tobytes())
    sys.stdout.flush()
"""


def interpreter(folder: Path, program: str) -> str:
    """Something to run like a Python interpreter, which runs this program whatever script it is given."""
    (folder / "program.py").write_text(program)
    path = folder / "python"
    path.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{folder / "program.py"}"\n')
    path.chmod(0o755)
    return str(path)


def test_a_reference_is_read_as_it_was_written_to_an_eighth_of_a_pixel(tmp_path: Path) -> None:
    made = np.random.default_rng(0).uniform(0, 700, (5, 75, 3)).astype(np.float32)
    made[2, 33:54] = np.nan
    reference.save_reference(tmp_path / "new" / "r.npz", {"a.mkv": made})
    read = reference.load_reference(tmp_path / "new" / "r.npz")["a.mkv"]
    np.testing.assert_allclose(read[..., :2], made[..., :2], atol=1 / 16)
    np.testing.assert_allclose(read[..., 2], made[..., 2], atol=1 / 128)


def test_what_is_no_reference_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        reference.load_reference(tmp_path / "none.npz")
    (tmp_path / "text.npz").write_text("landmarks")
    with pytest.raises(UsageError, match="cannot be read"):
        reference.load_reference(tmp_path / "text.npz")
    np.savez(tmp_path / "other.npz", clip=np.zeros((4, 33, 3)))
    with pytest.raises(UsageError, match=r"\(4, 33, 3\) for clip"):
        reference.load_reference(tmp_path / "other.npz")


def test_every_frame_is_shown_in_rgb_and_each_file_begins_anew(tmp_path: Path) -> None:
    files = [DATA / "hopper.jpg", DATA / "help.mkv"]
    found = reference.holistic_reference(interpreter(tmp_path, ANSWERS), files)
    assert {name: len(rows) for name, rows in found.items()} == {"hopper.jpg": 1, "help.mkv": 58}
    assert found["hopper.jpg"][0, 0].tolist() == [512, 600, 1]
    assert found["help.mkv"][:, 0].tolist() == [[640, 480, int(i == 0)] for i in range(58)]
    first = next(reference.film(DATA / "help.mkv")).image
    assert found["help.mkv"][0, 1].tolist() == first[0, 0, ::-1].tolist()


def test_who_does_not_answer_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="MediaPipe cannot be started"):
        reference.holistic_reference(str(tmp_path / "no-python"), [DATA / "hopper.jpg"])
    with pytest.raises(UsageError, match="MediaPipe has ended with exit code 7"):
        reference.holistic_reference(interpreter(tmp_path, "raise SystemExit(7)"), [DATA / "hopper.jpg"])


def test_mediapipes_fractions_become_pixels() -> None:
    class Point:
        x, y, visibility = 0.25, 0.5, 0.75

    class Found:
        landmark = (Point(),) * 33

    class Result:
        pose_landmarks, left_hand_landmarks, right_hand_landmarks = Found(), None, Found()

    Result.right_hand_landmarks.landmark = (Point(),) * 21
    seen = landmarks(Result(), 640, 480)
    assert seen[32].tolist() == [160, 240, 0.75] and seen[54].tolist() == [160, 240, 1]
    assert np.isnan(seen[33:54]).all()
