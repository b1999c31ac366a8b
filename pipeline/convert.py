"""Makes of a recording a file of another format: `pymafx-live convert`."""

from pathlib import Path

from pymafx_live.pipeline.outputs.targets import Targets
from pymafx_live.pipeline.recordings import format_of, reader_of


def convert(recording: Path, file: Path, overwrite: bool = False) -> list[Path]:
    """Converts, and returns the files that were made: one, or one for each track.

    Raises:
        SourceError: the recording cannot be read.
        UsageError: an ending is not known, or its extra is missing.
        OutputError: the file cannot be written, or there is nobody to write.
    """
    targets = Targets([recording], overwrite)
    items = reader_of(recording, "the recording").read(recording)
    return format_of(file, "the file").write(items, file, lambda path: targets.file(path, "FILE"))
