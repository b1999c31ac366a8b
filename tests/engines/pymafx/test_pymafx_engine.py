"""The engine on the synthetic network: what runs when, what is carried on, and what is said of it."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pymafx_live.core.types import PARTS, Camera, Frame, Origin, Person, Scene, Track, TrackState
from pymafx_live.engines.pymafx.joints import joints_of, read_skeleton
from scipy.spatial.transform import Rotation

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

from pymafx_live.configs.schema import EngineSettings, Settings
from pymafx_live.core.errors import AssetError
from pymafx_live.core.interfaces import Engine
from pymafx_live.engines import open_engine
from pymafx_live.engines.imaging import Pictures
from pymafx_live.engines.imaging.device import Squares
from pymafx_live.engines.landmarks.easing import rest_pose
from pymafx_live.engines.pymafx.engine import (
    PymafxEngine,
    PymafxOptions,
)
from pymafx_live.engines.pymafx.estimator import Estimator
from pymafx_live.engines.pymafx.graphs.modules import torch_runners
from pymafx_live.engines.pymafx.track import HOLD, MeanShape
from pymafx_live.engines.pymafx.views import Looks, View

CAMERA = Camera(640, 480, 600, 600, 319.5, 239.5)
IMAGE = np.random.default_rng(0).integers(0, 255, (480, 640, 3), np.uint8)
LIMBS = ("torso", "head", "left_arm", "right_arm", "left_leg", "right_leg", "jaw", "transl")


class Counted:
    """A graph's real runner, how many rows it has been given in each call, and as what."""

    def __init__(self, runner: Any) -> None:
        self.runner, self.rows, self.kinds = runner, [], set()
        self.runtime, self.device, self.about = "torch", "cpu", runner.about
        self.inputs, self.outputs = runner.inputs, runner.outputs

    def run(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        self.rows.append(len(inputs["crops"]))
        self.kinds.add(type(inputs["crops"]))
        return self.runner.run(inputs)

    def close(self) -> None:
        pass


class Told:
    """Views that a test writes down by track, for each frame anew."""

    learns = False

    def __init__(self) -> None:
        self.views: dict[int, View | None] = {}

    def look(self, scenes: Sequence[Scene]) -> Looks:
        return [[self.views.get(t.id) for t in scene.tracks] for scene in scenes], {}

    def learn(self, scenes: Sequence[Scene], people: Sequence[Sequence[Person]]) -> None:
        pass

    def forget(self, source: str, ids: object = None) -> None:
        pass

    def close(self) -> None:
        pass


def view(x: float, hands: str = "lr", face: bool = True, confidence: float = 0.9) -> View:
    rng = np.random.default_rng(int(x))
    body = np.column_stack([rng.uniform((x, 60), (x + 90, 400), (17, 2)), np.ones(17)]).astype(np.float32)
    sides = [side for side in ("left", "right") if side[0] in hands]
    return View(
        body,
        {side: rng.uniform((x, 100), (x + 40, 140), (21, 2)).astype(np.float32) for side in sides},
        rng.uniform((x, 60), (x + 30, 100), (68, 2)).astype(np.float32) if face else None,
        dict.fromkeys(LIMBS, confidence),
        {"keypoints": np.zeros((33, 3), np.float32)},
    )


def track(id_: int, x: float, state: TrackState = TrackState.TRACKED) -> Track:
    return Track(id_, state, np.array([x, 50, x + 100, 420], np.float32), 0.8, state is TrackState.TRACKED)


@pytest.fixture(scope="module")
def runners(network: Any) -> dict[str, Counted]:
    return {name: Counted(runner) for name, runner in torch_runners(network).items()}


Made = tuple[PymafxEngine, Told, dict[str, Counted]]


@pytest.fixture
def make(runners: dict[str, Counted], prepared_dir: Path) -> Callable[..., Made]:
    def made(max_batch: int = 8, pictures: Pictures | None = None, **options: int) -> Made:
        told = Told()
        estimator = Estimator(runners, max_batch)
        skeleton = read_skeleton(prepared_dir)
        engine = PymafxEngine(estimator, told, skeleton, PymafxOptions(**options), pictures)
        for runner in runners.values():
            runner.rows.clear()
            runner.kinds.clear()
        return engine, told, runners

    return made


def frame(k: int, fps: float = 25.0) -> Frame:
    return Frame(IMAGE, "test", k, k / fps, 0.0, CAMERA)


def estimate(engine: PymafxEngine, frame: Frame, tracks: list[Track]) -> list[Person]:
    return list(engine.estimate([Scene(frame, tracks)]).people[0])


def check_sound(person: Person) -> None:
    assert set(person.parts) == set(PARTS)
    for name in ("full_pose", "betas", "expression", "transl", "pelvis"):
        assert np.isfinite(getattr(person, name)).all()
    assert np.linalg.norm(person.full_pose, axis=1).max() <= np.pi + 1e-4
    assert person.transl[2] > 0 and person.extra["crop_camera"].shape == (3,)
    assert person.joints.shape == (55, 3)
    np.testing.assert_array_equal(person.joints[0], person.pelvis)


def test_it_says_what_the_whole_network_says(make: Any, network: Any) -> None:
    """The graphs by people and parts, against one call of the network on the same crops."""
    from pymafx_live.engines.imaging import HostPicture
    from pymafx_live.engines.pymafx.crops import FACE_MARGIN, HAND_MARGIN, SIZE, crop_to_image
    from pymafx_live.engines.pymafx.engine import full_poses
    from pymafx_live.engines.pymafx.graphs.modules import Normalise
    from pymafx_live.engines.pymafx.views import body_boxes, part_boxes

    engine, told, _ = make()
    tracks = [track(1, 100), track(2, 400)]
    told.views = {1: view(100), 2: view(400)}
    people = estimate(engine, frame(0), tracks)
    picture, views = HostPicture(IMAGE), list(told.views.values())
    boxes = [body_boxes(views, np.stack([t.box for t in tracks]))]
    boxes += [part_boxes([v.hands[side] for v in views], HAND_MARGIN) for side in ("left", "right")]
    boxes += [part_boxes([v.face for v in views], FACE_MARGIN)]
    with torch.inference_mode():
        cut = [picture.warp(crop_to_image(b.corners()), SIZE, antialias=True) for b in boxes]
        crops = [Normalise()(torch.from_numpy(pixels)) for pixels in cut]
        expected = {k: v.numpy() for k, v in network(*crops).items()}
    poses = Rotation.from_rotvec(full_poses(expected).reshape(-1, 3))
    got = Rotation.from_rotvec(np.concatenate([p.full_pose for p in people]))
    assert np.degrees((poses * got.inv()).magnitude()).max() < 0.01
    for k, person in enumerate(people):
        check_sound(person)
        np.testing.assert_allclose(person.betas, expected["pred_shape"][k], atol=1e-4)
        np.testing.assert_allclose(person.expression, expected["pred_exp"][k], atol=1e-4)
        np.testing.assert_allclose(person.extra["crop_camera"], expected["pred_cam"][k], atol=1e-4)
        visible = expected["pred_vis_hands"][k]
        for h, side in enumerate(("left", "right")):
            part = person.parts[f"{side}_hand"]
            assert part.confidence == pytest.approx(np.clip(visible[h], 0, 1), abs=1e-4)
            assert part.origin is (Origin.MEASURED if visible[h] > 0.1 else Origin.DEFAULT)


def test_pictures_on_a_device_give_the_same_people(make: Any) -> None:
    """Nearly: a grey level here and there. All crops are cut there, and the graphs given them there, in pieces too."""
    tracks, views = [track(1, 100), track(2, 400)], {1: view(100), 2: view(400, hands="l")}
    people = {}
    for kind, pictures in ((np.ndarray, Pictures()), (Squares, Pictures(torch_on_cpu=True))):
        engine, told, graphs = make(max_batch=2, pictures=pictures)
        told.views = views
        people[kind] = estimate(engine, frame(0), tracks)
        assert graphs["hands"].rows == [2, 1] and graphs["face"].rows == graphs["body"].rows == [2]
        assert all(graph.kinds == {kind} for graph in graphs.values())
    for found, expected in zip(people[Squares], people[np.ndarray], strict=True):
        turn = Rotation.from_rotvec(found.full_pose) * Rotation.from_rotvec(expected.full_pose).inv()
        assert np.degrees(turn.magnitude()).max() < 0.1
        np.testing.assert_allclose(found.betas, expected.betas, atol=1e-3)
        np.testing.assert_allclose(found.expression, expected.expression, atol=0.01)
        np.testing.assert_allclose(found.transl, expected.transl, rtol=1e-3)


def test_hands_and_faces_that_are_not_due_do_not_run(make: Any) -> None:
    engine, told, graphs = make(hands_every=3, face_every=2)
    told.views = {1: view(100)}
    origins = []
    for k in range(5):
        person = estimate(engine, frame(k), [track(1, 100)])[0]
        origins.append((person.parts["jaw"].origin.value, person.parts["expression"].origin.value))
        check_sound(person)
    assert graphs["hands"].rows == [2, 2]
    assert graphs["face"].rows == [1, 1, 1]
    assert graphs["body"].rows == [1] * 5
    assert origins == [("measured",) * 2, ("held",) * 2] * 2 + [("measured",) * 2]


@pytest.mark.parametrize("rates", [{}, {"hands_every": 2, "face_every": 4}])
def test_a_scene_may_ask_for_hands_and_faces_less_often_but_not_so_rarely_that_they_are_dropped(
    make: Any, rates: dict[str, int]
) -> None:
    engine, told, graphs = make(**rates)
    told.views = {1: view(100)}
    for k in range(7):
        (people,) = engine.estimate([Scene(frame(k), [track(1, 100)], hands_every=3, face_every=2)]).people
        check_sound(people[0])
    assert len(graphs["hands"].rows) == 3
    assert len(graphs["face"].rows) == (2 if rates else 4)
    for k in (100, 120, 140):  # the better part of a second apart
        (people,) = engine.estimate([Scene(frame(k), [track(1, 100)], hands_every=9, face_every=9)]).people
        assert people[0].parts["jaw"].origin is Origin.MEASURED
    assert len(graphs["hands"].rows) == 6


def test_what_is_out_of_view_does_not_run_and_is_held_then_let_go(make: Any) -> None:
    engine, told, graphs = make()
    told.views = {1: view(100)}
    first = estimate(engine, frame(0), [track(1, 100)])[0]
    told.views = {1: view(100, hands="", face=False)}
    second = estimate(engine, frame(1), [track(1, 100)])[0]
    assert graphs["hands"].rows == [2] and graphs["face"].rows == [1]
    np.testing.assert_array_equal(first.expression, second.expression)
    np.testing.assert_array_equal(first.jaw_pose, second.jaw_pose)
    np.testing.assert_allclose(first.left_hand_pose, second.left_hand_pose, atol=1e-6)
    assert second.parts["jaw"].origin is Origin.HELD
    late = estimate(engine, frame(int(HOLD * 25) + 3), [track(1, 100)])[0]
    assert graphs["hands"].rows == [2] and graphs["face"].rows == [1]
    assert {late.parts[p].origin for p in ("jaw", "expression", "left_hand", "right_hand")} == {Origin.DEFAULT}
    assert not late.expression.any() and np.abs(late.jaw_pose).max() < 1e-6
    check_sound(late)


def test_a_hand_that_was_never_seen_is_the_mean_hand(make: Any, network: Any) -> None:
    engine, told, _ = make()
    told.views = {1: view(100, hands="r", face=False, confidence=0.2)}
    person = estimate(engine, frame(0), [track(1, 100)])[0]
    mean = Rotation.from_rotvec(person.left_hand_pose.reshape(15, 3)).as_matrix()
    np.testing.assert_allclose(mean, network.body.mesh.hands[:15], atol=1e-5)
    assert person.parts["left_hand"].origin is Origin.DEFAULT and person.parts["left_leg"].origin is Origin.DEFAULT
    assert person.parts["betas"].origin is Origin.MEASURED


def test_batches_are_split_and_people_do_not_depend_on_each_other(make: Any) -> None:
    tracks = [track(k, 100 * k) for k in (1, 2, 3)]
    views = {k: view(100 * k, hands="lr" if k != 2 else "l", face=k != 3) for k in (1, 2, 3)}
    engine, told, graphs = make(max_batch=2)
    told.views = views
    split = estimate(engine, frame(0), tracks)
    assert graphs["body"].rows == [2, 1] and graphs["hands"].rows == [2, 2, 1] and graphs["face"].rows == [2]
    engine, told, _ = make(max_batch=8)
    for k in (1, 2, 3):
        told.views = views
        alone = estimate(engine, frame(k), [tracks[k - 1]])[0]
        np.testing.assert_allclose(alone.betas, split[k - 1].betas, atol=2e-4)
        np.testing.assert_allclose(alone.transl, split[k - 1].transl, rtol=1e-4, atol=1e-3)


def test_nobody_is_nobody(make: Any) -> None:
    engine, _, graphs = make()
    assert estimate(engine, frame(0), []) == []
    assert not graphs["body"].rows


def test_who_is_not_found_is_held(make: Any) -> None:
    engine, told, graphs = make()
    told.views = {1: view(100)}
    before = estimate(engine, frame(0), [track(1, 100)])[0]
    told.views = {}
    lost = estimate(engine, frame(1), [track(1, 130, TrackState.LOST)])[0]
    assert graphs["body"].rows == [1], "there is nothing to look at in a guessed box"
    np.testing.assert_array_equal(lost.body_pose, before.body_pose)
    shift = (lost.pelvis - before.pelvis)[0]
    assert shift == pytest.approx(30 / CAMERA.fx * before.pelvis[2], rel=1e-4)
    assert lost.parts["torso"].origin is Origin.HELD and lost.parts["torso"].confidence == 0
    for k in range(2, 60):
        gone = estimate(engine, frame(k), [track(1, 130, TrackState.LOST)])[0]
    assert {part.origin for part in gone.parts.values()} == {Origin.DEFAULT}
    np.testing.assert_allclose(gone.full_pose[1:], rest_pose()[1:], atol=1e-6)
    np.testing.assert_array_equal(gone.global_orient, before.global_orient)
    np.testing.assert_array_equal(gone.pelvis, lost.pelvis)
    stranger = estimate(engine, frame(60), [track(9, 130, TrackState.LOST)])[0]
    assert {part.origin for part in stranger.parts.values()} == {Origin.DEFAULT}
    np.testing.assert_array_equal(stranger.full_pose, rest_pose())
    assert stranger.pelvis[2] > 0


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("graph", ["body", "hands", "face"])
def test_what_is_no_number_is_nothing_found_and_does_not_stay(make: Any, graph: str, value: float) -> None:
    """Of two people the first one's answers are spoiled in one frame; the mean of a shape would keep that for good."""

    class Spoiling(Counted):
        def run(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
            made = {name: np.array(values) for name, values in super().run(inputs).items()}
            if len(self.rows) == 2:
                for values in made.values():
                    values[0] = value
            return made

    engine, told, runners = make()
    expected = Spoiling(runners[graph].runner)
    engine._estimator._runners = {**runners, graph: expected}
    told.views = {1: view(100), 2: view(400)}
    made = [estimate(engine, frame(k), [track(1, 100), track(2, 400)]) for k in range(3)]
    for people in made:
        for person in people:
            check_sound(person)
    spoiled, other = made[1]
    parts = {"body": ("torso", "transl"), "hands": ("left_hand",), "face": ("jaw", "expression")}[graph]
    for name in parts:
        assert spoiled.parts[name].origin in (Origin.HELD, Origin.DEFAULT)
        assert made[2][0].parts[name].origin is made[0][0].parts[name].origin
        assert other.parts[name].origin is made[0][1].parts[name].origin
    np.testing.assert_allclose(made[2][0].betas, made[0][0].betas, atol=1e-3)


def test_two_cameras_are_one_batch_and_each_is_as_alone(make: Any) -> None:
    """Two pictures of other sizes, and the same id in both."""
    engine, told, runners = make()
    told.views = {1: view(100)}
    other = Frame(np.ascontiguousarray(IMAGE[:-40, 30:]), "other", 0, 0.0, 0.0, CAMERA)
    scenes = [Scene(frame(0), [track(1, 100)]), Scene(other, [track(1, 100)])]
    together = [people[0] for people in engine.estimate(scenes).people]
    assert [runners[name].rows for name in ("body", "hands", "face")] == [[2], [4], [2]]
    engine.forget("test")
    engine.forget("other", [1])
    for person, scene in zip(together, scenes, strict=True):
        ((alone,),) = engine.estimate([scene]).people
        np.testing.assert_allclose(person.full_pose, alone.full_pose, atol=1e-4)
        np.testing.assert_allclose(person.transl, alone.transl, atol=1e-4)
    assert np.abs(together[0].full_pose - together[1].full_pose).max() > 1e-3


def test_a_detected_box_is_enough(make: Any) -> None:
    """Where the landmark networks find nobody the body is still estimated, by the detector's box."""
    engine, _, graphs = make()
    person = estimate(engine, frame(0), [track(1, 100)])[0]
    assert graphs["body"].rows == [1] and not graphs["hands"].rows and not graphs["face"].rows
    assert person.parts["torso"].origin is Origin.MEASURED and person.parts["torso"].confidence == pytest.approx(0.8)


def test_shape_is_averaged_over_the_track_and_freezes(make: Any) -> None:
    engine, told, _ = make(freeze_shape=2)
    betas = []
    for k in range(4):
        told.views = {1: view(100 + 20 * k)}
        person = estimate(engine, frame(k), [track(1, 100)])[0]
        betas.append(person.betas)
    assert np.abs(betas[1] - betas[0]).max() > 1e-3
    np.testing.assert_array_equal(betas[2], betas[1])
    np.testing.assert_array_equal(betas[3], betas[1])
    assert person.parts["betas"].origin is Origin.HELD


def test_the_mean_shape_is_a_mean() -> None:
    rng = np.random.default_rng(0)
    rows: NDArray[np.float64] = rng.normal(size=(7, 10))
    shape = MeanShape(freeze=0)
    for k, row in enumerate(rows):
        np.testing.assert_allclose(shape.add(row), rows[: k + 1].mean(0), rtol=1e-6)
    assert not shape.frozen


def test_the_skeleton_is_the_meshs(prepared_dir: Path, make: Any) -> None:
    """Joints of a published person are those of the whole SMPL-X file, posed by the PyTorch skinning."""
    from support.meshes import SmplxMesh

    engine, told, _ = make()
    told.views = {1: view(100)}
    person = estimate(engine, frame(0), [track(1, 100)])[0]
    joints, _ = joints_of(read_skeleton(prepared_dir), [person])
    mesh = SmplxMesh.from_assets(prepared_dir)
    R = torch.from_numpy(Rotation.from_rotvec(person.full_pose).as_matrix()).float()[None]
    _, expected = mesh.skin(R, torch.from_numpy(person.betas)[None])
    np.testing.assert_allclose(joints[0], expected[0].numpy() + person.transl, atol=2e-4)
    np.testing.assert_array_equal(person.joints, joints[0])


def test_a_folder_that_is_none_is_told(tmp_path: Path) -> None:
    def opened(assets: Path) -> Engine:
        return open_engine(Settings(engine=EngineSettings(name="pymafx", assets=str(assets))), Pictures())

    with pytest.raises(AssetError, match="is not a folder"):
        opened(tmp_path / "nowhere")
    with pytest.raises(AssetError, match=r"v1\.1\.pt is missing"):
        opened(tmp_path)
