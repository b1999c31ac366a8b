"""The compiled renderer of the rendered people: who is seen in each pixel, several times finer than the image.

The z-buffer stores for each pixel the inverse depth (0 where nothing is) and the number of the triangle seen
there; colours are computed afterwards, once per visible pixel ("deferred shading", Deering et al. 1988). The compiled
functions release the GIL and write into arrays that the caller owns. P people share V vertices' topology and
F triangles; triangle f of person p has the number p F + f.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pymafx_live.bench.mannequin.compiled import compiled
from pymafx_live.core.types import Camera, Floats
from pymafx_live.engines.body.render import project, window


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """What of P meshes (V vertices, F triangles each) is seen in a window of the image.

    `depth` and `index` (h, w) hold 1 / Z in 1/m (0 where nothing is) and the number p F + f of the triangle
    (-1), for the window whose top left pixel is `corner` (x, y) of the image and which is `scale` times finer.
    `screen` (P, V, 3) holds x, y in image pixels and 1 / Z.
    """

    corner: tuple[int, int]
    scale: int
    screen: Floats
    depth: Floats
    index: NDArray[np.int32]

    def window(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The part of `image` that this view covers; writing to it writes to the image."""
        (x, y), (h, w) = self.corner, self.depth.shape
        return image[y : y + h // self.scale, x : x + w // self.scale]


def view(vertices: Floats, faces: NDArray[np.int32], camera: Camera, scale: int = 1) -> View:
    """Find what is seen of the meshes `vertices` (P, V, 3), in metres in the camera's frame.

    Triangles that face away, or that `project` cannot place, are not drawn.
    """
    screen = project(vertices, camera)
    x0, y0, width, height = window(screen, (camera.width, camera.height))
    depth = np.zeros((height * scale, width * scale), np.float32)
    index = np.full(depth.shape, -1, np.int32)
    rasterise(screen, faces, x0, y0, scale, depth, index)
    return View((x0, y0), scale, screen, depth, index)


@compiled
def rasterise(screen, faces, x_offset, y_offset, scale, depth, index):  # type: ignore[no-untyped-def]
    """Draw all triangles that face the camera into `depth` and `index` (h, w), a window of the image.

    Pixel (0, 0) of the window is pixel (x_offset, y_offset) of the image; it is `scale` times finer. Pixels
    are sampled at their centres. A row's span comes from the three edge functions (Pineda 1988), so that a
    large triangle costs no more than the pixels it covers.
    """
    h, w = depth.shape
    x = np.empty(3, np.float64)
    y = np.empty(3, np.float64)
    z = np.empty(3, np.float64)
    edge_x = np.empty(3, np.float64)
    edge_y = np.empty(3, np.float64)
    edge_1 = np.empty(3, np.float64)
    for p in range(screen.shape[0]):
        for f in range(faces.shape[0]):
            for k in range(3):
                v = faces[f, k]
                x[k] = (screen[p, v, 0] - x_offset + 0.5) * scale - 0.5
                y[k] = (screen[p, v, 1] - y_offset + 0.5) * scale - 0.5
                z[k] = screen[p, v, 2]
            if z[0] <= 0.0 or z[1] <= 0.0 or z[2] <= 0.0:
                continue
            area = (x[1] - x[0]) * (y[2] - y[0]) - (x[2] - x[0]) * (y[1] - y[0])
            if not area < 0.0:  # seen from behind (y points down), or degenerate
                continue
            left, right = max(min(x[0], x[1], x[2]), 0.0), min(max(x[0], x[1], x[2]), w - 1.0)
            top, bottom = max(min(y[0], y[1], y[2]), 0.0), min(max(y[0], y[1], y[2]), h - 1.0)
            if left > right or top > bottom:
                continue
            z_x = z_y = z_1 = 0.0
            for k in range(3):  # edge k lies opposite to vertex k; its function is positive inside
                a, b = (k + 1) % 3, (k + 2) % 3
                edge_x[k] = (y[b] - y[a]) * -1.0
                edge_y[k] = x[b] - x[a]
                edge_1[k] = x[a] * y[b] - x[b] * y[a]
                z_x += z[k] * edge_x[k] / area
                z_y += z[k] * edge_y[k] / area
                z_1 += z[k] * edge_1[k] / area
            for row in range(int(np.ceil(top)), int(np.floor(bottom)) + 1):
                first, last = left, right
                for k in range(3):
                    value = edge_y[k] * row + edge_1[k]  # inside where edge_x x + value <= 0
                    if edge_x[k] < 0.0:
                        first = max(first, value / -edge_x[k])
                    elif edge_x[k] > 0.0:
                        last = min(last, -value / edge_x[k])
                    elif value > 0.0:
                        last = -1.0
                for column in range(int(np.ceil(first)), int(np.floor(last)) + 1):
                    inverse = np.float32(z_x * column + z_y * row + z_1)
                    if inverse > depth[row, column]:
                        depth[row, column] = inverse
                        index[row, column] = p * faces.shape[0] + f


@compiled
def barycentric(screen, p, a, b, c, x, y):  # type: ignore[no-untyped-def]
    """Perspective-correct weights of the vertices a, b, c of person p at the image point (x, y)."""
    ax, ay = screen[p, a, 0], screen[p, a, 1]
    bx, by = screen[p, b, 0], screen[p, b, 1]
    qx, qy = screen[p, c, 0], screen[p, c, 1]
    wa = ((bx - x) * (qy - y) - (qx - x) * (by - y)) * screen[p, a, 2]
    wb = ((qx - x) * (ay - y) - (ax - x) * (qy - y)) * screen[p, b, 2]
    wc = ((ax - x) * (by - y) - (bx - x) * (ay - y)) * screen[p, c, 2]
    scale = 1.0 / (wa + wb + wc)
    return wa * scale, wb * scale, wc * scale
