"""Real people before webcams: run the whole pipeline on clips and pictures, and compare with MediaPipe Holistic.

    python -m pymafx_live.bench.webcam [--data DIR] [--overlay DIR] [--json out.json] [FILE]...

DIR holds videos and pictures and `reference.npz`, MediaPipe Holistic's landmarks of them (`bench/reference.py` says
what is in it); FILEs are some of them, by default all that the reference knows. A picture is shown eight times, as a
film would show it. With `--holistic PYTHON` the reference is made first, in an environment of its own:

    python -m venv mp && mp/bin/pip install mediapipe==0.10.21

By default the data are the four files of the tests, which nothing was hidden from: what they say flatters.
"""

import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import cv2
import numpy as np
from numpy.typing import NDArray
from pymafx_live.bench import landmarks as marks
from pymafx_live.bench.accuracy import Figures, Parts
from pymafx_live.bench.real_people import figures, mean_figures, play
from pymafx_live.bench.reference import holistic_reference, is_media, load_reference, save_reference
from pymafx_live.bench.report import print_table, write_json
from pymafx_live.configs.load import load
from pymafx_live.configs.schema import number_or_word
from pymafx_live.core.errors import LiveError, UsageError
from pymafx_live.core.types import FrameResult
from pymafx_live.engines.body.model import BodyModel
from pymafx_live.engines.body.overlay import Overlay
from pymafx_live.pipeline.sources.images import names_images

DATA = Path(__file__).resolve().parents[1] / "tests" / "data"
REFERENCE = "reference.npz"

ERRORS: Mapping[str, str] = {
    "frames": "frames", "error": "all", "shoulder": "shoulders", "elbow": "elbows", "wrist": "wrists",
    "worst": "worst frame", "first": "first frame", "last": "last frame",
}  # fmt: skip
SHARES: Mapping[str, str] = {
    "found": "found", "invented_legs": "invented legs", "hands": "hands", "worst_hands": "worst file",
    "wrong_way": "wrong way", "people": "people", "jitter": "m/s²",
}  # fmt: skip
GROUPS = {"clips": False, "pictures": True}


