"""What the page is sent of a result, read again without our own code."""

from dataclasses import replace

import msgpack
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from pymafx_live.core.types import PARTS, Origin, Part
from pymafx_live.pipeline.page.message import encode
from scipy.spatial.transform import Rotation
from support.people import BODY, person, random_pose, result

KINDS = list(Origin)
TRUST = {name: Part(k / len(PARTS), KINDS[k % 3], 1e9) for k, name in enumerate(PARTS)}


def read(message):
    topic, _, body = message.partition(b"\0")
    content = msgpack.unpackb(body)
    for one in content["people"]:
        pelvis, turns, bones, trust = np.split(np.frombuffer(one[3], "u1"), [12, 452, 562])
        quaternions = turns.view("<i2").reshape(55, 4).astype(float)
        pose = Rotation.from_quat(quaternions).as_rotvec()
        one[3] = pelvis.view("<f4").astype(float), pose, bones.view("<u2") / 16384, trust.reshape(-1, 2).tolist()
    return topic, content


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_every_vertex_is_where_it_was_within_half_a_millimetre(seed):
    rng = np.random.default_rng(seed)
    bones = rng.uniform(0.7, 1.4, 55).astype(np.float32)
    sent = person(random_pose(rng, 3.14), rng.uniform(-20, 20, 3), bones, number=7)
    (_, _, _, (pelvis, pose, ratios, _)) = read(encode(result(sent)))[1]["people"][0]
    found, truth = (
        BODY.vertices(p[None], (place - BODY.rest_joints[0])[None], None, b[None])[0]
        for p, place, b in ((pose, pelvis, ratios), (sent.full_pose, sent.pelvis, bones))
    )
    assert np.linalg.norm(found - truth, axis=1).max() < 5e-4


def test_four_people_at_full_detail_take_less_than_four_thousand_bytes():
    rng = np.random.default_rng(1)
    crowd = [person(random_pose(rng), rng.normal(size=3), rng.uniform(0.8, 1.2, 55), k + 1, TRUST) for k in range(4)]
    assert len(encode(result(*crowd, source="the camera in the hall", dropped=10**6))) < 4000


def test_parts_and_states_are_those_of_each_person():
    some = {"torso": Part(0.5, "of a later release"), "tail": Part(1.5, Origin.HELD)}
    people = [person(number=2, parts=TRUST), person(number=5, parts=some, state="lost", size_assumed=False)]
    topic, content = read(encode(result(*people, person(number=9, state="ended"), source="cam", sequence=3)))
    assert (topic, content["sequence"]) == (b"people/cam", 3)
    for one, sent in zip(content["people"], people, strict=True):
        assert one[:3] == [sent.id, str(sent.state), sent.size_assumed]
        told = zip(content["parts"], one[3][3], strict=True)
        found = {name: (share / 255, content["origins"][k]) for name, (share, k) in told if k != 255}
        assert found.keys() == sent.parts.keys()
        for name, part in sent.parts.items():
            share, origin = found[name]
            assert origin == part.origin and abs(share - min(part.confidence, 1)) < 1 / 255


def test_nobody_and_somebody_without_bones():
    assert read(encode(result()))[1]["people"] == []
    bare = replace(person(), extra={})
    assert (read(encode(result(bare)))[1]["people"][0][3][2] == 1).all()
