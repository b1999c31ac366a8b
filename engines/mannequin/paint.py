"""What a dressed mannequin looks like: the material of each point of its surface, and the compiled shading.

A point is known by its place on the rest body (T-pose, metres), so that borders are sharp at every distance and
need no texture. The numbers are measured on the embedded body's mesh.
"""

import numpy as np
from numba import njit
from pymafx_live.engines.body.raster import barycentric
from pymafx_live.pipeline.types import Floats

SKIN, SHIRT, TROUSERS, SHOES, SOLE, BELT, HAIR, LIPS, EYE, IRIS, PUPIL, LASH = range(12)
MATERIALS = 12


@njit(cache=True, nogil=True, error_model="numpy")
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


@njit(cache=True, nogil=True, error_model="numpy")
def material(x, y, z, cut):  # type: ignore[no-untyped-def]
    """The material at a point (x, y, z) of the rest body, by the garments' borders `cut` (5,)."""
    x = abs(x)
    if y > 0.30 and x < 0.12:
        hairline = 0.386 + 0.845 * z
        behind = z < 0.035 and y > cut[3]
        ear = x > 0.079 and 0.385 < y < 0.452 and z > -0.005
        if (y > hairline or behind) and not ear:
            return HAIR
        if z > 0.10:
            return _face(x, y)
        return SKIN
    if x > cut[0]:
        return SKIN
    if y > cut[2] + 0.30 * (0.075 - z):
        return SKIN
    if y > -0.235:
        return SHIRT
    if y > -0.262:
        return BELT
    if y > cut[1]:
        return TROUSERS
    if y > -1.165:
        return SKIN
    return SHOES if y > -1.2785 else SOLE


def folds(rest: Floats) -> Floats:
    """How the folds of loose cloth change the brightness (V,) at points of the rest body (V, 3)."""
    x, y, z = rest.T
    waves = np.sin(21 * y + 9 * np.sin(11 * x)) * np.sin(17 * x + 13 * z + 5 * np.sin(9 * y))
    return np.asarray(1 + 0.07 * waves, np.float32)


@njit(cache=True, nogil=True, error_model="numpy")
def _pattern(x, y, z, kind, fold, strength):  # type: ignore[no-untyped-def]
    """The brightness of a material at a point: folds and checks of cloth, strands of hair."""
    if kind in (SHIRT, TROUSERS):
        checks = (int(x * 160.0 + 320.0) + int(y * 160.0 + 320.0)) % 2
        return fold * (1.0 + strength * (2.0 * checks - 1.0))
    if kind == HAIR:
        return 0.9 + 0.2 * (int(x * 230.0 + z * 20.0 + 460.0) % 2)
    return 1.0


@njit(cache=True, nogil=True, error_model="numpy")
def paint(index, x_offset, y_offset, scale, screen, faces, rest, fold, light, palettes, cuts, warmth, layer):  # type: ignore[no-untyped-def]
    """Colour every visible pixel of P dressed people: `layer` (h, w, 4) becomes opaque BGRA.

    `rest` (V, 3) is the undressed rest mesh, `fold` (V,) its folds, `palettes` (P, 12, 3) and `cuts` (P, 5)
    the outfits. `light` (P, V, 3) holds the cosines between the normals and the directions to the lamp, to the
    sky and to the viewer; `warmth` (3,) is the lamp's BGR.
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
            tone = _pattern(rx, ry, rz, kind, wa * fold[a] + wb * fold[b] + wc * fold[c], cuts[p, 4])
            ambient = 0.42 + 0.16 * sky + 0.12 * viewer
            gloss = 0.0
            if kind == SKIN or kind >= LIPS:
                fourth = lamp * lamp * lamp * lamp
                gloss = 26.0 * fourth * fourth * fourth
            for k in range(3):
                value = palettes[p, kind, k] * tone * (ambient + 0.58 * lamp * warmth[k]) + gloss
                layer[row, column, k] = np.uint8(min(max(value, 0.0), 255.0))
            layer[row, column, 3] = 255
