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
from pymafx_live.bench.accuracy import Figures, Parts
from pymafx_live.bench.pictures import Film, Sheet
from pymafx_live.bench.real_people import figures, mean_figures, play
from pymafx_live.bench.reference import holistic_reference, is_media, load_reference, save_reference
from pymafx_live.bench.report import print_table, write_json
from pymafx_live.configs.load import load
from pymafx_live.configs.schema import Settings, number_or_word
from pymafx_live.core.errors import LiveError, UsageError
from pymafx_live.engines.body.model import BodyModel
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
SHEET_EVERY = 8
"""Frames of a clip from one picture of its sheet to the next."""


@click.command(help=__doc__)
@click.argument("files", nargs=-1)
@click.option("--data", type=Path, default=DATA, help="folder of the media (default: tests/data of a checkout)")
@click.option("--reference", type=Path, help=f"MediaPipe's landmarks (default: {REFERENCE} in the folder)")
@click.option("--holistic", help="Python interpreter of an environment with mediapipe==0.10.21: makes the reference")
@click.option("--frames", default=0, type=click.IntRange(min=0), help="frames of each file at most; 0: all")
@click.option("--stride", default="1", show_default=True, help="the detector's: auto or a number")
@click.option("--json", "output", type=Path, help="file for the figures")
@click.option("--overlay", type=Path, help="folder for a sheet of pictures of each file, the estimate drawn over them")
@click.option("--film", type=Path, help="file for an animated WebP: the files side by side, the estimates below")
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
    pipeline = Parts.make(load(None, {"detector": {"stride": number_or_word(given["stride"])}}, Settings))
    body, rows = BodyModel.embedded(), {}
    film = Film() if given["film"] else None
    for file in files:
        start = time.monotonic()
        sheet = Sheet(0 if names_images(file.name) else SHEET_EVERY) if given["overlay"] else None
        watches = [watch for watch in (sheet, film) if watch]
        rows[file.name] = figures(play(file, reference[file.name], pipeline, frames, watches), body)
        if sheet:
            sheet.write(given["overlay"] / f"{file.name}.png")
        print(f"{file.name}: {time.monotonic() - start:.0f} s", file=sys.stderr)
    if film:
        film.write(given["film"])
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


if __name__ == "__main__":
    main()
