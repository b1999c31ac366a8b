"""Saves pictures with the people drawn over: a video, one picture, or a folder of pictures."""

import re
from functools import partial
from pathlib import Path

from pymafx_live.configs.schema import Section, setting
from pymafx_live.core.errors import UsageError
from pymafx_live.core.interfaces import Policy
from pymafx_live.pipeline.outputs.drawn import DrawnOutput, PictureSink
from pymafx_live.pipeline.outputs.run import Run
from pymafx_live.pipeline.outputs.targets import Targets


class SaveSettings(Section):
    """Saved pictures."""

    save: str = setting(
        "", "overlay video (.mp4, .mov, .mkv), picture, or folder of pictures; each source its own", "--save"
    )


class SaveOutput(DrawnOutput):
    """The suffix says what is written."""

    Settings = SaveSettings

    @classmethod
    def open(cls, settings: SaveSettings, run: Run) -> DrawnOutput | None:
        """Opens the file, if one is given."""
        save = settings.save
        if not save:
            return None
        return cls(f"--save {save}", Policy.BLOCK, run.drawing, partial(_sink, save, run.targets), run.sources)


def _sink(save: str, targets: Targets, source: str) -> PictureSink:
    """The sink of a source, "" being the only one: others go to `out-door.mp4` for `out.mp4`, or to `out/door`."""
    from pymafx_live.pipeline.outputs import pictures, video

    path, suffix = Path(save), Path(save).suffix.lower()
    name = re.sub(r"[^\w.-]+", "_", source).strip(".")
    file = path.with_name(f"{path.stem}-{name}{path.suffix}") if name else path
    if suffix in video.SUFFIXES:
        return video.VideoSink(targets.file(file, "--save"))
    if suffix in pictures.SUFFIXES:
        return pictures.PictureFileSink(targets.file(file, "--save"))
    if suffix and not path.is_dir():
        raise UsageError(
            f"--save {save} has a format that is not written here: give .mp4, .mov, .mkv, .jpg, .png or a folder"
        )
    return pictures.PictureFolderSink(targets.folder(path / name, "--save"))
