"""What a dressed mannequin looks like: the material of each point of its surface, and the compiled shading.

A point is known by its place on the rest body (T-pose, metres), so that borders are sharp at every distance and
need no texture. The numbers are measured on the embedded body's mesh.
"""

import numpy as np
from pymafx_live.bench.mannequin.compiled import compiled
from pymafx_live.bench.mannequin.raster import barycentric
from pymafx_live.core.types import Floats

SKIN, SHIRT, TROUSERS, SHOES, SOLE, BELT, HAIR, LIPS, EYE, IRIS, PUPIL, LASH, JACKET, COVER, FRAME, THING = range(16)
MATERIALS = 16
"""COVER is what is on the head, FRAME glasses and headphones, THING what is carried."""

SLEEVE, HEM, NECKLINE, NAPE, STRENGTH, PATTERN, SIZE, OPEN, BEARD, HEADGEAR, HAIRLINE, THROAT, NOTCH = range(13)
CUTS = 13
"""The borders of garments and hair on the rest body, in metres.

Where the sleeves end (|x|), the trousers end (y) and the neckline sits (y at the throat); how far down the hair
reaches at the back (y); how strong the cloth's pattern is, which of `PATTERNS`, and its size; how far a jacket stands
open (|x|, 0: none); how far up a beard grows (0: none, 1: usual); which of `HEADGEARS` is worn; how much higher the
hair begins; how far to the side (|x|) the neckline reaches, and how deep it is notched.
"""
PATTERNS = CHECKS, HOOPS, STRIPES, PLAID, DOTS, PRINT = range(6)
HEADGEARS = BARE, CAP, SCARF = range(3)
WORN = 10.0
"""The y from which on points are no place of the body, but of what is worn on it: material m is at WORN + m + 1/2."""


@compiled
def _face(x, y):  # type: ignore[no-untyped-def]
    """The material of the front of the head at |x|, y."""
    across, above = (x - 0.0330) / 0.0130, (y - 0.4376) / 0.0062
    eye = across * across + above * above
    centre = (x - 0.0330) ** 2 + (y - 0.4378) ** 2
    brow = 0.4535 + 0.006 * np.sin((x - 0.012) * 60.0)
    mouth = 1.0 - (x / 0.0265) ** 2
    if eye < 1.0:
        if centre < 0.0024**2:
            return PUPIL
        return IRIS if centre < 0.0058**2 else EYE
    if eye < 1.5 and above > 0.25:
        return LASH
    if 0.013 < x < 0.052 and abs(y - brow) < 0.0035:
        return HAIR
    if mouth > 0.0 and 0.3662 - 0.0125 * mouth < y < 0.3662 + 0.0095 * mouth:
        return LASH if abs(y - 0.3662) < 0.0008 else LIPS
    return SKIN


@compiled
def _bearded(x, y, z, beard):  # type: ignore[no-untyped-def]
    """Whether a beard grows at |x|, y, z of the head: chin and jaw up to the ears, and the upper lip."""
    if x > 0.080 or z < 0.015 or y < 0.305:
        return False
    jaw = 0.340 + 0.020 * beard + max(x - 0.028, 0.0) * 1.1
    lip = x < 0.034 and 0.372 < y < 0.372 + 0.013 * min(beard, 1.0)
    return y < jaw or lip


@compiled
def material(x, y, z, cut):  # type: ignore[no-untyped-def]
    """The material at a point (x, y, z) of the rest body, by the garments' borders `cut` (CUTS,)."""
    if y > WORN:
        return int(y - WORN)
    x = abs(x)
    if y > 0.30 and x < 0.12:
        hairline = 0.386 + 0.845 * z + cut[HAIRLINE]
        behind = z < 0.035 and y > cut[NAPE]
        ear = x > 0.079 and 0.385 < y < 0.452 and z > -0.005
        if cut[HEADGEAR] == SCARF and (y > 0.386 + 0.845 * z or z < 0.060 or y < 0.322):
            return COVER
        if cut[HEADGEAR] == CAP and y > 0.470 and y > 0.386 + 0.845 * z - 0.012:
            return COVER
        if (y > hairline or behind) and not ear:
            return HAIR
        if z > 0.10:
            part = _face(x, y)
            if part == SKIN and cut[BEARD] > 0.0 and _bearded(x, y, z, cut[BEARD]):
                return HAIR
            return part
        if cut[BEARD] > 0.0 and _bearded(x, y, z, cut[BEARD]) and not ear:
            return HAIR
        return SKIN
    if x > cut[SLEEVE]:
        return SKIN
    notch = cut[NOTCH] * max(1.0 - x / 0.075, 0.0) if z > 0.0 else 0.0
    if y > cut[NECKLINE] + 0.30 * (0.075 - z) - notch and x < cut[THROAT]:
        return COVER if cut[HEADGEAR] == SCARF else SKIN
    if y > -0.235:
        inside = z > 0.0 and x < cut[OPEN] + 0.15 * max(y, 0.0)
        return SHIRT if cut[OPEN] == 0.0 or inside else JACKET
    if y > -0.262:
        return BELT
    if y > cut[HEM]:
        return TROUSERS
    if y > -1.165:
        return SKIN
    return SHOES if y > -1.2785 else SOLE


