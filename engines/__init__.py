"""The engines by name. To add one, write a class with the methods of `Engine` and `open`, and give it a line here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pymafx_live.configs.schema import Settings
from pymafx_live.core.interfaces import Engine
from pymafx_live.core.registry import pick

if TYPE_CHECKING:
    from pymafx_live.engines.imaging import Pictures

ENGINES: Mapping[str, str] = {
    "landmarks": "pymafx_live.engines.landmarks.engine:LandmarkEngine",
    "pymafx": "pymafx_live.engines.pymafx.engine:PymafxEngine",
}


def open_engine(settings: Settings, pictures: Pictures) -> Engine:
    """The engine that is asked for, by its class's `open(settings, pictures)`.

    It and the detector share `pictures`, so that a frame goes up to a GPU once.

    Raises `AssetError` for a file that is missing or cannot be used, `UsageError` for a name that does not exist and
    for a missing extra.
    """
    engine: Engine = pick(ENGINES, settings.engine.name, "engine").open(settings, pictures)
    return engine
