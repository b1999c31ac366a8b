"""What leaves as VMC, received over UDP and decoded by libraries of others."""

import socket

import numpy as np
import pytest
from osc4py3 import oscbuildparse
from pymafx_live.core.rotations import to_matrices
from pymafx_live.core.skeleton import JOINT, PARENTS
from pymafx_live.core.world import FloorOrigin, World, WorldOrigin
from pymafx_live.engines.body.rest import rest_bones
from pymafx_live.pipeline.avatars import figure, follower, stage
from pymafx_live.pipeline.avatars.humanoid import BONES
from pymafx_live.pipeline.outputs.vmc import VmcOutput, VmcSettings
from pythonosc.osc_packet import OscPacket
from scipy.spatial.transform import Rotation
from support.people import person, random_pose, result


class Receiver:
    """An avatar's app: takes datagrams and keeps the last of each message."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**20)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(5)
        self.port = self.socket.getsockname()[1]

    def datagrams(self):
        """All that has come."""
        out = [self.socket.recv(65536)]
        self.socket.setblocking(False)
        try:
            while True:
                out.append(self.socket.recv(65536))
        except BlockingIOError:
            self.socket.settimeout(5)
        return out

    def messages(self):
        """What has come as (address, arguments), by python-osc; osc4py3 must read the same."""
        out = []
        for data in self.datagrams():
            theirs = oscbuildparse.decode_packet(data)
            theirs = theirs.elements if isinstance(theirs, oscbuildparse.OSCBundle) else [theirs]
            ours = [m.message for m in OscPacket(data).messages]
            assert [(m.address, list(m.params)) for m in ours] == [(m.addrpattern, list(m.arguments)) for m in theirs]
            out += [(m.address, list(m.params)) for m in ours]
        return out

    def bones(self):
        """The last place and rotation (x, y, z, w) of each bone."""
        return {m[0]: np.array(m[1:]) for address, m in self.messages() if address == "/VMC/Ext/Bone/Pos"}


@pytest.fixture
def app():
    receiver = Receiver()
    yield receiver
    receiver.socket.close()


@pytest.fixture
def vmc(app, monkeypatch):
    """Opens outputs that send to the app."""
    for module in (stage, follower):  # whether an avatar comes to rest at the end is asked elsewhere
        monkeypatch.setattr(module, "LET_GO", 0.05)
    opened = []

    def make(**settings):
        opened.append(VmcOutput(VmcSettings(vmc=f"127.0.0.1:{app.port}", **settings)))
        return opened[-1]

    yield make
    for output in opened:
        output.close()


def stood(bones):
    """Where Unity has the joints (55, 3) of a hierarchy of bones with local places and rotations, in Unity's axes."""
    joint = {JOINT[ours]: name for name, ours in BONES.items()}
    places, turns = np.zeros((55, 3)), [Rotation.identity()] * 55
    for j, parent in enumerate(PARENTS):
        place, turn = bones[joint[j]][:3], Rotation.from_quat(bones[joint[j]][3:])
        above = (np.zeros(3), Rotation.identity()) if parent < 0 else (places[parent], turns[parent])
        places[j], turns[j] = above[0] + above[1].apply(place), above[1] * turn
    return places


def test_a_hundred_poses_are_rebuilt_within_a_millimetre(app, vmc):
    output, rng = vmc(), np.random.default_rng(5)
    for _ in range(100):
        bones = rng.uniform(0.8, 1.2, 55).astype(np.float32)
        someone = person(random_pose(rng), (0.5, 0.2, 3.0), bones)
        output.write(result(someone), None)
        built = stood(app.bones())
        # Unity has x to the right of whom the camera sees from the front, y up, and z to the camera.
        seen = someone.joints * [-1, -1, -1]
        assert np.abs((built - built[0]) - (seen - seen[0])).max() < 1e-3


def test_rotations_are_smplx_own_with_x_mirrored(app, vmc):
    pose = np.zeros((55, 3), np.float32)
    pose[0], pose[18] = (np.pi, 0, 0), (0.2, -1.0, 0.3)
    vmc().write(result(person(pose)), None)
    bones = app.bones()
    assert set(bones) == set(BONES)
    x, y, z, w = Rotation.from_rotvec([0.2, -1.0, 0.3]).as_quat()
    assert np.allclose(bones["LeftLowerArm"][3:], [x, -y, -z, w], atol=1e-6)
    assert np.allclose(np.abs(bones["Hips"][3:]), [0, 0, 0, 1], atol=1e-6)  # faces the camera, as an avatar the viewer
    assert np.allclose(bones["LeftLowerArm"][:3], rest_bones()[18] * [-1, 1, 1], atol=1e-6)
    assert bones["LeftUpperArm"][0] < 0 < bones["RightUpperArm"][0]


def test_a_frame_is_a_few_datagrams_that_no_network_splits(app, vmc):
    output = vmc(vmc_face="arkit")
    output.write(result(person(extra={"blendshapes": np.full(52, 0.5, np.float32)})), None)
    datagrams = app.datagrams()
    assert len(datagrams) <= 7
    assert max(map(len, datagrams)) <= 1500 - 28


def test_messages_go_one_by_one_without_bundles(app, vmc):
    vmc(vmc_bundles="off").write(result(person()), None)
    datagrams = app.datagrams()
    assert len(datagrams) > 55
    assert all(data.startswith(b"/VMC/Ext/") for data in datagrams)


