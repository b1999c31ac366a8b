"""Every setting of a run: its key, its default, its limits, its command line flag and what it means.

A setting is described once, here or in the file of the output that it belongs to: the command line, the checks of a
configuration file and `docs/configuration.md` are all made from it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

LARGEST_OPTION = 1_000_000


def setting(default: Any, description: str, flag: str = "", **limits: Any) -> Any:
    """One key: a pydantic field that also knows its command line `flag`."""
    return Field(default, description=description, json_schema_extra={"flag": flag}, **limits)


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
    rtsp_transport: Literal["auto", "tcp", "udp"] = setting(
        "auto", "how an RTSP camera sends; `auto`: TCP, or else UDP", "--rtsp-transport"
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
    rtsp_transport: Literal["auto", "tcp", "udp"] | None = None
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
    options: dict[str, bool | int | float | str] = setting({}, "the tracker's own parameters, by name")

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
        1, "PyMAF-X estimates a seen hand in every n-th frame, holds it between", "--hands-every", ge=1, le=10_000
    )
    face_every: int = setting(
        1, "PyMAF-X estimates a seen face in every n-th frame, holds it between", "--face-every", ge=1, le=10_000
    )
    freeze_shape: int = setting(
        0,
        "PyMAF-X averages a person's shape over its track; frozen after n frames, 0: never",
        "--freeze-shape",
        ge=0,
        le=1_000_000,
    )
    max_batch: int = setting(8, "most crops that PyMAF-X runs at once", "--max-batch", ge=1, le=64)
    smoothing: float = setting(
        1.0, "how strongly poses are smoothed over time; 0: not at all, 2: twice as slow", "--smoothing", ge=0, le=10
    )
    max_people: int = setting(8, "most people that are estimated in one frame", "--max-people", ge=1, le=100)
    lock: bool = setting(
        False,
        "of more people than `max_people`, keep those once chosen until their track ends, instead of the largest",
        "--lock",
    )

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
        "detect on the next frame while this one is estimated: more frames per second, each a little older",
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
        if self.run.overlap and self.detector.stride == "auto":
            raise ValueError("run.overlap detects before `detector.stride: auto` can know whether to: give one of them")
        return self


@dataclass(frozen=True, slots=True)
class Key:
    """One key as the command line and the documentation need it.

    `kind` is its Python type or Literal, or the tuple of those that it may be, without None.
    """

    section: str
    name: str
    flag: str
    kind: Any
    default: Any
    description: str


def number_or_word(text: str) -> int | str:
    """What a command line gives for a key that is a number or a word, such as a stride."""
    return int(text) if text.isdecimal() else text


def keys(settings: type[Settings] = Settings) -> Iterator[Key]:
    """Every key, in the order of the schema."""
    for section, group in settings.model_fields.items():
        model = group.annotation
        if not (isinstance(model, type) and issubclass(model, Section)):
            continue  # a list of sections has no keys of its own
        for name, field in model.model_fields.items():
            extra: dict[str, Any] = field.json_schema_extra  # type: ignore[assignment]
            kinds = [kind for kind in get_args(field.annotation) if kind is not type(None)]
            optional = type(None) in get_args(field.annotation)
            kind = (kinds[0] if len(kinds) == 1 else tuple(kinds)) if optional else field.annotation
            yield Key(section, name, extra["flag"], kind, field.default, field.description or "")
