"""Where the crops are cut: landmarks to boxes, the mesh against rendered truth, and rtmlib's own network class."""

from collections import Counter
from dataclasses import replace
from importlib import resources
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from pymafx_live.bench.mannequin.scene import render_clip
from pymafx_live.core.errors import AssetError, NetworkError
from pymafx_live.core.types import Camera, Frame, Origin, Part, Person, Scene, Track, TrackState, pose_parameters
from pymafx_live.engines.body.model import BodyModel, Skeleton
from pymafx_live.engines.landmarks.perception import Gaze, Perception
from pymafx_live.engines.landmarks.regions import ImageBatch
from pymafx_live.engines.pymafx.crops import BODY_MARGIN, FACE_MARGIN, HAND_MARGIN, CropBoxes
from pymafx_live.engines.pymafx.mesh_views import RELOOK, MeshViews, view_from_joints
from pymafx_live.engines.pymafx.views import (
    FACE_68,
    KEYPOINTS_IN_BOX,
    LandmarkViews,
    Looks,
    View,
    body_boxes,
    part_boxes,
)

LIMBS = ("torso", "head", "left_arm", "right_arm", "left_leg", "right_leg", "jaw", "transl")


def view(body: np.ndarray, confidence: float = 0.9) -> View:
    return View(body, {}, None, dict.fromkeys(LIMBS, confidence))


def close_boxes(a: CropBoxes, b: CropBoxes, shift: float, larger: tuple[float, float]) -> None:
    assert np.abs((a.centres - b.centres) / b.sides[:, None]).max() < shift
    ratio = a.sides / b.sides
    assert larger[0] < ratio.min() and ratio.max() < larger[1]


def test_the_body_is_framed_by_what_is_visible() -> None:
    body = np.zeros((17, 3), np.float32)
    body[:5] = [[10, 20, 1], [110, 20, 1], [60, 320, 0.9], [60, 100, 0.6], [900, 900, 0.1]]
    box = body_boxes([view(body)], np.array([[0, 0, 50, 50]], np.float32))
    np.testing.assert_allclose(box.centres, [[60.5, 170.5]])  # from the corner of the image, not a pixel's centre
    np.testing.assert_allclose(box.sides, [300 * BODY_MARGIN])


def test_the_detectors_box_helps_out() -> None:
    """Its part that is keypoints, where nobody is found in it or hardly anything of one is seen."""
    boxes = np.array([[100, 50, 200, 450], [0, 0, 80, 60]], np.float32)
    got = body_boxes([None, view(np.zeros((17, 3), np.float32))], boxes)
    np.testing.assert_allclose(got.centres, [[150, 250], [40, 30]])
    np.testing.assert_allclose(got.sides, BODY_MARGIN * KEYPOINTS_IN_BOX * np.array([400, 80]), rtol=1e-6)
    assert got.seen.all()


def test_parts_without_points_have_no_boxes() -> None:
    assert len(part_boxes([], HAND_MARGIN)) == 0


@pytest.fixture(scope="module")
def scene() -> tuple[Frame, Track, Person, View]:
    """A rendered performer: the frame, its track, the true person, and what the landmark networks see of it."""
    image, truth = next(iter(render_clip("front", 1, 1, 25.0)))
    true = truth.people[0]
    frame = Frame(image, "rendered", 0, 0.0, 0.0, truth.camera)
    track = Track(1, TrackState.TRACKED, true.box, 0.9)
    pose = true.pose.reshape(55, 3)
    person = Person(
        1, TrackState.TRACKED, true.box, 0.9, "truth", {"transl": Part(1.0, Origin.MEASURED)},
        **pose_parameters(pose),
        transl=true.transl,
    )  # fmt: skip
    perception = Perception()
    views = LandmarkViews(perception)
    found = views.look([Scene(frame, [track])])[0][0][0]
    views.close()
    with pytest.raises((NetworkError, RuntimeError)):  # its networks are closed, and its threads
        perception.look(ImageBatch.single(image, 1), true.box[None], [Gaze()])
    assert found is not None and set(found.hands) == {"left", "right"} and found.face is not None
    return frame, track, person, found


