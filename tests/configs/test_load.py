import re
from pathlib import Path

import pytest
import yaml
from pymafx_live.configs import load as loading
from pymafx_live.configs.load import ConfigError
from pymafx_live.configs.reference import reference
from pymafx_live.configs.schema import keys
from pymafx_live.pipeline.outputs import output_classes
from pymafx_live.pipeline.settings import output_settings, run_settings

Settings = run_settings()
PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"


def load(file, flags):
    return loading.load(file, flags, Settings)


def written(folder: Path, text: str) -> Path:
    (folder / "live.yaml").write_text(text)
    return folder / "live.yaml"


def test_flags_overlay_the_file_and_the_file_the_defaults(tmp_path):
    file = written(tmp_path, "detector: {size: 320, confidence: 0.5}\ncamera: {fov: 70}\nrun:\n")
    settings = load(file, {"detector": {"size": 1280}, "run": {"max_frames": 5}})
    assert (settings.detector.size, settings.detector.confidence, settings.detector.iou) == (1280, 0.5, 0.7)
    assert (settings.camera.fov, settings.run.max_frames) == (70, 5)
    assert settings.source == Settings().source


def test_an_empty_file_and_no_file_are_the_defaults(tmp_path):
    assert load(written(tmp_path, "# nothing yet\n"), {}) == load(None, {}) == Settings()


def test_a_lock_of_before_it_had_rules_is_that_on_the_largest(tmp_path):
    locked = load(written(tmp_path, "engine: {lock: true, max_people: 3}"), {}).engine
    assert (locked.lock, locked.max_people) == ("largest", 3)
    assert load(written(tmp_path, "engine: {lock: false}"), {}).engine == Settings().engine


