"""The face's names and values."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymafx_live.core.names import BLENDSHAPES
from pymafx_live.pipeline.avatars.face import names_and_values, presets

faces = st.lists(st.floats(0, 1), min_size=52, max_size=52).map(np.array)


def face(**shapes):
    out = np.zeros(52)
    for name, value in shapes.items():
        out[BLENDSHAPES.index(name)] = value
    return out


def test_the_protocol_s_names_are_the_default():
    names, values = names_and_values("auto")
    assert {"A", "I", "U", "E", "O", "Blink_L", "Blink_R"} <= set(names)
    assert len(values(face())) == len(names)
    assert {"aa", "blinkLeft", "lookUp"} <= set(names_and_values("vrm1")[0])


@pytest.mark.parametrize(("style", "jaw"), [("arkit", "jawOpen"), ("arkit-upper", "JawOpen")])
def test_arkits_names_have_their_own_values(style, jaw):
    names, values = names_and_values(style)
    told = dict(zip(names, values(face(jawOpen=0.7, mouthSmileLeft=0.2)), strict=True))
    assert len(names) == 52
    assert "_neutral" in names
    assert told[jaw] == pytest.approx(0.7)
    assert sum(told.values()) == pytest.approx(0.9)


def test_an_avatar_is_told_what_it_has_as_it_is_called_there():
    perfect = ["joy", "a", "blink_l", *(n[:1].upper() + n[1:] for n in BLENDSHAPES[1:])]
    names, _ = names_and_values("auto", perfect)
    assert "BrowInnerUp" in names
    assert "A" not in names
    old, _ = names_and_values("auto", ["neutral", "a", "i", "blink_l", "lookup", "joy"])
    assert set(old) == {"A", "I", "Blink_L", "LookUp"}
    new, _ = names_and_values("auto", ["neutral", "aa", "blinkLeft", "happy"], looks=False)
    assert set(new) == {"aa", "blinkLeft"}
    one, values = names_and_values("auto", ["aa"])
    assert (list(one), len(values(face()))) == (["aa"], 1)


@given(faces)
def test_visemes_share_the_jaw_and_stay_within_bounds(shapes):
    told = presets(shapes)
    assert all(0 <= value <= 1 for value in told.values())
    assert told["A"] + told["E"] + told["O"] == pytest.approx(shapes[BLENDSHAPES.index("jawOpen")])


@pytest.mark.parametrize(
    ("shapes", "largest"),
    [
        ({"jawOpen": 0.8}, "A"), ({"jawOpen": 0.8, "mouthFunnel": 0.9}, "O"), ({"mouthPucker": 0.9}, "U"),
        ({"jawOpen": 0.6, "mouthStretchLeft": 0.9, "mouthStretchRight": 0.9}, "E"),
        ({"jawOpen": 0.05, "mouthStretchLeft": 0.9, "mouthStretchRight": 0.9}, "I"),
        ({"eyeBlinkLeft": 0.9}, "Blink_L"), ({"eyeLookOutLeft": 0.9, "eyeLookInRight": 0.9}, "LookLeft"),
        ({"eyeLookUpLeft": 0.9, "eyeLookUpRight": 0.9}, "LookUp"),
    ],
)  # fmt: skip
def test_each_shape_speaks_for_its_preset(shapes, largest):
    told = presets(face(**shapes))
    assert max(told, key=told.get) == largest
