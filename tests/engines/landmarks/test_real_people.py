"""Real people as they stand before a camera: cut by the picture's edges, their legs out of sight."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from pymafx_live.bench import landmarks
from pymafx_live.bench.reference import load_reference
from pymafx_live.configs.schema import Settings
from pymafx_live.core.errors import AssetError
from pymafx_live.core.interfaces import Detector
from pymafx_live.core.skeleton import JOINT
from pymafx_live.core.types import Frame, Origin, Person, Scene, Track, TrackState
from pymafx_live.engines.body.model import BodyModel
from pymafx_live.engines.detectors import open_detector
from pymafx_live.engines.detectors.demo_weights import demo_weights
from pymafx_live.engines.imaging import Pictures
from pymafx_live.engines.landmarks import rig
from pymafx_live.engines.landmarks.chain import BALL
from pymafx_live.engines.landmarks.engine import LandmarkEngine
from pymafx_live.engines.landmarks.parts import LIMBS, freedoms_by_part
from pymafx_live.pipeline.camera import Lens

DATA = Path(__file__).resolve().parents[2] / "data"
LEGS = [JOINT[f"{side}_{name}"] for side in ("left", "right") for name in ("knee", "ankle")]
SHOULDERS = [JOINT["left_shoulder"], JOINT["right_shoulder"]]


@pytest.fixture(scope="module")
def detector() -> Iterator[Detector]:
    try:
        demo_weights()
    except AssetError as error:
        pytest.skip(str(error))
    made = open_detector(Settings(), Pictures())
    yield made
    made.close()


@pytest.fixture
def engine() -> Iterator[LandmarkEngine]:
    made = LandmarkEngine()
    yield made
    made.close()


def look(engine: LandmarkEngine, detector: Detector, image: np.ndarray, number: int = 0) -> tuple[Person, np.ndarray]:
    """The person whom the detector is surest of, and where its joints (55, 2) are in the picture."""
    height, width = image.shape[:2]
    camera = Lens().camera(width, height)
    boxes, scores = detector.detect([image])[0]
    track = Track(1, TrackState.TRACKED, boxes[0], float(scores[0]))
    frame = Frame(image, "test", number, number / 30, 0.0, camera, cut=number == 0)
    person = engine.estimate([Scene(frame, [track])]).people[0][0]
    joints, _ = BodyModel.embedded().joints(person.full_pose, person.transl, None, person.extra["bones"])
    projected = joints[0] @ camera.matrix.T.astype(np.float32)
    return person, projected[:, :2] / projected[:, 2:]


def check_rest(person: Person) -> None:
    """What is said to be default rests: legs straight down, arms hanging, and nothing bends them."""
    chain, _ = rig.build_body(BodyModel.embedded().rest_joints, rig.calibrated_offsets())
    for limb, freedoms in freedoms_by_part(chain).items():
        if limb in LIMBS and person.parts[limb].origin is Origin.DEFAULT:
            for d in freedoms:
                if chain.kind[d] == BALL:
                    found = person.full_pose[chain.joint[d]] @ chain.axis[d]
                    assert found == pytest.approx(chain.mean[d], abs=np.radians(2)), limb


def frames(name: str, count: int) -> Iterator[np.ndarray]:
    with av.open(str(DATA / name)) as container:
        for frame in islice(container.decode(video=0), count):
            yield frame.to_ndarray(format="bgr24")


@pytest.mark.parametrize("name", ["hopper.jpg", "astronaut.jpg"])
def test_a_portrait_has_its_shoulders_at_once_and_no_legs(
    engine: LandmarkEngine, detector: Detector, name: str
) -> None:
    image = cv2.imread(str(DATA / name))
    true = load_reference(DATA / "reference.npz")[name][0, landmarks.SHOULDERS, :2]
    breadth = np.linalg.norm(true[0] - true[1])
    for number in range(8):
        person, seen = look(engine, detector, np.asarray(image, np.uint8), number)
        assert np.linalg.norm(seen[SHOULDERS] - true, axis=1).mean() < 0.1 * breadth
        assert person.parts["torso"].origin is Origin.MEASURED
        for side in ("left", "right"):
            assert person.parts[f"{side}_leg"].origin is Origin.DEFAULT
        check_rest(person)
        assert (seen[LEGS, 1] > image.shape[0]).all()


@pytest.mark.parametrize("corner", [(0, 0), (40, 300)])
def test_a_face_that_fills_the_picture_is_no_small_body(
    engine: LandmarkEngine, detector: Detector, corner: tuple[int, int]
) -> None:
    """Cut out of the portrait, wherever: the distance is that of a head of this size, not of a body inside of it."""
    image = np.ascontiguousarray(cv2.imread(str(DATA / "hopper.jpg"))[corner[0] : 450, : 512 - corner[1] // 4])
    person, _ = look(engine, detector, np.asarray(image, np.uint8))
    assert person.parts["head"].origin is Origin.MEASURED
    assert 0.2 < person.pelvis[2] < 1.2


@pytest.mark.parametrize(
    ("name", "number", "box"),
    [
        ("learn.mkv", 6, (199, 336, 273, 480)), ("learn.mkv", 30, (151, 95, 282, 235)),
        ("learn.mkv", 42, (162, 134, 279, 291)), ("help.mkv", 0, (403, 306, 470, 480)),
    ],
)  # fmt: skip
def test_a_forearm_with_its_hand_is_nobody(
    engine: LandmarkEngine, name: str, number: int, box: tuple[int, int, int, int]
) -> None:
    """Cut out of the frame and held before a grey wall, as a detector's person."""
    arm = list(frames(name, number + 1))[number][box[1] : box[3], box[0] : box[2]]
    size = 320 / max(arm.shape)
    arm = cv2.resize(arm, None, fx=size, fy=size)
    image = np.full((360, 640, 3), 128, np.uint8)
    height, width = arm.shape[:2]
    image[20 : 20 + height, 200 : 200 + width] = arm
    track = Track(1, TrackState.TRACKED, np.array([200, 20, 200 + width, 20 + height], np.float32), 0.7)
    for moment in range(4):
        frame = Frame(image, "test", moment, moment / 30, 0.0, Lens().camera(640, 360), cut=moment == 0)
        person = engine.estimate([Scene(frame, [track])]).people[0][0]
        assert {part.origin for part in person.parts.values()} == {Origin.DEFAULT}