def test_the_68_landmarks_are_a_face(scene: tuple[Frame, Track, Person, View]) -> None:
    """By their definition: left and right in pairs, brows above eyes above nose above mouth above chin."""
    face = scene[3].face
    assert face is not None and len(set(FACE_68.tolist())) == 68
    pairs = [(k, 16 - k) for k in range(8)] + [(17 + k, 26 - k) for k in range(5)]
    pairs += [(31, 35), (32, 34), (36, 45), (39, 42), (37, 44), (38, 43), (41, 46), (40, 47), (48, 54), (60, 64)]
    axis = face[27:31, 0].mean()
    for right, left in pairs:
        assert face[right, 0] < face[left, 0], "the person's right is on the image's left"
        middle, width = (face[right, 0] + face[left, 0]) / 2, np.ptp(face[:, 0])
        assert abs(middle - axis) < 0.2 * width, (right, left)  # the head is turned a little
        assert abs(face[right, 1] - face[left, 1]) < 0.12 * width, (right, left)
    heights = [face[group, 1].mean() for group in (range(17, 27), range(36, 48), range(31, 36), range(48, 68), (8,))]
    assert heights == sorted(heights)
    assert face[8, 1] == face[:, 1].max()
    contour = np.diff(face[:17], axis=0)
    assert (contour[:8, 1] > 0).all() and (contour[8:, 1] < 0).all() and (contour[1:15, 0] > 0).all()


def test_the_mesh_frames_what_the_landmarks_frame(scene: tuple[Frame, Track, Person, View]) -> None:
    """The true pose's joints, projected, give the crops that the networks' landmarks give of the same picture."""
    frame, track, person, seen = scene
    body = BodyModel.embedded()
    joints, rotations = body.joints(person.full_pose[None], person.transl[None])
    mesh = view_from_joints(frame.camera, joints[0], rotations[0], seen, track.box, track.box)
    close_boxes(body_boxes([mesh], track.box[None]), body_boxes([seen], track.box[None]), 0.02, (0.97, 1.04))
    assert mesh.face is not None and seen.face is not None
    close_boxes(part_boxes([mesh.face], FACE_MARGIN), part_boxes([seen.face], FACE_MARGIN), 0.06, (0.95, 1.1))
    for side in ("left", "right"):
        mine, theirs = (part_boxes([v.hands[side]], HAND_MARGIN) for v in (mesh, seen))
        close_boxes(mine, theirs, 0.12, (0.85, 1.3))


def test_the_mesh_follows_the_trackers_box(scene: tuple[Frame, Track, Person, View]) -> None:
    frame, track, person, seen = scene
    joints, rotations = BodyModel.embedded().joints(person.full_pose[None], person.transl[None])
    moved = track.box * 2 + np.array([30, 40, 30, 40], np.float32)
    before = view_from_joints(frame.camera, joints[0], rotations[0], seen, track.box, track.box)
    after = view_from_joints(frame.camera, joints[0], rotations[0], seen, track.box, moved)
    np.testing.assert_allclose(after.body[:, :2], before.body[:, :2] * 2 + (30, 40), rtol=1e-4, atol=0.05)


class CountedViews:
    """Says the same of every track, and counts whom it was asked for."""

    def __init__(self, found: View) -> None:
        self.found, self.asked = found, []

    def look(self, scenes: list[Scene]) -> Looks:
        self.asked += [[t.id for t in scene.tracks] for scene in scenes]
        return [[self.found for _ in scene.tracks] for scene in scenes], {}

    def learn(self, scenes: list[Scene], people: list[list[Person]]) -> None:
        pass

    def forget(self, source: str, ids: object = None) -> None:
        pass

    def close(self) -> None:
        pass


def trusting(networks: CountedViews) -> MeshViews:
    body = BodyModel.embedded()
    skeleton = Skeleton(rest_joints=body.rest_joints, joint_shape_dirs=np.zeros((10, 55, 3), np.float32))
    return MeshViews(networks, skeleton)