def test_a_webcam_may_be_a_bare_number(tmp_path):
    assert load(written(tmp_path, "source: {uri: 2}"), {}).source.uri == "2"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("detector: {sise: 320}", r"live\.yaml: unknown key `detector\.sise`, did you mean `size`\?"),
        ("detektor: {size: 320}", r"unknown key `detektor`, did you mean `detector`\?"),
        ("output: {qqq: 1}", r"unknown key `output\.qqq`, the keys here are bind, curve, insecure, ttl, jsonl, save, "),
        ("detector: {size: big}", r"`detector\.size` cannot be 'big': it should be a valid integer"),
        (
            "tracker: {name: sort, reid: a.onnx}",
            r"tracker: reid: the tracker sort looks at nobody: ",
        ),
        ("source: {webcam_size: big}", r"`source\.webcam_size` cannot be 'big': give width and height, such as `1280x"),
        ("sources: [{uri: 0, webcam_size: 9x9}]", r"`sources\.0\.webcam_size` cannot be '9x9': give width and height"),
        ("detector: {confidence: 1.5}", r"`detector\.confidence` cannot be 1\.5: it should be less than 1"),
        ("detector: {confidence: .nan}", r"`detector\.confidence` cannot be nan: it should be a finite number"),
        ("detector: {stride: 0}", r"detector\.stride: must be `auto` or a whole number of 1 to 10000, not 0"),
        ("detector: {stride: true}", r"detector\.stride: must be `auto` or a whole number of 1 to 10000, not True"),
        ("detector: {stride: often}", r"detector\.stride: must be `auto` or a whole number of 1 to 10000, not 'often'"),
        ("detector: {stride: auto}\nrun: {overlap: true}", r"run\.overlap detects before `detector\.stride: auto` can"),
        (
            "engine: {smoothing: 11}",
            r"engine\.smoothing: must be `raw`, `responsive`, `smooth` or a number of 0 to 10, no",
        ),
        ("engine: {smoothing: soft}", r"engine\.smoothing: must be `raw`, .* not 'soft'"),
        ("engine: {lock: 0}", r"engine\.lock: must be `largest`, `centre`, `first` or a person's id \(1, 2, .*, not 0"),
        ("engine: {lock: biggest}", r"engine\.lock: must be `largest`, .* not 'biggest'"),
        ("run: {overlap: 1}", r"`run\.overlap` cannot be 1: it should be a valid boolean"),
        (
            "detector: 640",
            r"`detector` must be a section with keys of its own, such as `detector: {weights: ...}`, not",
        ),
        ("source: {source: 0}", r"unknown key `source\.source`, did you mean `source\.uri` \(the flag is --source\)\?"),
        ("output: {json: a}", r"unknown key `output\.json`, did you mean `output\.jsonl` \(the flag is --json\)\?"),
        ("output: {verbose: true}", r"unknown key `output\.verbose`, did you mean `run\.verbose` \(the flag is -"),
        ("max-frames: 3", r"unknown key `max-frames`, did you mean `run\.max_frames` \(the flag is --max-frames\)\?"),
        ("timeout: 3", r"unknown key `timeout`, did you mean `source\.timeout`\?"),
        ("tracker: {options: 3}", r"`tracker\.options` must be a section with keys of its own, not 3"),
        (
            "tracker: {options: {buffer: .nan}}",
            r"tracker\.options: buffer cannot be nan: it should be a number up to 1000000",
        ),
        ("tracker: {options: {buffer: -.inf}}", r"tracker\.options: buffer cannot be -inf"),
        ("tracker: {options: {fps: 1.0e+9}}", r"tracker\.options: fps cannot be 1e\+09: it should be a number up to"),
        ("run: {threads: 1025}", r"`run\.threads` cannot be 1025: it should be less than or equal to 1024"),
        ("camera: {fov: 179.9}", r"`camera\.fov` cannot be 179\.9: it should be less than or equal to 179"),
        ("camera: {focal: 1.0e+300}", r"`camera\.focal` cannot be 1e\+300: it should be less than or equal to"),
        ("source: {timeout: 1.0e+300}", r"`source\.timeout` cannot be 1e\+300: it should be less than or equal to"),
        ("source: {name: " + "x" * 201 + "}", r"`source\.name` cannot be .{80,90}: it should|String should"),
        ("camera: {fov: 60, focal: 500}", r"camera: fov and focal contradict each other: give one of them"),
        ('source: {name: "a\\0b"}', r"source\.name: must not contain a NUL character"),
        (
            "sources: [{uri: 0, colour: red}]",
            r"unknown key `sources\.0\.colour`, the keys here are uri, name",
        ),
        ("sources: [{uri: 0, camera: {fow: 9}}]", r"unknown key `sources\.0\.camera\.fow`, did you mean `fov`\?"),
        ("sources: [{uri: 0, name: a}, {uri: 1, name: a}]", r"two sources are called 'a': .* rename one"),
        ("sources: [{uri: 0}]\nsource: {name: a}", r"`source\.name` cannot be the name of several sources"),
        ("- detector", r"live\.yaml must hold sections such as `detector:`, not a list"),
        ("detector: {size: 320", r"live\.yaml is not YAML as it is written here \(line 1: "),
        ("a: 1\nb: [", r"live\.yaml is not YAML as it is written here \(line 2: "),
        ("run: {overlap: true}\nrun: {}", r"line 2: `run` is there twice"),
        ("run: &r {overlap: true}\ndetector: *r", r"line 2: it has an alias"),
        ("a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]", r"line 2: it has an alias"),
        ("[" * 5000 + "]" * 5000, r"line 1: it is nested too deeply"),
        ("detector: {size: " + "x" * 100_000 + "}", r"`detector\.size` cannot be .{80,90}: "),
        ("detector: {size: " + "9" * 100_000 + "}", r"it is no YAML"),
        ("# " + "x" * 2**21, r"it is longer than 1048576 bytes"),
    ],
)
def test_a_configuration_that_cannot_be_used(tmp_path, text, sentence):
    with pytest.raises(ConfigError, match=sentence) as caught:
        load(written(tmp_path, text), {})
    assert "\n" not in str(caught.value)


