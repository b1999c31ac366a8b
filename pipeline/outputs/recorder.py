"""Recordings that are begun and ended on the page, in a folder that the run's owner names; see docs/web.md."""

import logging
from pathlib import Path
from typing import Self

from pymafx_live.configs.schema import Section, setting
from pymafx_live.pipeline.outputs.run import Run
from pymafx_live.pipeline.recorder import Recorder

logger = logging.getLogger(__name__)


class RecorderSettings(Section):
    """Recordings that the page makes."""

    record_dir: str = setting(
        "", "folder for recordings that are begun and ended on the page (--web); empty: the page records nothing",
        "--record-dir",
    )  # fmt: skip


class RecorderOutput(Recorder):
    """The recorder of a run."""

    Settings = RecorderSettings

    @classmethod
    def open(cls, settings: RecorderSettings, run: Run) -> Self | None:
        """Waits to be asked, if a folder is given."""
        if not settings.record_dir:
            return None
        if run.replayed:
            logger.warning("--record-dir does nothing here: what is replayed is not recorded again from the page")
            return None
        video = getattr(settings, "record_video", False)  # a key of `--record`, which is another output
        made = cls(run.targets.shelf(Path(settings.record_dir), "--record-dir"), video)
        run.recorder = made
        return made
