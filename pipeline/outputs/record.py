"""Records everything, to be replayed, looked at in Foxglove, or converted; see docs/recordings.md."""

from pathlib import Path
from typing import Self

from pymafx_live.configs.schema import Section, setting
from pymafx_live.core.errors import LiveError, OutputError
from pymafx_live.core.interfaces import log_progress
from pymafx_live.pipeline.outputs.run import Run
from pymafx_live.pipeline.recordings import JOURNAL, format_of
from pymafx_live.pipeline.recordings.journal import Journal, Mcap


class RecordSettings(Section):
    """Recordings."""

    record: str = setting(
        "",
        "recording, by its ending: .mcap holds everything; .npz, .smpl, .bvh, .glb, .vrma, .bag, .rrd and .jsonl are "
        "made of it when the run ends",
        "--record",
    )
    record_video: bool = setting(False, "keep the frames in the recording too, as JPEG", "--record-video")


class RecordOutput(Journal):
    """The journal, of which another format is made when the run is over; a run that is killed leaves the journal."""

    Settings = RecordSettings

    @classmethod
    def open(cls, settings: RecordSettings, run: Run) -> Self | None:
        """Opens the recording, if one is asked for."""
        if not settings.record:
            return None
        file = Path(settings.record).expanduser()
        made = format_of(file, "--record")
        if file.suffix.lower() == JOURNAL:
            return cls(run.targets.file(file, "--record"), settings.record_video, f"--record {file}")
        run.targets.check(file, "--record")
        journal = run.targets.file(file.with_name(file.name + JOURNAL), "--record")

        def finish() -> None:
            if not journal.is_file():
                return  # nobody was seen
            log_progress(f"writing {file} (if you end it, {journal} stays)")
            try:
                files = made.write(Mcap().read(journal), file, lambda path: run.targets.file(path, "--record"))
            except LiveError as error:
                raise OutputError(f"{error}; the journal {journal} stays, for `pymafx-live convert`") from error
            log_progress(f"written: {', '.join(map(str, files))}")
            journal.unlink()

        run.afterwards.append(finish)
        return cls(journal, settings.record_video, f"--record {file}")