def test_all_that_is_wrong_with_a_file_is_told_at_once(tmp_path):
    text = (
        "source: {timeout: -1, uri: ''}\ndetector: {sise: 3, stride: 0}\noutput: {json: x}\ncamera: {fov: 1, focal: 2}"
    )
    with pytest.raises(ConfigError) as caught:
        load(written(tmp_path, text), {})
    said = str(caught.value)
    assert said.count("; ") == 5
    for word in ("source.timeout", "source.uri", "detector.sise", "detector.stride", "output.json", "camera: fov and"):
        assert word in said
    many = "detector: {" + ", ".join(f"q{n}: 1" for n in range(30)) + "}"
    with pytest.raises(ConfigError, match=r"; and 22 more$"):
        load(written(tmp_path, many), {})


def test_the_command_line_wins_over_what_would_contradict_it(tmp_path):
    settings = load(written(tmp_path, "camera: {fov: 60}"), {"camera": {"focal": 500.0}})
    assert (settings.camera.fov, settings.camera.focal) == (None, 500)
    settings = load(written(tmp_path, "camera: {calibration: door.yaml}"), {"camera": {"fov": 70.0}})
    assert (settings.camera.fov, settings.camera.calibration) == (70, None)
    settings = load(written(tmp_path, "camera: {focal: 500}"), {"camera": {"calibration": "door.yaml"}})
    assert (settings.camera.focal, settings.camera.calibration) == (None, "door.yaml")


def test_a_missing_configuration(tmp_path):
    with pytest.raises(ConfigError, match=r"cannot read the configuration .*nowhere\.yaml: No such file"):
        load(tmp_path / "nowhere.yaml", {})


def test_a_wrong_flag_is_not_blamed_on_the_file(tmp_path):
    with pytest.raises(ConfigError, match=r"the command line: `detector\.size` cannot be 0"):
        load(written(tmp_path, "detector: {stride: auto}"), {"detector": {"size": 0}})


def test_an_entry_is_as_the_sections_say_where_it_is_silent(tmp_path):
    text = "sources: [{uri: 0, name: door, camera: {focal: 700}}, {uri: b.mp4, timeout: 3}]\nsource: {timeout: 5}"
    settings = load(written(tmp_path, text), {"camera": {"fov": 70}})
    (door, its_camera), (file, common) = settings.cameras()
    assert (door.uri, door.name, door.timeout, its_camera.focal, its_camera.fov) == ("0", "door", 5, 700, None)
    assert (file.uri, file.name, file.timeout, common.fov) == ("b.mp4", "", 3, 70)
    one = load(written(tmp_path, text), {"source": {"uri": "c.mp4"}, "sources": []})
    assert [source.uri for source, _ in one.cameras()] == ["c.mp4"] and one.source.timeout == 5


def test_flags_are_unique():
    flags = [key.flag for key in keys(Settings) if key.flag]
    assert len(flags) == len(set(flags))


def test_no_two_outputs_share_a_key():
    names = [name for kind in output_classes() for name in kind.Settings.model_fields]
    assert len(names) == len(set(names))
    assert set(names) < set(output_settings().model_fields)


def test_the_page_shows_every_key_as_the_schema_has_it():
    assert reference(Settings) in PAGE.read_text(encoding="utf-8"), "run python -m pymafx_live.pipeline.settings"


def test_the_example_on_the_page_works(tmp_path):
    example = re.search(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL).group(1)
    settings = load(written(tmp_path, example), {})
    for section, values in yaml.safe_load(example).items():
        for name, value in values.items():
            assert getattr(getattr(settings, section), name) == value


def test_each_of_several_cameras_hangs_its_own_way(tmp_path):
    file = tmp_path / "live.yaml"
    file.write_text("source: {rotate: 180}\nsources: [{uri: a, rotate: 90, mirror: true}, {uri: b, wait: false}]")
    (one, _), (other, _) = load(file, {}).cameras()
    assert (one.rotate, one.mirror, one.wait) == (90, True, True)
    assert (other.rotate, other.mirror, other.wait) == (180, False, False)
    file.write_text("source: {rotate: 45}")
    with pytest.raises(ConfigError, match=r"`source\.rotate` cannot be 45: it should be 0, 90, 180 or 270"):
        load(file, {})
