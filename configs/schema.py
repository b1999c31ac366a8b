"""Every setting of a run: its key, its default, its limits, its command line flag and what it means.

A setting is described once, here or in the file of the output that it belongs to: the command line, the checks of a
configuration file and `docs/configuration.md` are all made from it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from types import UnionType
from typing import Any, Literal, Self, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

LARGEST_OPTION = 1_000_000
_SIZE = r"^[1-9]\d{1,4}x[1-9]\d{1,4}$"


def setting(default: Any, description: str, flag: str = "", bare: str = "", **limits: Any) -> Any:
    """One key: a pydantic field that also knows its command line `flag`, and what that means without a value."""
    return Field(default, description=description, json_schema_extra={"flag": flag, "bare": bare}, **limits)


class Section(BaseModel):
    """A group of keys; an unknown key or a value of another type is refused."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


def _camera_number(value: object) -> object:
    return str(value) if type(value) is int else value  # YAML reads `uri: 0` as a number


def _topic_safe(value: str) -> str:
    if "\0" in value:
        raise ValueError("must not contain a NUL character")
    return value


class SourceSettings(Section):
    """Where the frames come from."""

    uri: str = setting(
        "0",
        "webcam number, /dev/video or /dev/v4l path, video file, stream URL, image, folder, glob, or `demo`; "
        "`env:NAME` and `file:PATH` hold one of these, for addresses with passwords; the flag may be given several "
        "times",
        "--source",
        min_length=1,
    )
    name: str = setting(
        "",
        "the source's name in messages; empty: made from the source. The flag is given once per source",
        "--name",
        max_length=200,
    )
    realtime: bool = setting(
        False,
        "play a file as a camera would: at its own pace, frames that come too late dropped",
        "--realtime",
    )
    loop: bool = setting(False, "play a file or pictures again and again; each round begins with a cut", "--loop")
    image_fps: float = setting(
        0.0, "images are a sequence at this rate, not single photos; 0: single photos", "--image-fps", ge=0, le=1000
    )
    timeout: float = setting(10.0, "seconds that a live source may take to open, and may stay silent", gt=0, le=86400)
    wait: bool = setting(
        True, "wait for a live source that is not there yet; else its absence at the start is an error", "--wait"
    )
    give_up: float | None = setting(
        None,
        "seconds after which a live source that is gone, or never came, ends the run with exit code 4; null: it is "
        "tried again without end",
        "--give-up",
        ge=0,
        le=31536000,
    )
    gone_after: float = setting(
        3.0,
        "seconds without a frame, stalled or lost, after which a live source's people have ended; who is there when it "
        "is back sooner keeps the id",
        "--gone-after",
        ge=0.5,
        le=86400,
    )
    max_fps: float | None = setting(
        None,
        "most frames per second of a live source that are looked at, for cameras that give more than is needed; those "
        "between are not taken, and do not count as dropped; null: all",
        "--max-fps",
        ge=1,
        le=1000,
    )
    rtsp_transport: Literal["auto", "tcp", "udp"] = setting(
        "auto", "how an RTSP camera sends; `auto`: TCP, or else UDP", "--rtsp-transport"
    )
    hwaccel: Literal["none", "auto", "cuda", "vaapi", "videotoolbox", "d3d11va"] = setting(
        "none",
        "what decodes videos and streams: `none`: the processor; `auto`: the first device that there is, or the "
        "processor; or a device by name",
        "--hwaccel",
    )
    ca_file: str = setting(
        "",
        "PEM file of certificates of which a source's (rtsps, https, rtmps) must be one, or signed by one; empty: "
        "FFmpeg takes any",
        "--ca-file",
    )
    webcam_size: str | None = setting(
        None,
        "width and height, such as `1280x720`, that a webcam is asked for; null: its driver's; `pymafx-live cameras` "
        "lists what there is",
        "--webcam-size",
        pattern=_SIZE,
    )
    webcam_fps: float | None = setting(
        None, "frames per second that a webcam is asked for; null: its driver's", "--webcam-fps", gt=0, le=1000
    )
    webcam_exposure: float | None = setting(
        None,
        "milliseconds for which a webcam exposes each frame: short ones blur no hands, in good light; null: by itself",
        "--webcam-exposure",
        gt=0,
        le=10000,
    )
    rotate: Literal[0, 90, 180, 270] = setting(
        0, "turn the pictures clockwise by so many degrees, of a camera that hangs so", "--rotate"
    )
    mirror: bool = setting(
        False,
        "mirror the pictures left to right, after turning them; what is then the left hand in the picture is called so",
        "--mirror",
    )

    _camera_number = field_validator("uri", mode="before")(_camera_number)
    _topic_safe = field_validator("name")(_topic_safe)


