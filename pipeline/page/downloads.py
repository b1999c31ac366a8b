"""Recordings as files to download: the journal, or what `pymafx-live convert` makes of it, in a process of its own."""

import asyncio
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, TYPE_CHECKING

from pymafx_live.core.text import quiet

if TYPE_CHECKING:
    from starlette.responses import Response

MADE = (".npz", ".bvh", ".glb")
"""The endings of what is made of a journal when somebody asks for it."""
_CONVERT = """
import os
from pymafx_live.pipeline.start import main
getattr(os, "nice", int)(10)
main()
"""
_PATIENCE = 900.0
"""Seconds that making a file may take: that of an hour takes three minutes."""
_BLOCK = 2**18


class Downloads:
    """Answers with recordings; `recording` says where the journal of that name is, None where there is none such."""

    def __init__(self, recording: Callable[[str], Path | None]) -> None:
        self._recording = recording
        self._one = asyncio.Lock()
        """Held by the conversion that runs: one at a time is enough for the processor."""

    async def answer(self, name: str) -> "Response":
        """The file of that name: a recording's, with the ending of a format. No part of it is used as a path."""
        from starlette.responses import FileResponse, PlainTextResponse, StreamingResponse

        stem, _, kind = name.rpartition(".")
        journal, ending = self._recording(stem), f".{kind}"
        if journal is None or ending not in (".mcap", *MADE) or not await asyncio.to_thread(journal.is_file):
            return PlainTextResponse("there is no such recording any more: look in the folder of --record-dir\n", 404)
        if ending == ".mcap":
            return FileResponse(journal, media_type="application/octet-stream", filename=journal.name)
        async with self._one:
            try:
                made = await self._made(journal, ending)
            except OSError as error:
                made = f"cannot write in the folder of --record-dir ({error.strerror}): free some space"
        if isinstance(made, str):
            return PlainTextResponse(f"{made}\n", 500)
        stream, called = made
        size = stream.seek(0, 2)
        stream.seek(0)
        headers = {"Content-Disposition": f'attachment; filename="{called}"', "Content-Length": str(size)}
        return StreamingResponse(_blocks(stream), media_type="application/octet-stream", headers=headers)

    async def _made(self, journal: Path, ending: str) -> "tuple[IO[bytes], str] | str":
        """The file, which is in no folder any more, and its name; or the sentence on why there is none."""
        with TemporaryDirectory(prefix=".convert-", dir=journal.parent) as folder:
            target = Path(folder) / f"{journal.stem}{ending}"
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-c", _CONVERT, "convert", str(journal), str(target),
                stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
            )  # fmt: skip
            try:
                async with asyncio.timeout(_PATIENCE):
                    said = (await process.communicate())[1]
            except TimeoutError:
                return f"making {target.name} takes too long: use `pymafx-live convert` on {journal.name}"
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.wait()
            if process.returncode:
                return quiet(said.decode(errors="replace").strip().rpartition("\n")[2].replace(str(folder), ""))
            return await asyncio.to_thread(_packed, Path(folder), target)


def _packed(folder: Path, target: Path) -> tuple[IO[bytes], str]:
    """The one file in the folder, open, and its name; of several an archive."""
    files = sorted(folder.iterdir())
    if len(files) == 1:
        return files[0].open("rb"), files[0].name
    archive = folder / f"{target.stem}-{target.suffix[1:]}.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for file in files:
            packed.write(file, file.name)
    return archive.open("rb"), archive.name


def _blocks(stream: IO[bytes]) -> Iterator[bytes]:
    with stream:
        while block := stream.read(_BLOCK):
            yield block
