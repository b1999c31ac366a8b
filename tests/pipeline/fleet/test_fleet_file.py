"""The file of a fleet: what it says, and what is wrong with it in a sentence."""

from pathlib import Path

import pytest
import yaml
from pymafx_live.core.addresses import SECRETS
from pymafx_live.core.errors import UsageError
from pymafx_live.pipeline.fleet.fleet_file import default_pool, key_of, read_fleet


@pytest.fixture
def read(tmp_path, monkeypatch):
    monkeypatch.setattr(SECRETS, "_shown", {})

    def read_(content: object) -> dict:
        file = tmp_path / "cameras.yaml"
        file.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
        return read_fleet(file)

    return read_


def test_what_a_whole_file_says(read, tmp_path, monkeypatch):
    monkeypatch.setenv("YARD", "rtsp://admin:hidden-here@192.168.1.21/stream1")
    (tmp_path / "people.mp4").touch()
    monkeypatch.chdir(tmp_path)
    fleet = read({
        "publish": "tcp://127.0.0.1:6000",
        "settings": {"engine": {"max_people": 3}, "detector": {"size": 320}},
        "pools": [{"name": "fast", "gpus": 0.5, "settings": {"engine": {"hands_every": 2}}},
                  {"name": "slow", "cpus": 2, "workers": 3, "cameras": 4}],
        "cameras": [{"name": "yard", "uri": "env:YARD", "pool": "fast", "priority": 5, "rotate": 90},
                    {"name": "film", "uri": "people.mp4", "pool": "slow", "camera": {"fov": 70.0}}],
    })  # fmt: skip
    assert fleet["publish"] == "tcp://127.0.0.1:6000" and not fleet["insecure"]
    assert fleet["balance"] and fleet["timeout"] == 5
    yard, film = fleet["cameras"]["yard"], fleet["cameras"]["film"]
    assert yard["uri"] == "rtsp://admin:hidden-here@192.168.1.21/stream1"
    assert (yard["priority"], yard["rotate"], yard["pool"]) == (5, 90, "fast")
    assert Path(film["uri"]) == tmp_path / "people.mp4" and film["camera"] == {"fov": 70.0}
    fast, slow = fleet["pools"]["fast"], fleet["pools"]["slow"]
    assert (fast["gpus"], fast["cpus"], fast["workers"]) == (0.5, 1.0, "auto")
    assert fast["settings"]["engine"] == {"max_people": 3, "hands_every": 2}
    assert (slow["gpus"], slow["cpus"], slow["workers"], slow["cameras"]) == (0.0, 2.0, 3, 4)
    assert slow["settings"] == {"engine": {"max_people": 3}, "detector": {"size": 320}}
    assert "hidden-here" not in SECRETS.hide(str(yard))


CAMERA = {"name": "door", "uri": "rtsp://root:hidden-here@cam/1"}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"cameras": [CAMERA, {**CAMERA, "uri": "demo"}]}, "two cameras are called 'door'"),
        ({"cameras": [CAMERA, {**CAMERA, "name": "gate"}]}, "door and gate are the same, rtsp://cam/1"),
        ({"cameras": [{**CAMERA, "pool": "fats"}]}, "is for the pool 'fats', but the file has no `pools`"),
        ({"cameras": [{**CAMERA, "pool": "b"}], "pools": [{"name": "a", "cpus": 1}]}, "but the pools are a"),
        ({"cameras": [CAMERA], "pools": [{"cpus": 1}, {"name": "b", "gpus": 1}]}, "door has no `pool`"),
        ({"cameras": [CAMERA], "pools": [{"name": "a"}]}, "neither `gpus` nor `cpus`"),
        ({"cameras": [CAMERA], "pools": [{"cpus": 1}, {"cpus": 2}]}, "two pools are called 'default'"),
        ({"cameras": [CAMERA], "pools": [{"cpus": 1, "workers": "all"}]}, "`auto` or a whole number"),
        ({"cameras": [CAMERA], "pools": [{"cpus": 1, "settings": {"engine": {"nam": 1}}}]}, "did you mean `name`"),
        ({"cameras": [CAMERA], "settings": {"output": {"save": "a.mp4"}}}, "`output.save` is not a worker's to set"),
        ({"cameras": [CAMERA], "settings": {"source": {"uri": "0"}}}, "what is watched stands in `cameras`"),
        ({"cameras": [{"name": "door", "url": "demo"}]}, "unknown key `cameras.0.url`, did you mean `uri`"),
        ({"cameras": [{"uri": "demo"}]}, "`cameras.0.name` is missing"),
        ({"cameras": [{**CAMERA, "calibration": "a", "camera": {"fov": 60.0}}]}, "not both"),
        ({"cameras": [{"name": "door", "uri": "env:NOT_THERE"}]}, "no variable 'NOT_THERE'"),
        ({"camera": []}, "did you mean `cameras`"),
        ({}, "`cameras` is missing"),
        ("cameras: [", "is not YAML"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_in_a_sentence(read, content, said):
    with pytest.raises(UsageError) as error:
        read(content)
    assert said in str(error.value) and "\n" not in str(error.value)
    assert "hidden-here" not in SECRETS.hide(str(error.value))


def test_a_file_may_be_played_twice_but_a_camera_not(read):
    assert len(read({"cameras": [{"name": "a", "uri": "demo"}, {"name": "b", "uri": "demo"}]})["cameras"]) == 2


def test_what_the_manager_alone_heeds_opens_nothing_anew(read):
    one = read({"cameras": [CAMERA]})["cameras"]["door"]
    other = read({"cameras": [{**CAMERA, "priority": 9}]})["cameras"]["door"]
    slower = read({"cameras": [{**CAMERA, "target_fps": 10.0}]})["cameras"]["door"]
    assert slower["max_fps"] == 10 and key_of(slower) != key_of(one)
    turned = read({"cameras": [{**CAMERA, "rotate": 180}]})["cameras"]["door"]
    assert key_of(one) == key_of(other) != key_of(turned)
    assert default_pool({}, gpus=0)["cpus"] == 2 and default_pool({}, gpus=2)["gpus"] == 1
    assert key_of(default_pool({}, 0)) != key_of(default_pool({"engine": {"max_people": 2}}, 0))