class CameraSettings(Section):
    """The intrinsics, one of three, else 60 degrees along the longer side; how it stands, else what people show."""

    fov: float | None = setting(None, "horizontal field of view in degrees", "--fov", ge=0.1, le=179)
    focal: float | None = setting(None, "focal length in pixels of the frame as it arrives", "--focal", ge=0.1, le=1e7)
    calibration: str | None = setting(None, "calibration YAML, as OpenCV or ROS camera_info write it", "--calibration")
    pitch: float | None = setting(None, "degrees by which it looks up, negative: down", "--camera-pitch", ge=-90, le=90)
    roll: float | None = setting(
        None, "degrees by which it is turned clockwise, seen from behind it", "--camera-roll", ge=-180, le=180
    )
    height: float | None = setting(None, "metres from the floor to its lens", "--camera-height", ge=0.01, le=1000)

    @model_validator(mode="after")
    def _one_at_most(self) -> Self:
        given = [name for name in ("fov", "focal", "calibration") if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} contradict each other: give one of them")
        return self


class SourceEntry(Section):
    """One of several sources: what it does not say is as the section `source` and, of its camera, `camera` say."""

    uri: str = Field(min_length=1)
    name: str = Field("", max_length=200)
    realtime: bool | None = None
    loop: bool | None = None
    image_fps: float | None = Field(None, ge=0, le=1000)
    timeout: float | None = Field(None, gt=0, le=86400)
    wait: bool | None = None
    give_up: float | None = Field(None, ge=0, le=31536000)
    gone_after: float | None = Field(None, ge=0.5, le=86400)
    max_fps: float | None = Field(None, ge=1, le=1000)
    rtsp_transport: Literal["auto", "tcp", "udp"] | None = None
    hwaccel: Literal["none", "auto", "cuda", "vaapi", "videotoolbox", "d3d11va"] | None = None
    ca_file: str | None = None
    webcam_size: str | None = Field(None, pattern=_SIZE)
    webcam_fps: float | None = Field(None, gt=0, le=1000)
    webcam_exposure: float | None = Field(None, gt=0, le=10000)
    rotate: Literal[0, 90, 180, 270] | None = None
    mirror: bool | None = None
    camera: CameraSettings | None = None

    _camera_number = field_validator("uri", mode="before")(_camera_number)
    _topic_safe = field_validator("name")(_topic_safe)


class DetectorSettings(Section):
    """The person detector."""

    weights: str = setting("demo", "`demo` (YOLO11n of that extra), or YOLO weights: .onnx, .pt, .engine", "--detector")
    size: int | None = setting(
        None, "longer side of its input in pixels; null: the network's own", "--detector-size", ge=32, le=4096
    )
    confidence: float = setting(
        0.1, "lowest score of a detection; the tracker needs weak ones too", "--confidence", gt=0, lt=1
    )
    iou: float = setting(0.7, "overlap (IoU) above which two boxes are one person", "--iou", gt=0, lt=1)
    stride: int | Literal["auto"] | None = setting(
        None,
        "detect on every n-th frame, and follow between those who are there; `auto`: as often as that needs, but about "
        "three times a second; null: `auto` where the source is live, 1 for files",
        "--stride",
    )

    @field_validator("stride", mode="before")
    @classmethod
    def _auto_or_positive(cls, value: object) -> object:
        if value in (None, "auto") or (type(value) is int and 1 <= value <= 10_000):
            return value
        raise ValueError(f"must be `auto` or a whole number of 1 to 10000, not {value!r}")


class TrackerSettings(Section):
    """The tracker."""

    name: str = setting("bytetrack", "`bytetrack`, `sort`, or `trackers:<name>` of that package", "--tracker")
    reid: str = setting(
        "",
        "re-identification network (.onnx: crops in, embeddings out) that tells people apart instead of the colours "
        "that they wear",
        "--reid",
    )
    options: dict[str, bool | int | float | str] = setting({}, "the tracker's own parameters, by name")

    @model_validator(mode="after")
    def _looks_are_heeded(self) -> Self:
        if self.reid and (self.name == "sort" or self.name.startswith("trackers:")):
            raise ValueError(f"reid: the tracker {self.name} looks at nobody: leave --reid out, or take bytetrack")
        return self

    @field_validator("options", mode="before")
    @classmethod
    def _numbers_within_reason(cls, options: object) -> object:
        for name, value in options.items() if isinstance(options, dict) else ():
            if isinstance(value, int | float) and not abs(value) <= LARGEST_OPTION:
                raise ValueError(f"{name} cannot be {value:.3g}: it should be a number up to {LARGEST_OPTION}")
        return options