@pytest.mark.parametrize("count", [3, 25])
def test_those_who_came_at_once_are_not_looked_at_again_at_once(
    scene: tuple[Frame, Track, Person, View], count: int
) -> None:
    frame, track, person, seen = scene
    believed = {f"{side}_hand": Part(0.9, Origin.MEASURED) for side in ("left", "right")}
    tracks = [replace(track, id=k) for k in range(count)]
    people = [replace(person, id=k, parts={**person.parts, **believed}) for k in range(count)]
    networks = CountedViews(seen)
    views = trusting(networks)
    for _ in range(4 * RELOOK):
        views.look([Scene(frame, tracks)])
        views.learn([Scene(frame, tracks)], [people])
    first, *later = networks.asked
    assert first == list(range(count))
    assert max(map(len, later)) == -(-count // RELOOK)
    often = Counter(chain.from_iterable(later))
    assert set(often) == set(range(count)) and max(often.values()) - min(often.values()) <= 1
    assert min(often.values()) >= 2


def test_networks_look_only_where_the_mesh_is_not_believed(scene: tuple[Frame, Track, Person, View]) -> None:
    frame, track, person, seen = scene
    believed = {f"{side}_hand": Part(0.9, Origin.MEASURED) for side in ("left", "right")}
    sure = replace(person, parts={**person.parts, **believed})
    unsure = replace(sure, parts={**sure.parts, "left_hand": Part(0.0, Origin.DEFAULT)})
    networks = CountedViews(seen)
    views = trusting(networks)

    def step(known: Person, at: Track = track) -> None:
        networks.asked.clear()
        assert views.look([Scene(frame, [at])])[0][0][0] is not None
        views.learn([Scene(frame, [at])], [[known]])

    step(sure)
    assert networks.asked == [[1]], "a new person"
    step(sure)
    assert networks.asked == [], "the mesh is believed"
    step(unsure)
    step(sure)
    assert networks.asked == [[1]], "the network does not believe in a hand"
    elsewhere = Track(1, TrackState.TRACKED, track.box + np.array([0, 0, 900, 0], np.float32), 0.9)
    step(sure, elsewhere)
    assert networks.asked == [[1]], "the box is now another"
    step(sure)
    asked = 0
    for _ in range(30):
        step(sure)
        asked += len(networks.asked)
    assert asked == 3, "every tenth frame the networks look again"
    step(sure, Track(1, TrackState.LOST, track.box, 0.9, seen=False))
    assert networks.asked == [[1]], "the tracker has lost it"


def whole_body_network(path: Path, points: np.ndarray, score: float) -> Path:
    """An ONNX file in RTMPose's layout whose SimCC peaks lie at `points` (133, 2) of its 192 x 256 input."""
    onnx = pytest.importorskip("onnx")
    from onnx import TensorProto, helper, numpy_helper

    x, y = np.zeros((1, 133, 384), np.float32), np.zeros((1, 133, 512), np.float32)
    for k, (u, v) in enumerate(points):
        x[0, k, int(2 * u)] = y[0, k, int(2 * v)] = score
    nodes = [
        helper.make_node("ReduceMean", ["input"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
        helper.make_node("Add", ["x", "nothing"], ["simcc_x"]),
        helper.make_node("Add", ["y", "nothing"], ["simcc_y"]),
    ]
    graph = helper.make_graph(
        nodes, "whole-body",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, 256, 192])],
        [helper.make_tensor_value_info("simcc_x", TensorProto.FLOAT, [1, 133, 384]),
         helper.make_tensor_value_info("simcc_y", TensorProto.FLOAT, [1, 133, 512])],
        [numpy_helper.from_array(a, n) for n, a in (("x", x), ("y", y), ("zero", np.zeros((), np.float32)))],
    )  # fmt: skip
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    return path


@pytest.mark.parametrize("score", [0.8, 0.1])
def test_rtmlibs_keypoints_are_taken_apart(tmp_path: Path, score: float) -> None:
    pytest.importorskip("rtmlib", reason="the extra rtmlib is not installed")
    from pymafx_live.engines.pymafx.rtmlib_views import RtmlibViews

    rng = np.random.default_rng(0)
    points = rng.integers(20, 170, (133, 2)).astype(np.float32)
    views = RtmlibViews(whole_body_network(tmp_path / "w.onnx", points, score))
    frame = Frame(np.zeros((480, 640, 3), np.uint8), "x", 0, 0.0, 0.0, Camera(640, 480, 500, 500, 319.5, 239.5))
    box = np.array([100, 100, 253.6, 304.8], np.float32)  # 1.25 times it is 192 x 256
    found = views.look([Scene(frame, [Track(1, TrackState.TRACKED, box, 0.9)])])[0][0][0]
    assert views.look([Scene(frame, [])])[0] == [[]]
    views.close()
    if score < 0.3:
        assert found is None
        return
    assert found is not None and found.face is not None
    expected = points + ((box[:2] + box[2:]) / 2 - (96, 128))
    np.testing.assert_allclose(found.body[:, :2], expected[:17], atol=0.6)
    np.testing.assert_allclose(found.face, expected[23:91], atol=0.6)
    np.testing.assert_allclose(found.hands["left"], expected[91:112], atol=0.6)
    np.testing.assert_allclose(found.hands["right"], expected[112:], atol=0.6)


def test_rtmlib_is_given_no_other_network(tmp_path: Path) -> None:
    pytest.importorskip("rtmlib", reason="the extra rtmlib is not installed")
    from pymafx_live.engines.pymafx.rtmlib_views import RtmlibViews

    other = Path(str(resources.files("pymafx_live.engines.data") / "hand_recrop.onnx"))
    with pytest.raises(AssetError, match="no whole-body network"):
        RtmlibViews(other)
    with pytest.raises(AssetError, match="there is no file"):
        RtmlibViews(tmp_path / "nowhere.onnx")
