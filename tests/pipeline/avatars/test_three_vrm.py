"""pixiv's three-vrm plays what is sent on avatars of VRM 0.x and 1.0: the joints stand where ours do."""

import json
import re
import shutil
import subprocess
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import cv2
import numpy as np
import pytest
from pymafx_live.core.skeleton import JOINT
from pymafx_live.pipeline.avatars import stage
from pymafx_live.pipeline.avatars.figure import SOLE, figure_of
from pymafx_live.pipeline.avatars.humanoid import BONES
from pymafx_live.pipeline.avatars.vmc import Encoder, Status
from pymafx_live.pipeline.avatars.vrm import read_avatar
from pymafx_live.pipeline.outputs.vmc import VmcOutput, VmcSettings
from pythonosc.osc_message import OscMessage
from scipy.spatial.transform import Rotation
from support.npm import installed
from support.people import person, random_pose, result
from support.vrm_avatar import make

pytestmark = pytest.mark.slow
SUPPORT = Path(__file__).parents[2] / "support"
PACKAGES = ("@pixiv/three-vrm@3", "three@0.180", "osc-min@2")
THUMBS = {"ThumbProximal": "ThumbMetacarpal", "ThumbIntermediate": "ThumbProximal"}
ROLES = {
    re.sub("Thumb(Proximal|Intermediate)", lambda found: THUMBS[found[0]], bone[:1].lower() + bone[1:]): JOINT[ours]
    for bone, ours in BONES.items()
}


CHROMIUM = (
    "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader", "--disable-background-networking", "--window-size=1200,600",
    "--virtual-time-budget=30000",
)  # fmt: skip


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    folder = installed(tmp_path_factory.mktemp("three"), PACKAGES)
    for name in ("vmc_player.mjs", "vmc_apply.mjs", "vmc_page.html"):
        shutil.copy(SUPPORT / name, folder)
    return folder


class Player:
    """The app, in node."""

    def __init__(self, folder, avatar):
        self.process = subprocess.Popen(
            ["node", "vmc_player.mjs", avatar], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.port = int(self.process.stdout.readline())

    def frame(self):
        """The bones' places (3,) and rotations by name, and the expressions, after the next frame."""
        shown = json.loads(self.process.stdout.readline())
        return {n: (np.array(p), Rotation.from_quat(q)) for n, (p, q) in shown["bones"].items()}, shown["expressions"]

    def close(self):
        self.process.stdin.close()
        self.process.wait(10)


CASES = {
    "0.x": {"version": 0},
    "0.x, without an upper chest, shoulders and a neck": {
        "version": 0, "without": ("UpperChest", "LeftShoulder", "RightShoulder", "Neck"),
    },
    "1.0": {"version": 1},
    "1.0, bones turned at rest": {"version": 1, "twisted": 3},
    "1.0, bones turned at rest, without an upper chest": {"version": 1, "twisted": 4, "without": ("UpperChest",)},
}  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=list(CASES))
def test_joints_stand_where_ours_do(packages, tmp_path, monkeypatch, case):
    for wait in ("SILENT", "HEARTBEAT"):  # a slow machine must not have frames of its own between
        monkeypatch.setattr(stage, wait, 60.0)
    scale, kind = 0.8, CASES[case]
    make(tmp_path / "avatar.vrm", scale=scale, **kind)
    player = Player(packages, tmp_path / "avatar.vrm")
    output = VmcOutput(VmcSettings(vmc=f"127.0.0.1:{player.port}", vmc_avatar=str(tmp_path / "avatar.vrm")))
    rng = np.random.default_rng(9)
    try:
        for k in range(30):
            shapes = rng.random(52).astype(np.float32)
            frame = result(person(random_pose(rng), (0.2, 0.3, 3.0), extra={"blendshapes": shapes}), sequence=k)
            output.write(frame, None)
            bones, expressions = player.frame()
            figure = figure_of(frame.people[0], frame)
            joints, turned = figure.joints()
            joints = (joints - figure.place * [1, 0, 1]) * scale
            assert "leftEye" in bones and "leftLittleDistal" in bones
            for name, (place, _) in bones.items():
                if "without" not in kind:  # else what hangs on a missing bone is where the avatar's own bones lead
                    assert np.linalg.norm(place - joints[ROLES[name]]) < 1e-3, name
            folded = kind.get("without", ())
            for name, (_, turn) in bones.items():
                rest = world_rest(kind, ROLES[name])
                meant = 9 if name == "chest" and "UpperChest" in folded else ROLES[name]
                assert (Rotation.from_matrix(turned[meant]).inv() * turn * rest.inv()).magnitude() < 1e-4, name
            assert expressions["blinkLeft"] == pytest.approx(shapes[9], abs=1e-6)
            assert expressions["happy"] == 0
    finally:
        output.close()
        player.close()