def test_a_frame_holds_what_the_protocol_asks_for_in_its_order(app, vmc):
    vmc().write(result(person(extra={"blendshapes": np.zeros(52, np.float32)})), None)
    messages = app.messages()
    addresses = [address.removeprefix("/VMC/Ext/") for address, _ in messages]
    assert addresses[:3] == ["OK", "T", "Root/Pos"]
    assert addresses[3:58] == ["Bone/Pos"] * 55
    assert set(addresses[58:-1]) == {"Blend/Val"}
    assert addresses[-1] == "Blend/Apply"
    assert messages[0][1] == [1, 3, 0, 1]
    assert messages[2][1] == ["root", 0, 0, 0, 0, 0, 0, 1]


def test_a_mirror_exchanges_left_and_right(app, vmc):
    rng = np.random.default_rng(1)
    someone = person(random_pose(rng), (0.5, 0.2, 3.0))
    shapes = rng.random(52).astype(np.float32)
    someone.extra["blendshapes"] = shapes
    vmc(vmc_face="arkit").write(result(someone), None)
    plain = app.messages()
    vmc(vmc_face="arkit", vmc_mirror=True).write(result(someone), None)
    mirrored = app.messages()

    def of(messages):
        bones = {m[0]: np.array(m[1:]) for address, m in messages if address.endswith("Bone/Pos")}
        return bones, {m[0]: m[1] for address, m in messages if address.endswith("Blend/Val")}

    (bones, face), (bones2, face2) = of(plain), of(mirrored)
    for name, numbers in bones.items():
        other = name.replace("Left", "Right") if "Left" in name else name.replace("Right", "Left")
        assert np.allclose(numbers * [-1, 1, 1, 1, -1, -1, 1], bones2[other], atol=1e-5), name
    assert face2["eyeBlinkRight"] == face["eyeBlinkLeft"]
    assert face2["mouthLeft"] == face["mouthRight"]
    assert face2["jawOpen"] == face["jawOpen"]
    there, here = stood(bones), stood(bones2)
    assert np.allclose((there - there[0])[18] * [-1, 1, 1], (here - here[0])[19], atol=1e-4)


@pytest.mark.parametrize(
    ("parts", "sent"),
    [("body", 22), ("hands", 30), ("face", 3), ("body,face", 25)],
)
def test_body_hands_and_face_are_switched_off(app, vmc, parts, sent):
    vmc(vmc_parts=parts).write(result(person()), None)
    messages = app.messages()
    assert sum(address == "/VMC/Ext/Bone/Pos" for address, _ in messages) == sent
    assert any(address == "/VMC/Ext/Blend/Val" for address, _ in messages) == ("face" in parts)


def test_a_turn_and_a_step_are_the_worlds(app, vmc):
    """Who turns to the own left (the picture's right) and walks to the camera does so in Unity: z is to the viewer."""
    output = vmc()
    output.write(result(person(pelvis=(0.0, 0.3, 3.0))), None)
    first = app.bones()["Hips"]
    pose = np.zeros((55, 3), np.float32)
    front = to_matrices(np.array([np.pi, 0, 0]))
    pose[0] = Rotation.from_matrix(front @ to_matrices(np.array([0, np.pi / 2, 0]))).as_rotvec()
    output.write(result(person(pose, pelvis=(0.4, 0.3, 2.0)), sequence=1), None)
    second = app.bones()["Hips"]
    assert np.allclose(first[[0, 2]], 0, atol=1e-6)
    assert np.allclose(second[:3] - first[:3], [-0.4, 0, 1.0], atol=1e-5)
    looks = Rotation.from_quat(second[3:]).apply([0, 0, 1])
    assert np.allclose(looks, [-1, 0, 0], atol=1e-5)  # Unity's -x: the picture's right, mirrored


def test_a_camera_that_looks_down_does_not_tilt_anybody(app, vmc):
    world = World.tilted(-0.35, 0.1, 2.2, WorldOrigin.GIVEN, FloorOrigin.GIVEN)
    pose = np.zeros((55, 3), np.float32)
    pose[0] = Rotation.from_matrix(world.rotation.T).as_rotvec()  # upright in the world, facing the camera's side
    pelvis = world.seen(np.array([0.2, 0.98, -3.0]))
    vmc(vmc_world=True).write(result(person(pose, pelvis), world=world), None)
    hips = app.bones()["Hips"]
    assert np.allclose(hips[:3], [-0.2, 0.98, -3.0], atol=1e-5)
    assert np.allclose(np.abs(hips[3:]), [0, 0, 0, 1], atol=1e-5)


def test_where_the_floor_is_not_known_people_are_thought_to_stand_on_it(app, vmc):
    output, standing = vmc(), figure.at_rest().height
    unknown = World.tilted(0.0, 0.0, 1.5)
    output.write(result(person(pelvis=(0.0, -0.4, 3.0)), world=unknown), None)
    assert app.bones()["Hips"][1] == pytest.approx(standing, abs=1e-4)
    output.write(result(person(pelvis=(0.0, -0.1, 3.0)), world=unknown, sequence=1), None)
    assert app.bones()["Hips"][1] == pytest.approx(standing - 0.3, abs=1e-4)
