"""The file of a fleet, `cameras.yaml`: what is watched, on what, and where the people are published."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from pydantic import Field, field_validator, model_validator
from pymafx_live.configs.load import ConfigError, checked, read_sections
from pymafx_live.configs.schema import CameraSettings, Section, SourceEntry, SourceSettings, setting
from pymafx_live.core.addresses import SECRETS, masked
from pymafx_live.core.errors import UsageError
from pymafx_live.pipeline.camera import read_calibration
from pymafx_live.pipeline.settings import run_settings
from pymafx_live.pipeline.sources import plain_address

OUTPUTS = ("joints", "raw", "ttl")
"""Keys of `output` that a pool may set: where results go is the fleet's."""
MOST_CAMERAS = 10_000
_HEEDED = ("priority", "pool", "workers", "cameras")
"""What the manager alone heeds of a camera or a pool."""
_FILES = (("detector", "weights"), ("engine", "assets"), ("tracker", "reid"), ("source", "ca_file"))
"""Settings that are paths: a worker has another working folder."""


class FleetCamera(SourceEntry):
    """One camera: an entry of `sources` with a name, and what the fleet heeds of it."""

    name: str = Field(min_length=1, max_length=200)
    calibration: str | None = None
    priority: int = Field(0, ge=-100, le=100)
    target_fps: float | None = Field(None, ge=1, le=1000)
    pool: str | None = None

    @model_validator(mode="after")
    def _one_calibration(self) -> Self:
        if self.calibration and self.camera is not None:
            raise ValueError("give `calibration` or `camera`, which can hold one, not both")
        return self


class Pool(Section):
    """Workers of one kind: what each is given, and how many cameras it takes."""

    name: str = Field(default="default", min_length=1, max_length=64, pattern=r"^[\w.-]+$")
    gpus: float = Field(default=0.0, ge=0, le=16)
    cpus: float | None = Field(default=None, gt=0, le=1024)
    workers: int | str = "auto"
    cameras: int | str = "auto"
    settings: dict[str, Any] = Field(default={})

    @field_validator("workers", "cameras", mode="before")
    @classmethod
    def _number_or_auto(cls, value: object) -> object:
        if value == "auto" or (type(value) is int and 1 <= value <= 1000):
            return value
        raise ValueError(f"must be `auto` or a whole number of 1 to 1000, not {value!r}")

    @model_validator(mode="after")
    def _something_to_run_on(self) -> Self:
        if not self.gpus and self.cpus is None:
            raise ValueError(f"the pool {self.name} has neither `gpus` nor `cpus`: say what each of its workers gets")
        return self

    @property
    def processors(self) -> float:
        """How many processors a worker reserves: beside a GPU one, unless more are asked for."""
        return 1.0 if self.cpus is None else self.cpus


class FleetFile(Section):
    """A whole fleet."""

    cameras: list[FleetCamera] = Field(max_length=MOST_CAMERAS)
    pools: list[Pool] = Field(default=[])
    settings: dict[str, Any] = Field(default={})
    timeout: float = Field(default=5.0, ge=1, le=3600)
    """Seconds without an answer after which a worker is given up."""
    balance: bool = True
    """Whether cameras move from workers that have too much to do."""
    publish: str = setting("tcp://127.0.0.1:5555", "the one address that all people are published on", "--publish")
    curve: str = setting("", "the publisher's key file", "--curve")
    insecure: bool = setting(False, "publish to other machines without keys", "--insecure")

    @model_validator(mode="after")
    def _nothing_twice(self) -> Self:
        if twice := _twice([camera.name for camera in self.cameras]):
            raise ValueError(f"two cameras are called {twice!r}: subscribers could not tell them apart, rename one")
        if twice := _twice([pool.name for pool in self.pools]):
            raise ValueError(f"two pools are called {twice!r}: rename one")
        return self

    @model_validator(mode="after")
    def _pools_are_there(self) -> Self:
        names = [pool.name for pool in self.pools]
        for camera in self.cameras:
            if camera.pool is not None and camera.pool not in names:
                known = f"the pools are {', '.join(names)}" if names else "the file has no `pools`"
                raise ValueError(f"the camera {camera.name} is for the pool {camera.pool!r}, but {known}")
            if camera.pool is None and len(names) > 1:
                raise ValueError(f"the camera {camera.name} has no `pool`: give it one of {', '.join(names)}")
        return self