@click.command(help=__doc__)
@click.argument("files", nargs=-1)
@click.option("--data", type=Path, default=DATA, help="folder of the media (default: tests/data of a checkout)")
@click.option("--reference", type=Path, help=f"MediaPipe's landmarks (default: {REFERENCE} in the folder)")
@click.option("--holistic", help="Python interpreter of an environment with mediapipe==0.10.21: makes the reference")
@click.option("--frames", default=0, type=click.IntRange(min=0), help="frames of each file at most; 0: all")
@click.option("--stride", default="1", show_default=True, help="the detector's: auto or a number")
@click.option("--json", "output", type=Path, help="file for the figures")
@click.option("--overlay", type=Path, help="folder for a sheet of pictures of each file, the estimate drawn over them")
def main(**given: Any) -> None:
    """The command."""
    try:
        _main(given)
    except LiveError as error:
        print(f"webcam: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


def _main(given: Mapping[str, Any]) -> None:
    data, frames = given["data"], given["frames"]
    reference_file = given["reference"] or data / REFERENCE
    if given["holistic"]:
        save_reference(reference_file, holistic_reference(given["holistic"], _media(data, given["files"])))
    reference = load_reference(reference_file)
    files = [f for f in _media(data, given["files"]) if given["files"] or f.name in reference]
    for file in files:
        if file.name not in reference:
            raise UsageError(f"{reference_file} has no landmarks of {file.name}: make them with --holistic.")
    if not files:
        raise UsageError(f"{data} holds none of the files that {reference_file} knows: name others with --data.")
    pipeline = Parts.make(load(None, {"detector": {"stride": number_or_word(given["stride"])}}))
    body, rows = BodyModel.embedded(), {}
    for file in files:
        start = time.monotonic()
        still = names_images(file.name)
        sheet = Sheet(0 if still else SHEET_EVERY) if given["overlay"] else None
        rows[file.name] = figures(play(file, reference[file.name], pipeline, frames, sheet), body)
        if sheet:
            sheet.write(given["overlay"] / f"{file.name}.png")
        print(f"{file.name}: {time.monotonic() - start:.0f} s", file=sys.stderr)
    rows |= _groups(rows)
    print_table("error in the picture, % of the shoulders' breadth", rows, ERRORS, 1)
    print_table("% of frames (wrong way: after a clip's first second); jitter of still shoulders", rows, SHARES, 1)
    if given["output"]:
        settings = {"frames": frames, "stride": given["stride"], "files": [f.name for f in files]}
        write_json(given["output"], "webcam", rows, settings)


def _media(folder: Path, names: Sequence[str]) -> list[Path]:
    """The media files of a folder, clips first, or those of these names; raises `UsageError` for what is not there."""
    if not folder.is_dir():
        raise UsageError(f"there is no folder {folder}: name one with clips and pictures with --data.")
    files = [folder / name for name in names] or sorted(f for f in folder.iterdir() if is_media(f))
    for file in files:
        if not is_media(file) or not file.is_file():
            raise UsageError(f"{file.name} is no clip or picture in {folder}: check its name.")
    return sorted(files, key=lambda file: names_images(file.name))


def _groups(rows: Mapping[str, Figures]) -> dict[str, Figures]:
    """The means over clips and over pictures, where there are some of each."""
    found = {}
    for group, pictures in GROUPS.items():
        some = [row for name, row in rows.items() if names_images(name) == pictures and row["frames"]]
        if some:
            found[f"{group}: {len(some)}"] = mean_figures(some)
    return found


SHEET_EVERY, SHEET_WIDTH, SHEET_COLUMNS = 8, 390, 4
DOT = (255, 255, 255)


class Sheet:
    """Draws every n-th frame of a file, or (0) the first and the last, with MediaPipe's arms as dots, side by side."""

    def __init__(self, every: int) -> None:
        self._overlay, self._every = Overlay(), every
        self._tiles: list[NDArray[np.uint8]] = []

    def __call__(self, result: FrameResult, seen: marks.Landmarks, image: NDArray[np.uint8]) -> None:
        """Take in one frame."""
        if self._every and result.sequence % self._every:
            return
        picture = self._overlay.draw(result, image)
        size = max(2, picture.shape[1] // 160)
        for k in np.flatnonzero(marks.shown(seen[marks.ARM_LANDMARKS], result.camera)):
            x, y = seen[marks.ARM_LANDMARKS[k], :2]
            cv2.circle(picture, (round(float(x)), round(float(y))), size, DOT, -1, cv2.LINE_AA)
        tile = _tile(picture, f"{result.sequence}")
        self._tiles = self._tiles[: None if self._every else 1] + [tile]

    def write(self, file: Path) -> None:
        """Write the sheet; raises `UsageError` where that cannot be done."""
        columns = min(SHEET_COLUMNS, len(self._tiles))
        blank = np.zeros_like(self._tiles[0])
        tiles = self._tiles + [blank] * (-len(self._tiles) % columns)
        rows = [np.hstack(tiles[k : k + columns]) for k in range(0, len(tiles), columns)]
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(cv2.imencode(".png", np.vstack(rows))[1].tobytes())
        except OSError as error:
            raise UsageError(f"the sheet cannot be written to {file} ({error}): name another --overlay.") from error


def _tile(picture: NDArray[np.uint8], caption: str) -> NDArray[np.uint8]:
    height = round(picture.shape[0] * SHEET_WIDTH / picture.shape[1])
    tile = cv2.resize(picture, (SHEET_WIDTH, height), interpolation=cv2.INTER_AREA)
    cv2.putText(tile, caption, (4, height - 6), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 255, 255), 1, cv2.LINE_AA)
    return np.asarray(tile, np.uint8)


if __name__ == "__main__":
    main()