def test_a_hidden_hand_leaves_its_forearm_hanging(engine: LandmarkEngine, detector: Detector) -> None:
    """The astronaut's left hand is behind her helmet; the body network draws its wrist on the elbow, as if it pointed
    at us. Before a camera that is not quite still the forearm hangs, as what is seen of it does, but in the odd frame
    in which the network is sure of its wrist: to doubt that too would cost real hands that point at us."""
    image = np.asarray(cv2.imread(str(DATA / "astronaut.jpg")), np.uint8)
    noise, hanging = np.random.default_rng(0), 0
    for number in range(24):
        zoom, shift = 1 + 0.06 * np.sin(number / 3), (8 * np.sin(number / 2), 6 * np.cos(number / 3))
        moved = np.array([[zoom, 0, shift[0] - 256 * (zoom - 1)], [0, zoom, shift[1] - 256 * (zoom - 1)]])
        seen = cv2.warpAffine(image, moved, (512, 512), borderMode=cv2.BORDER_REPLICATE)
        seen = np.clip(seen + noise.integers(-6, 7, seen.shape), 0, 255).astype(np.uint8)
        person, _ = look(engine, detector, seen, number)
        forearm = person.joints[JOINT["left_wrist"]] - person.joints[JOINT["left_elbow"]]
        hanging += bool(forearm[1] > 0.8 * np.linalg.norm(forearm))
        assert person.parts["left_hand"].origin is Origin.DEFAULT
    assert hanging >= 22