def folds(rest: Floats) -> Floats:
    """How the folds of loose cloth change the brightness (V,) at points of the rest body (V, 3)."""
    x, y, z = rest.T
    waves = np.sin(21 * y + 9 * np.sin(11 * x)) * np.sin(17 * x + 13 * z + 5 * np.sin(9 * y))
    return np.asarray(1 + 0.07 * waves, np.float32)


@compiled
def _pattern(x, y, z, kind, fold, cut):  # type: ignore[no-untyped-def]
    """The brightness of a material at a point: folds and patterns of cloth, strands of hair."""
    if kind in (SHIRT, TROUSERS) and (cut[PATTERN] == CHECKS or kind == TROUSERS):
        checks = (int(x * 160.0 + 320.0) + int(y * 160.0 + 320.0)) % 2
        strength = cut[STRENGTH] if cut[PATTERN] == CHECKS else 0.02
        return fold * (1.0 + strength * (2.0 * checks - 1.0))
    if kind == SHIRT:
        return fold * (1.0 + cut[STRENGTH] * _motif(x, y, z, cut[PATTERN], cut[SIZE]))
    if kind == HAIR:
        return 0.9 + 0.2 * (int(x * 230.0 + z * 20.0 + 460.0) % 2)
    if kind in (JACKET, COVER):
        return fold
    return 1.0


@compiled
def _motif(x, y, z, pattern, size):  # type: ignore[no-untyped-def]
    """The brightness of a printed or woven pattern, -1 to 1."""
    u, v = (x / size) % 1.0, (y / size) % 1.0
    if pattern == HOOPS:
        return 1.0 if v < 0.5 else -1.0
    if pattern == STRIPES:
        return 1.0 if u < 0.3 else -0.6
    if pattern == PLAID:
        return (0.5 if u < 0.35 else -0.4) + (0.5 if v < 0.35 else -0.4)
    if pattern == DOTS:
        return 1.0 if (u - 0.5) ** 2 + (v - 0.5) ** 2 < 0.08 else -0.3
    inside = z > 0.0 and abs(x) < 0.09 and abs(y - 0.06) < 0.07  # a print on the chest
    return np.sin(70.0 * x + 9.0 * np.sin(50.0 * y)) if inside else 0.0


@compiled
def paint(index, x_offset, y_offset, scale, screen, faces, rest, fold, light, palettes, cuts, warmth, layer):  # type: ignore[no-untyped-def]
    """Colour every visible pixel of P dressed people: `layer` (h, w, 4) becomes opaque BGRA.

    `rest` (V, 3) is the undressed rest mesh, `fold` (V,) its folds, `palettes` (P, MATERIALS, 3) and `cuts`
    (P, CUTS) the outfits. `light` (P, V, 3) holds the cosines between the normals and the directions to the lamp,
    to the sky and to the viewer; `warmth` (3,) is the lamp's BGR.
    """
    count = faces.shape[0]
    for row in range(index.shape[0]):
        y = (row + 0.5) / scale - 0.5 + y_offset
        for column in range(index.shape[1]):
            number = index[row, column]
            if number < 0:
                continue
            p = number // count
            a, b, c = faces[number % count]
            x = (column + 0.5) / scale - 0.5 + x_offset
            wa, wb, wc = barycentric(screen, p, a, b, c, x, y)
            rx = wa * rest[a, 0] + wb * rest[b, 0] + wc * rest[c, 0]
            ry = wa * rest[a, 1] + wb * rest[b, 1] + wc * rest[c, 1]
            rz = wa * rest[a, 2] + wb * rest[b, 2] + wc * rest[c, 2]
            lamp = max(wa * light[p, a, 0] + wb * light[p, b, 0] + wc * light[p, c, 0], 0.0)
            sky = wa * light[p, a, 1] + wb * light[p, b, 1] + wc * light[p, c, 1]
            viewer = wa * light[p, a, 2] + wb * light[p, b, 2] + wc * light[p, c, 2]
            kind = material(rx, ry, rz, cuts[p])
            tone = _pattern(rx, ry, rz, kind, wa * fold[a] + wb * fold[b] + wc * fold[c], cuts[p])
            ambient = 0.42 + 0.16 * sky + 0.12 * viewer
            gloss = 0.0
            if kind == SKIN or LIPS <= kind <= LASH or kind >= FRAME:
                fourth = lamp * lamp * lamp * lamp
                gloss = 26.0 * fourth * fourth * fourth
            for k in range(3):
                value = palettes[p, kind, k] * tone * (ambient + 0.58 * lamp * warmth[k]) + gloss
                layer[row, column, k] = np.uint8(min(max(value, 0.0), 255.0))
            layer[row, column, 3] = 255