class EngineSettings(Section):
    """What turns tracked boxes into SMPL-X."""

    name: str = setting("landmarks", "`landmarks`: the embedded engine; `pymafx`: PyMAF-X, with --assets", "--engine")
    assets: str = setting("", "folder of PyMAF-X files, see docs/pymafx.md", "--assets")
    parts: Literal["landmarks", "mesh", "rtmlib"] = setting(
        "landmarks",
        "what frames PyMAF-X's crops: `landmarks`: the embedded networks; `mesh`: its own last estimate where that "
        "holds; `rtmlib`: the whole-body network of that package",
        "--parts",
    )
    rtmlib_pose: str = setting(
        "", "whole-body network (.onnx, 133 keypoints) for `parts: rtmlib`; empty: that package's own, downloaded"
    )
    hands_every: int = setting(
        1, "a followed hand is looked at in every n-th frame, and held between", "--hands-every", ge=1, le=10_000
    )
    face_every: int = setting(
        1, "a followed face is looked at in every n-th frame, and held between", "--face-every", ge=1, le=10_000
    )
    freeze_shape: int = setting(
        0,
        "PyMAF-X averages a person's shape over its track; frozen after n frames, 0: never",
        "--freeze-shape",
        ge=0,
        le=1_000_000,
    )
    max_batch: int = setting(8, "most crops that PyMAF-X runs at once", "--max-batch", ge=1, le=64)
    smoothing: float | Literal["raw", "responsive", "smooth"] = setting(
        "responsive",
        "how people are smoothed over time: `raw` (not at all), `responsive`, `smooth`, or a number: how many times as "
        "slow as `responsive`",
        "--smoothing",
    )
    max_people: int = setting(
        8, "most people that are estimated in one frame: the largest; with `lock` 1 unless given", "--max-people",
        ge=1, le=100,
    )  # fmt: skip
    lock: int | Literal["largest", "centre", "first"] | None = setting(
        None,
        "whom to choose and keep until they end: the `largest` (the flag alone), who is nearest the picture's "
        "`centre`, who was there `first`, or the person of an id; null: the largest of each picture",
        "--lock",
        bare="largest",
    )

    @field_validator("smoothing", mode="before")
    @classmethod
    def _preset_or_strength(cls, value: object) -> object:
        if value in ("raw", "responsive", "smooth") or (
            isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 10
        ):
            return value
        raise ValueError(f"must be `raw`, `responsive`, `smooth` or a number of 0 to 10, not {value!r}")

    @field_validator("lock", mode="before")
    @classmethod
    def _rule_or_id(cls, value: object) -> object:
        if isinstance(value, bool):  # as `lock` was once
            return "largest" if value else None
        if value in (None, "largest", "centre", "first") or (type(value) is int and 1 <= value < 2**53):
            return value
        raise ValueError(f"must be `largest`, `centre`, `first` or a person's id (1, 2, ...), not {value!r}")

    @model_validator(mode="before")
    @classmethod
    def _one_is_locked(cls, values: Any) -> Any:
        locked = isinstance(values, dict) and values.get("lock") not in (None, False)
        return {"max_people": 1, **values} if locked else values

    @model_validator(mode="after")
    def _assets_given(self) -> Self:
        if self.name == "pymafx" and not self.assets:
            raise ValueError("the engine pymafx needs the folder of its files: give --assets, see docs/pymafx.md")
        return self


class OutputSettings(Section):
    """Where the people go."""

    # What each output wants to know is in its own file: `pipeline.settings` puts it together.
    joints: Literal["body", "all", "off"] = setting(
        "body", "which joints' places are sent: the 22 of the body, `all` 55, or none", "--joints"
    )
    raw: bool = setting(True, "send of each person also what was estimated before it was smoothed", "--raw")
    floor: bool = setting(
        False, "draw the floor below the people, half a metre a line; orange: it is assumed", "--floor"
    )
    foot_lock: bool = setting(
        False,
        "hold feet that stand where they are, by bending the legs, in all outputs but ZeroMQ's",
        "--foot-lock",
    )
    smplx_file: str = setting("", "licensed SMPL-X model (.npz) to draw; empty: the embedded body", "--smplx-file")
    overwrite: bool = setting(
        False, "replace files that are there; else an output takes the next number: out-2.mp4", "--overwrite"
    )
    stats: str = setting("", "JSON file for the figures of the closing table, and of each output", "--stats")


