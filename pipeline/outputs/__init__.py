"""Outputs, opened as the settings ask. To add one, write a module and give it a line here."""

from collections.abc import Iterator
from pathlib import Path

from pymafx_live.configs.schema import OutputSettings
from pymafx_live.core.errors import UsageError
from pymafx_live.core.interfaces import Output
from pymafx_live.pipeline.outputs.drawn import PictureSink
from pymafx_live.pipeline.stop import Stop


def open_outputs(settings: OutputSettings, stop: Stop, body: str = "") -> Iterator[Output]:
    """Yields each output as it is opened, so that the caller can close the ones before a failure.

    `body` is the SMPL-X file to draw; empty: the embedded body.

    Raises:
        UsageError: an address is taken, a file cannot be written, or there is no display.
        AssetError: the body to draw cannot be loaded.
    """
    if settings.bind:
        from pymafx_live.pipeline.outputs.zmq import ZmqOutput

        yield ZmqOutput(settings.bind)
    if settings.jsonl:
        from pymafx_live.pipeline.outputs.jsonl import JsonOutput

        yield JsonOutput(settings.jsonl, stop)
    if settings.save or settings.show:
        from pymafx_live.engines.body.overlay import Overlay
        from pymafx_live.pipeline.outputs.drawn import DrawnOutput

        yield DrawnOutput(Overlay(body), list(_sinks(settings, stop)))


def _sinks(settings: OutputSettings, stop: Stop) -> Iterator[PictureSink]:
    if settings.show:
        from pymafx_live.pipeline.outputs.window import WindowSink

        yield WindowSink(stop)
    if settings.save:
        yield _saving(settings.save)


def _saving(save: str) -> PictureSink:
    from pymafx_live.pipeline.outputs import pictures, video

    path, suffix = Path(save), Path(save).suffix.lower()
    if suffix in video.SUFFIXES:
        return video.VideoSink(path)
    if suffix in pictures.SUFFIXES:
        return pictures.PictureFileSink(path)
    if suffix and not path.is_dir():
        raise UsageError(
            f"--save {save} has a format that is not written here: give .mp4, .mov, .mkv, .jpg, .png or a folder"
        )
    return pictures.PictureFolderSink(path)
