"""All settings of a run, the outputs' too; `python -m pymafx_live.pipeline.settings` writes their tables."""

from copy import copy
from functools import cache
from typing import Any, Literal

from pydantic import create_model
from pymafx_live.configs.reference import reference
from pymafx_live.configs.schema import EngineSettings, OutputSettings, Settings
from pymafx_live.engines import ENGINES
from pymafx_live.pipeline.outputs import output_classes


@cache
def output_settings() -> type[OutputSettings]:
    """The section `output`: the keys of every output, and those that no single one of them has."""
    sections: tuple[Any, ...] = (*(kind.Settings for kind in reversed(output_classes())),)
    made: type[OutputSettings] = create_model(
        "OutputSettings", __base__=(OutputSettings, *sections), __doc__=OutputSettings.__doc__
    )
    return made


@cache
def engine_settings() -> type[EngineSettings]:
    """The section `engine`, whose names are those of the registry."""
    names: Any = Literal[tuple(ENGINES)]
    name = copy(EngineSettings.model_fields["name"])
    return create_model("EngineSettings", __base__=EngineSettings, __doc__=EngineSettings.__doc__, name=(names, name))


@cache
def run_settings() -> type[Settings]:
    """`Settings` with all keys and names."""
    engine, output = engine_settings(), output_settings()
    return create_model(
        "Settings", __base__=Settings, __doc__=Settings.__doc__, engine=(engine, engine()), output=(output, output())
    )


if __name__ == "__main__":
    print(reference(run_settings()))
