"""Draws a frame's people over its image: lit meshes in a colour per id, with their boxes and ids."""

import colorsys
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from pymafx_live.core.types import Floats, FrameResult, Origin, Person, TrackState
from pymafx_live.engines.body.licensed import load_smplx
from pymafx_live.engines.body.model import BodyModel
from pymafx_live.engines.body.render import draw

OPACITY = 0.85
FAINT = 0.35
"""Opacity of people whom no detection of this frame confirms."""

_DRAWN = (TrackState.NEW, TrackState.TRACKED, TrackState.LOST)


def colour_of(person_id: int) -> tuple[float, float, float]:
    """The BGR colour (0..255) of an id: neighbouring ids get hues that are far apart."""
    red, green, blue = colorsys.hsv_to_rgb(0.08 + 0.618034 * person_id % 1.0, 0.42, 0.95)
    return 255 * blue, 255 * green, 255 * red


class Overlay:
    """Draws with the embedded body and its bone lengths, or with a licensed SMPL-X file and published betas."""

    def __init__(self, smplx_file: str = "") -> None:
        """Raises `AssetError` when `smplx_file` is given and is not an SMPL-X model."""
        self._licensed = bool(smplx_file)
        self._body = load_smplx(Path(smplx_file)) if smplx_file else BodyModel.embedded()

    def draw(self, result: FrameResult, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """A new (H, W, 3) BGR image: `image` with the people of `result` on it."""
        picture = image.copy()
        people = [p for p in result.people if p.state in _DRAWN]
        posed = [p for p in people if p.pelvis[2] > 0 and not is_guess(p)]
        if posed:
            draw(
                picture,
                self._vertices(posed),
                self._body.faces,
                result.camera.resized(image.shape[1], image.shape[0]),
                np.array([colour_of(p.id) for p in posed]),
                [FAINT if p.state is TrackState.LOST else OPACITY for p in posed],
            )
        for person in people:
            _label(picture, person)
        return picture

    def _vertices(self, people: list[Person]) -> Floats:
        """The vertices (P, V, 3) in the camera's frame."""
        pose = np.stack([p.full_pose for p in people])
        transl = np.stack([p.transl for p in people])
        if self._licensed:
            shape = np.stack([np.concatenate([p.betas, p.expression]) for p in people])
            return self._body.vertices(pose, transl, shape)
        bones = np.stack([p.extra.get("bones", np.ones(55, np.float32)) for p in people])
        return self._body.vertices(pose, transl, None, bones)


def is_guess(person: Person) -> bool:
    """Whether nobody knows where a person is, or no more."""
    part = person.parts.get("transl")
    return part is not None and part.origin is Origin.DEFAULT


def _label(picture: NDArray[np.uint8], person: Person) -> None:
    """A person's box and id, drawn in place; dim where no detection confirms it."""
    dim = 0.5 if person.state is TrackState.LOST else 1.0
    colour = tuple(dim * c for c in colour_of(person.id))
    x1, y1, x2, y2 = (round(float(v)) for v in person.box)
    thin = max(1, round(picture.shape[0] / 720))
    cv2.rectangle(picture, (x1, y1), (x2, y2), colour, thin, cv2.LINE_AA)
    place = (max(x1, 0) + 3 * thin, max(y1, 0) + 14 * thin)
    cv2.putText(picture, str(person.id), place, cv2.FONT_HERSHEY_SIMPLEX, 0.5 * thin, colour, thin, cv2.LINE_AA)
