"""VRM files, made and damaged."""

import json
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymafx_live.core import quaternions
from pymafx_live.core.errors import AssetError
from pymafx_live.pipeline.avatars.humanoid import BONES
from pymafx_live.pipeline.avatars.vrm import read_avatar
from support.vrm_avatar import make, write


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("vrm")
    make(folder / "0.vrm", 0, scale=0.9, without=("UpperChest", "Jaw"), arkit="upper")
    make(folder / "1.vrm", 1, twisted=1)
    return folder


def test_bones_expressions_and_heights_are_read(files):
    old, new = read_avatar(files / "0.vrm"), read_avatar(files / "1.vrm")
    assert (old.version, new.version) == (0, 1)
    assert set(BONES) - set(old.rig.names) == {"UpperChest", "Jaw"}
    assert set(new.rig.names) == set(BONES)
    assert {"joy", "blink_l", "JawOpen"} <= set(old.expressions)
    assert {"happy", "blinkLeft"} <= set(new.expressions)
    assert old.rig.height == pytest.approx(new.rig.height * 0.9, rel=1e-3)
    assert old.rig.plain
    assert not new.rig.plain


def test_left_is_left_in_both_versions(files):
    for name in ("0.vrm", "1.vrm"):
        rig = read_avatar(files / name).rig
        k = list(rig.names).index("LeftUpperLeg")
        turned = rig.turns[list(rig.names).index("Hips")]
        place = quaternions.to_matrices(turned) @ rig.places[k]
        assert place[0] > 0.05, name


def description(file):
    data = file.read_bytes()
    length = struct.unpack("<I", data[12:16])[0]
    return json.loads(data[20 : 20 + length])


def human(content):
    return content["extensions"]["VRMC_vrm"]["humanoid"]["humanBones"]


DAMAGES = {
    "no hips": lambda c: human(c).pop("hips"),
    "a bone without a node": lambda c: human(c)["head"].pop("node"),
    "a node that is not there": lambda c: human(c)["head"].update(node=999),
    "a node by its name": lambda c: human(c)["head"].update(node="Head"),
    "a circle": lambda c: c["nodes"][40].update(children=[1]),
    "bones as a list": lambda c: c["extensions"]["VRMC_vrm"]["humanoid"].update(humanBones=[1, 2]),
    "no nodes": lambda c: c.pop("nodes"),
    "three numbers for a rotation": lambda c: c["nodes"][1].update(rotation=[0, 0, 1]),
    "no rotation at all": lambda c: c["nodes"][1].update(rotation=[0, 0, 0, 0]),
    "not a number": lambda c: c["nodes"][1].update(translation=[float("nan"), 0, 0]),
    "a huge number": lambda c: c["nodes"][1].update(translation=[10**400, 0, 0]),
    "hips on the floor": lambda c: c["nodes"][0].update(translation=[0, -5, 0]),
    "a flat root": lambda c: c["nodes"][0].update(scale=[0, 0, 0]),
    "no VRM": lambda c: c.pop("extensions"),
    "expressions as a number": lambda c: c["extensions"]["VRMC_vrm"].update(expressions=3),
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_damaged_avatar_is_refused_in_a_sentence(files, tmp_path, damage):
    content = description(files / "1.vrm")
    DAMAGES[damage](content)
    write(tmp_path / "bad.vrm", content)
    with pytest.raises(AssetError, match=r"is no VRM avatar: .*; give a .vrm file of version 0.x or 1.0"):
        read_avatar(tmp_path / "bad.vrm")


@pytest.mark.parametrize(
    "data",
    [b"", b"glTF", b"\x89PNG\r\n\x1a\n" + b"\0" * 100, struct.pack("<4s4I", b"glTF", 1, 20, 0, 0x4E4F534A),
     struct.pack("<4s4I", b"glTF", 2, 20, 2**31, 0x4E4F534A),
     struct.pack("<4s4I", b"glTF", 2, 20, 9, 0x4E4F534A) + b"[1",
     struct.pack("<4s4I", b"glTF", 2, 30, 3, 0x4E4F534A) + b"[1]",
     struct.pack("<4s4I", b"glTF", 2, 20, 99_999, 0x4E4F534A) + b"[" * 99_999],
)  # fmt: skip
def test_other_files_are_refused_in_a_sentence(tmp_path, data):
    (tmp_path / "other.vrm").write_bytes(data)
    with pytest.raises(AssetError, match="is no VRM avatar"):
        read_avatar(tmp_path / "other.vrm")


def test_a_file_that_is_not_there_is_said_to_be_so(tmp_path):
    with pytest.raises(AssetError, match="No such file or directory"):
        read_avatar(tmp_path / "none.vrm")
    with pytest.raises(AssetError, match="Is a directory"):
        read_avatar(tmp_path)


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None)
@given(st.data())
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_anything_anywhere_gives_an_avatar_or_a_sentence(files, tmp_path_factory, data):
    content = description(files / data.draw(st.sampled_from(["0.vrm", "1.vrm"])))
    place = content
    while isinstance(place, (dict, list)) and place:
        keys = sorted(place) if isinstance(place, dict) else range(len(place))
        key = data.draw(st.sampled_from([k for k in keys if k not in ("accessors", "bufferViews")]))
        if not isinstance(place[key], (dict, list)) or data.draw(st.integers(0, 3)) == 0:
            place[key] = data.draw(json_values)
            break
        place = place[key]
    file = tmp_path_factory.getbasetemp() / "any.vrm"
    write(file, content)
    try:
        rig = read_avatar(file).rig
    except AssetError:
        return
    for array in (rig.places, rig.turns, rig.parents, rig.inverse_base):
        assert np.isfinite(array).all()
