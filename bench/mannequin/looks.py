"""A wider wardrobe: loose and patterned clothes, jackets, all kinds of hair, glasses, beards, what covers heads."""

import colorsys

import numpy as np
from numpy.random import Generator
from pymafx_live.bench.mannequin import paint, worn
from pymafx_live.bench.mannequin.paint import (
    COVER,
    FRAME,
    HAIR,
    JACKET,
    LASH,
    LIPS,
    SHIRT,
    SKIN,
    THING,
    TROUSERS,
)
from pymafx_live.bench.mannequin.wardrobe import THICKNESS, Outfit, dress
from pymafx_live.bench.mannequin.worn import Worn
from pymafx_live.core.types import Floats
from pymafx_live.engines.body.model import BodyModel

SKIN_RAMP = np.array([[46, 60, 88], [56, 78, 114], [76, 106, 152], [106, 144, 192], [140, 174, 216], [166, 192, 230]])
"""BGR from dark to light."""
HAIR_RAMP = np.array(
    [[18, 18, 20], [24, 32, 48], [40, 60, 92], [70, 112, 156], [116, 160, 190], [150, 150, 152], [214, 214, 216]]
)


def dress_up(rng: Generator, body: BodyModel, carries: str = "") -> Outfit:
    """Choose clothes, skin, hair, eyes and what is worn; `carries` is "bag", "mug left", "mug right" or nothing."""
    plain = dress(rng)
    palette, cut, thickness = plain.palette.copy(), plain.cut.copy(), THICKNESS.copy()
    palette[SKIN] = _along(SKIN_RAMP, rng) * rng.uniform(0.96, 1.04, 3)
    palette[LIPS], palette[LASH] = palette[SKIN] * (0.80, 0.70, 0.92), palette[SKIN] * 0.30
    for cloth in (SHIRT, JACKET, COVER, THING):
        palette[cloth] = _dye(rng)
    palette[FRAME] = _dye(rng) if rng.random() < 0.3 else rng.uniform(12, 60)
    _clothes(rng, cut, thickness)
    things = _hair(rng, body, palette, cut, thickness)
    if rng.random() < 0.22:
        things += worn.glasses(body, rng.uniform(0.45, 1.0))
    if carries == "bag":
        things.append(worn.backpack())
    elif carries:
        things.append(worn.mug(body, carries.split()[1]))
    return Outfit(palette.clip(0, 255), cut, thickness, tuple(things), 0.005)


def _along(ramp: Floats, rng: Generator) -> Floats:
    place = rng.uniform(0, len(ramp) - 1)
    return np.stack([np.interp(place, np.arange(len(ramp)), channel) for channel in ramp.T])


def _dye(rng: Generator) -> Floats:
    """Any colour that cloth has, BGR."""
    rgb = colorsys.hsv_to_rgb(rng.random(), rng.uniform(0, 0.85) * rng.uniform(0.3, 1), rng.uniform(0.12, 0.95))
    return np.array(rgb[::-1], np.float32) * 255


def _clothes(rng: Generator, cut: Floats, thickness: Floats) -> None:
    """Bulk, patterns, necklines and jackets."""
    cut[paint.THROAT] = 0.135
    cut[paint.NOTCH] = rng.choice([0.0, 0.0, rng.uniform(0.03, 0.10)])
    cut[paint.PATTERN] = rng.choice([paint.CHECKS, paint.CHECKS, *paint.PATTERNS])
    if cut[paint.PATTERN] != paint.CHECKS:
        cut[paint.STRENGTH], cut[paint.SIZE] = rng.uniform(0.08, 0.35), rng.uniform(0.02, 0.09)
    thickness[SHIRT] = rng.choice([rng.uniform(0.006, 0.012), rng.uniform(0.012, 0.026)])
    thickness[TROUSERS] = rng.uniform(0.006, 0.02)
    if rng.random() < 0.3:
        cut[paint.OPEN], cut[paint.SLEEVE] = rng.uniform(0.015, 0.08), rng.uniform(0.66, 0.71)
        thickness[JACKET] = rng.uniform(0.016, 0.032)


def _hair(rng: Generator, body: BodyModel, palette: Floats, cut: Floats, thickness: Floats) -> list[Worn]:
    """A way to wear one's hair, or to cover it; returns what hangs from the head."""
    palette[HAIR] = _along(HAIR_RAMP, rng) if rng.random() < 0.93 else _dye(rng)
    thickness[HAIR] = rng.uniform(0.008, 0.022)
    cut[paint.HAIRLINE] = rng.choice([rng.uniform(-0.022, 0.012), rng.uniform(-0.022, 0.012), rng.uniform(0.01, 0.05)])
    style = rng.choice(["short", "cropped", "bald", "nape", "long", "tail", "bun", "curls", "scarf", "cap"],
                       p=[0.22, 0.10, 0.06, 0.10, 0.20, 0.08, 0.05, 0.07, 0.06, 0.06])  # fmt: skip
    things: list[Worn] = []
    if style == "cropped":
        thickness[HAIR], cut[paint.NAPE] = 0.003, 0.36
    elif style == "bald":
        cut[paint.HAIRLINE], cut[paint.NAPE], thickness[HAIR] = 1.0, 1.0, 0.004
    elif style == "nape":
        cut[paint.NAPE] = 0.31
    elif style == "curls":
        thickness[HAIR], cut[paint.NAPE] = rng.uniform(0.03, 0.055), 0.34
    elif style == "long":
        cut[paint.HAIRLINE] = rng.uniform(-0.022, 0.0)
        clothes = float(max(thickness[SHIRT], thickness[JACKET]))
        things.append(worn.long_hair(body, rng.uniform(0.02, 0.27), rng.uniform(0.010, 0.026), clothes))
    elif style == "tail":
        things.append(worn.ponytail(rng.uniform(0.15, 0.36)))
    elif style == "bun":
        things.append(worn.bun())
    elif style == "scarf":
        cut[paint.HEADGEAR], thickness[COVER] = paint.SCARF, rng.uniform(0.014, 0.024)
    elif style == "cap":
        cut[paint.HEADGEAR], thickness[COVER] = paint.CAP, 0.014
        if rng.random() < 0.6:
            things.append(worn.visor())
    if style in ("short", "cropped", "bald", "cap", "nape") and rng.random() < 0.3:
        cut[paint.BEARD] = rng.uniform(0.4, 2.0)
        palette[HAIR] *= 0.9
    if style not in ("scarf", "curls") and rng.random() < 0.1:
        things += worn.headphones()
    return things