def world_rest(kind, joint):
    """The rotation that a bone of the avatar has at rest, in a model that faces +z."""
    if "twisted" in kind:
        return Rotation.random(55, random_state=kind["twisted"])[joint]
    return Rotation.from_euler("y", 180, degrees=True) if kind["version"] == 0 else Rotation.identity()


def test_the_rest_pose_stands_on_the_floor(packages, tmp_path):
    make(tmp_path / "avatar.vrm", scale=1.3)
    player = Player(packages, tmp_path / "avatar.vrm")
    output = VmcOutput(VmcSettings(vmc=f"127.0.0.1:{player.port}", vmc_avatar=str(tmp_path / "avatar.vrm")))
    try:
        output.write(result(person(extra={"blendshapes": np.zeros(52, np.float32)})), None)
        player.frame()
        output.write(result(sequence=1), None)  # nobody is there any more
        output.close()
        while (shown := json.loads(player.process.stdout.readline())) is not None:
            last = shown["bones"]
        assert last["leftUpperArm"][0][1] - last["leftHand"][0][1] > 0.4 * 1.3  # the arms hang
        assert last["leftFoot"][0][1] == pytest.approx(SOLE * 1.3, abs=0.01)
        assert last["hips"][0][0] == pytest.approx(0, abs=1e-6)
    finally:
        player.close()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def served(packages):
    """The address of the packages' folder."""
    handler = partial(Quiet, directory=packages)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_chromium_draws_the_avatars_where_their_joints_are(packages, served, tmp_path):
    """A picture of four avatars, each in a pose of its own; the joints that are seen have the colour of skin."""
    if shutil.which("chromium") is None:
        pytest.skip("no chromium: apt-get install chromium")
    distance, spacing, shown, places = 6.0, 1.3, [], []
    for k, kind in enumerate(({"version": 0, "without": ("UpperChest",)}, {"version": 0}, {}, {"twisted": 2})):
        make(packages / f"{k}.vrm", scale=0.9, **kind)
        pose = np.zeros((55, 3), np.float32)
        pose[0] = np.pi, 0, 0
        pose[JOINT["left_shoulder"]], pose[JOINT["right_shoulder"]] = (0, 0, -1.1 + k), (0, 0, 1.2)
        pose[JOINT["right_elbow"]], pose[JOINT["left_knee"]] = (0, 0, -0.5 * k), (0.5 * k, 0, 0)
        someone = person(pose, (0, 0.4, 3.0))
        frame = result(someone)
        figure = figure_of(someone, frame).moved(np.array([0, 0, 3.0]))
        messages = Encoder(read_avatar(packages / f"{k}.vrm")).messages(figure, 0.0, Status(True, True))
        read = [OscMessage(data) for data in messages]
        shown.append({"avatar": f"{k}.vrm", "messages": [[m.address, list(m.params)] for m in read]})
        places.append(figure.joints()[0] * 0.9 + [(k - 1.5) * spacing, 0, 0])
    (packages / "frames.json").write_text(json.dumps({"distance": distance, "spacing": spacing, "shown": shown}))
    picture = tmp_path / "avatars.png"
    command = [*CHROMIUM, f"--screenshot={picture}", f"--user-data-dir={tmp_path}", f"{served}/vmc_page.html"]
    subprocess.run(command, capture_output=True, timeout=120, check=True)
    pixels = cv2.imread(str(picture)).astype(int)
    width, height = 1200, 480  # of the page's canvas
    focal = height / 2 / np.tan(np.radians(15))
    seen = ("head", "neck", "left_wrist", "right_wrist", "left_elbow", "right_elbow", "left_knee", "right_ankle")
    for joints in places:
        for name in seen:
            x, y, z = joints[JOINT[name]]
            at = width / 2 + focal * x / (distance - z), height / 2 - focal * (y - 0.9) / (distance - z)
            blue, _, red = pixels[round(at[1]), round(at[0])]
            assert red - blue > 15, name