def read_fleet(file: Path, publish: str | None = None) -> dict[str, Any]:
    """What the fleet is to be, as plain values: `cameras` and `pools` by name, `publish`, `curve` and `insecure`.

    Addresses that are kept elsewhere (`env:NAME`, `file:PATH`) are read here, and never shown. `publish` is what the
    command line says instead of the file. A file without pools has `pools` {}: what there is decides.

    Raises:
        UsageError: what is wrong with the file.
        AssetError: a calibration that cannot be used.
    """
    try:
        fleet = checked(FleetFile, read_sections(file), str(file))
        common = dict(fleet.settings)
        pools = {pool.name: _pool(pool, common, f"{file}: the pool {pool.name}") for pool in fleet.pools}
        _settings(common, f"{file}: settings")
    except ConfigError as error:
        raise UsageError(str(error)) from error
    only = next(iter(pools), "default")
    cameras = {camera.name: _camera(camera, only) for camera in fleet.cameras}
    _check_once(cameras)
    return {
        "cameras": cameras, "pools": pools, "settings": common, "publish": publish or fleet.publish,
        "curve": _absolute(fleet.curve), "insecure": fleet.insecure, "timeout": fleet.timeout, "balance": fleet.balance,
    }  # fmt: skip


def key_of(what: Mapping[str, Any]) -> str:
    """Tells a camera or a pool that has to be opened anew from one that need not."""
    made = {key: value for key, value in what.items() if key not in _HEEDED}
    return hashlib.sha256(json.dumps(made, sort_keys=True).encode()).hexdigest()[:12]


def default_pool(settings: Mapping[str, Any], gpus: float) -> dict[str, Any]:
    """The pool of a file that names none: a GPU per worker where the cluster has any, else two processors."""
    made = Pool(gpus=1.0) if gpus >= 1 else Pool(cpus=2.0)
    return _pool(made, dict(settings), "settings")


def _pool(pool: Pool, common: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The pool with the settings of an ordinary run that its workers get."""
    merged = {**common}
    for section, keys in pool.settings.items():
        both = isinstance(keys, dict) and isinstance(merged.get(section), dict)
        merged[section] = {**merged[section], **keys} if both else keys
    return {
        "gpus": pool.gpus, "cpus": pool.processors, "workers": pool.workers, "cameras": pool.cameras,
        "settings": _settings(merged, where),
    }  # fmt: skip


def _settings(values: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The settings of a run that are given, if they are sound and the fleet's; paths are made absolute."""
    checked(run_settings(), values, where)
    if "sources" in values or {"uri", "name"} & set(values.get("source") or ()):
        raise ConfigError(f"{where}: what is watched stands in `cameras`, not in the settings")
    if taken := [key for key in values.get("output") or () if key not in OUTPUTS]:
        raise ConfigError(
            f"{where}: `output.{taken[0]}` is not a worker's to set: where people go is `publish`, `curve` and "
            f"`insecure` of the file, and of `output` a worker heeds {', '.join(OUTPUTS)}"
        )
    given = {section: dict(keys or {}) for section, keys in values.items()}
    for section, key in _FILES:
        if path := given.get(section, {}).get(key):
            given[section][key] = _absolute(path)
    return given


def _camera(camera: FleetCamera, pool: str) -> dict[str, Any]:
    """The camera as workers take it, with what it does not say left out."""
    uri = plain_address(camera.uri)
    SECRETS.learn(uri)
    known = CameraSettings(calibration=camera.calibration) if camera.calibration else camera.camera
    if known is not None and known.calibration:
        read_calibration(Path(known.calibration).expanduser())  # a fault of it is told here and now
        known = known.model_copy(update={"calibration": _absolute(known.calibration)})
    entry = camera.model_dump(exclude_none=True, exclude={"camera", "calibration", "target_fps"})
    if camera.target_fps is not None:  # no more is looked at, so that there is time for others
        entry.setdefault("max_fps", camera.target_fps)
    if known is not None:
        entry["camera"] = known.model_dump(exclude_none=True)
    SourceSettings(uri=uri)
    return entry | {"uri": _absolute(uri), "pool": camera.pool or pool}


def _check_once(cameras: Mapping[str, Mapping[str, Any]]) -> None:
    """Raises `UsageError` for a camera that two entries watch: a camera itself may serve one reader only."""
    seen: dict[str, str] = {}
    for name, camera in cameras.items():
        uri = camera["uri"]
        if not ("://" in uri or uri.isdecimal() or uri.startswith("/dev/")):
            continue  # of a file there can be several players
        if uri in seen:
            raise UsageError(f"the cameras {seen[uri]} and {name} are the same, {masked(uri)}: leave one out")
        seen[uri] = name


def _absolute(path: str) -> str:
    """The path of a file that is there, absolute; anything else as it is."""
    if not path or "://" in path:
        return path
    try:
        there = Path(path).expanduser()
        return str(there.absolute()) if there.exists() else path
    except OSError:
        return path


def _twice(names: list[str]) -> str | None:
    return next((name for name in names if names.count(name) > 1), None)
