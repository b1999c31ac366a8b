"""Saves pictures with the people drawn over: a video, one picture, or a folder of pictures."""

from pathlib import Path

from pymafx_live.configs.schema import Section, setting
from pymafx_live.core.errors import UsageError
from pymafx_live.core.interfaces import Policy
from pymafx_live.pipeline.outputs.drawn import DrawnOutput, PictureSink
from pymafx_live.pipeline.outputs.run import Run
from pymafx_live.pipeline.outputs.targets import Targets


class SaveSettings(Section):
    """Saved pictures."""

    save: str = setting("", "overlay video (.mp4, .mov, .mkv), picture, or folder of pictures", "--save")


class SaveOutput(DrawnOutput):
    """The suffix says what is written."""

    Settings = SaveSettings

    @classmethod
    def open(cls, settings: SaveSettings, run: Run) -> DrawnOutput | None:
        """Opens the file, if one is given."""
        save = settings.save
        return cls(f"--save {save}", Policy.BLOCK, run.drawing, _sink(save, run.targets)) if save else None


def _sink(save: str, targets: Targets) -> PictureSink:
    from pymafx_live.pipeline.outputs import pictures, video

    path, suffix = Path(save), Path(save).suffix.lower()
    if suffix in video.SUFFIXES:
        return video.VideoSink(targets.file(path, "--save"))
    if suffix in pictures.SUFFIXES:
        return pictures.PictureFileSink(targets.file(path, "--save"))
    if suffix and not path.is_dir():
        raise UsageError(
            f"--save {save} has a format that is not written here: give .mp4, .mov, .mkv, .jpg, .png or a folder"
        )
    return pictures.PictureFolderSink(targets.folder(path, "--save"))