class RunSettings(Section):
    """The run as a whole."""

    max_frames: int = setting(0, "end after this many frames; 0: when the source ends", "--max-frames", ge=0, le=2**53)
    threads: int = setting(
        0, "processor threads of each network; 0: as many as there are cores", "--threads", ge=0, le=1024
    )
    runtime: Literal["auto", "tensorrt", "torch-tensorrt", "onnxruntime", "openvino", "torch"] = setting(
        "auto",
        "what runs the networks; `auto`: the best that is installed; `torch` and `torch-tensorrt` run PyMAF-X only "
        "and leave the other networks to `auto`",
        "--runtime",
    )
    precision: Literal["auto", "fp32", "mixed"] = setting(
        "auto", "PyMAF-X's numbers: `mixed` has halves where they do no harm; `auto`: those on a GPU", "--precision"
    )
    overlap: bool = setting(
        False,
        "detect on the next frame while this one is estimated, and with PyMAF-X look for people's parts in it (not "
        "with `parts: mesh`): more frames per second, each a little older",
    )
    target_fps: float | None = setting(
        None,
        "results per second of each live camera that are to be held, as far as it has so many frames: where there is "
        "no time for that, less is done, see docs/operations.md; null: no rate is held",
        "--target-fps",
        gt=0,
        le=1000,
    )
    max_age_ms: float | None = setting(
        None,
        "milliseconds from capture that results of live cameras may be old, held in the same way; null: no age is held",
        "--max-age-ms",
        gt=0,
        le=86_400_000,
    )
    log: Literal["text", "json"] = setting("text", "log lines for people, or one JSON object a line", "--log")
    verbose: bool = setting(False, "say more, and show the traceback of an error", "--verbose")


class Settings(Section):
    """All settings of a run but those of the outputs, which `pipeline.settings` adds: without them none is opened."""

    source: SourceSettings = SourceSettings()
    sources: list[SourceEntry] = []
    """Several sources at once, instead of `source`."""
    camera: CameraSettings = CameraSettings()
    detector: DetectorSettings = DetectorSettings()
    tracker: TrackerSettings = TrackerSettings()
    engine: EngineSettings = EngineSettings()
    output: OutputSettings = OutputSettings()
    run: RunSettings = RunSettings()

    def cameras(self) -> list[tuple[SourceSettings, CameraSettings]]:
        """Every source of the run, and what is known of its camera."""
        if not self.sources:
            return [(self.source, self.camera)]
        common = self.source.model_dump()
        return [
            (
                SourceSettings(**{**common, **entry.model_dump(exclude_none=True, exclude={"camera"})}),
                entry.camera or self.camera,
            )
            for entry in self.sources
        ]

    def detects_ahead(self) -> bool:
        """Whether the detector runs before the engine has seen the frame before: see `LookingEngine.looks_ahead`."""
        looks_ahead = self.engine.name == "pymafx" and self.engine.parts != "mesh"
        return self.run.overlap and not looks_ahead

    def most_boxes(self) -> int:
        """How many people are detected at most: whom to estimate is chosen among more than are estimated."""
        return max(20, self.engine.max_people)

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = [entry.name for entry in self.sources if entry.name]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise ValueError(f"two sources are called {twice!r}: subscribers could not tell them apart, rename one")
        if self.sources and self.source.name:
            raise ValueError("`source.name` cannot be the name of several sources: give each of them its own")
        return self

    @model_validator(mode="after")
    def _auto_cannot_look_ahead(self) -> Self:
        if self.detects_ahead() and self.detector.stride == "auto":
            raise ValueError("run.overlap detects before `detector.stride: auto` can know whether to: give one of them")
        return self


@dataclass(frozen=True, slots=True)
class Key:
    """One key as the command line and the documentation need it.

    `kind` is its Python type or Literal, or the tuple of those that it may be, without None. `bare` is what the flag
    means without a value, empty where it needs one.
    """

    section: str
    name: str
    flag: str
    kind: Any
    default: Any
    description: str
    bare: str = ""


def number_or_word(text: str) -> float | str:
    """What a command line gives for a key that is a number or a word, such as a stride."""
    try:
        return int(text) if text.isdecimal() else float(text)
    except ValueError:
        return text


def keys(settings: type[Section] = Settings) -> Iterator[Key]:
    """Every key, in the order of the schema."""
    for section, group in settings.model_fields.items():
        model = group.annotation
        if not (isinstance(model, type) and issubclass(model, Section)):
            continue  # a list of sections has no keys of its own
        for name, field in model.model_fields.items():
            extra: dict[str, Any] = field.json_schema_extra  # type: ignore[assignment]
            kinds = [kind for kind in get_args(field.annotation) if kind is not type(None)]
            several = get_origin(field.annotation) in (Union, UnionType)
            kind = (kinds[0] if len(kinds) == 1 else tuple(kinds)) if several else field.annotation
            yield Key(section, name, extra["flag"], kind, field.default, field.description or "", extra["bare"])
