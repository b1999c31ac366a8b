"""The compiled inner loops of the renderer: projection, vertex normals, a z-buffer of triangles, shading.

The z-buffer stores for each pixel the inverse depth (0 where nothing is) and the number of the triangle seen
there; colours are computed afterwards, once per visible pixel ("deferred shading", Deering et al. 1988). All
functions release the GIL and write into arrays that the caller owns. P people share V vertices' topology and
F triangles; triangle f of person p has the number p F + f.
"""

import numpy as np
from numba import njit

NEAR = 0.1
"""Metres. What is nearer to the camera, or behind it, is not drawn."""
FAR_OUT = 1e9
"""Pixels. What is projected further away, or is not a number, is not drawn."""


@njit(cache=True, nogil=True, error_model="numpy")
def project(vertices, fx, fy, cx, cy, screen):  # type: ignore[no-untyped-def]
    """Screen points (P, V, 3) as x, y in pixels and 1 / Z; all 0 for points that cannot be drawn."""
    for p in range(vertices.shape[0]):
        for v in range(vertices.shape[1]):
            screen[p, v, 0] = screen[p, v, 1] = screen[p, v, 2] = 0.0
            if vertices[p, v, 2] > NEAR:
                inverse = np.float32(1.0) / vertices[p, v, 2]
                x = fx * vertices[p, v, 0] * inverse + cx
                y = fy * vertices[p, v, 1] * inverse + cy
                if abs(x) < FAR_OUT and abs(y) < FAR_OUT:
                    screen[p, v, 0], screen[p, v, 1], screen[p, v, 2] = x, y, inverse


@njit(cache=True, nogil=True, error_model="numpy")
def vertex_normals(vertices, faces, normals):  # type: ignore[no-untyped-def]
    """Unit normals (P, V, 3): the sum of the adjacent triangles' normals, weighted by their areas."""
    normals[:] = 0.0
    for p in range(vertices.shape[0]):
        x, n = vertices[p], normals[p]
        for f in range(faces.shape[0]):
            a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
            ux, uy, uz = x[b, 0] - x[a, 0], x[b, 1] - x[a, 1], x[b, 2] - x[a, 2]
            wx, wy, wz = x[c, 0] - x[a, 0], x[c, 1] - x[a, 1], x[c, 2] - x[a, 2]
            nx, ny, nz = uy * wz - uz * wy, uz * wx - ux * wz, ux * wy - uy * wx
            for k in (a, b, c):
                n[k, 0] += nx
                n[k, 1] += ny
                n[k, 2] += nz
        for v in range(n.shape[0]):
            scale = 1.0 / np.sqrt(n[v, 0] ** 2 + n[v, 1] ** 2 + n[v, 2] ** 2 + 1e-20)
            n[v, 0] *= scale
            n[v, 1] *= scale
            n[v, 2] *= scale


@njit(cache=True, nogil=True, error_model="numpy")
def bounds(screen, width, height):  # type: ignore[no-untyped-def]
    """The part of the image that visible points cover: x0, y0, x1, y1 in whole pixels, ends exclusive."""
    x0, y0, x1, y1 = 1e9, 1e9, -1e9, -1e9
    for p in range(screen.shape[0]):
        for v in range(screen.shape[1]):
            if screen[p, v, 2] > 0.0:
                x0, x1 = min(x0, screen[p, v, 0]), max(x1, screen[p, v, 0])
                y0, y1 = min(y0, screen[p, v, 1]), max(y1, screen[p, v, 1])
    left, top = int(max(np.floor(x0), 0.0)), int(max(np.floor(y0), 0.0))
    right, bottom = int(min(np.ceil(x1) + 1.0, width)), int(min(np.ceil(y1) + 1.0, height))
    return min(left, width), min(top, height), max(right, 0), max(bottom, 0)


@njit(cache=True, nogil=True, error_model="numpy")
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


@njit(cache=True, nogil=True, error_model="numpy")
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


@njit(cache=True, nogil=True, error_model="numpy")
def shade(index, x_offset, y_offset, scale, screen, faces, normals, colours, opacity, light, ambient, layer):  # type: ignore[no-untyped-def]
    """Light every visible pixel: `layer` (h, w, 4) becomes premultiplied BGRA, uint8.

    `colours` is (P, 1 or V, 3) BGR in 0..255, `opacity` (P,) in 0..1; brightness is `ambient` + the rest
    times the cosine between the normal and `light` (3,), the unit vector towards the light (Lambert 1760).
    """
    count = faces.shape[0]
    last = colours.shape[1] - 1
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
            cosine = 0.0
            for k in range(3):
                cosine += light[k] * (wa * normals[p, a, k] + wb * normals[p, b, k] + wc * normals[p, c, k])
            brightness = opacity[p] * (ambient + (1.0 - ambient) * max(cosine, 0.0))
            for k in range(3):
                colour = (
                    wa * colours[p, min(a, last), k]
                    + wb * colours[p, min(b, last), k]
                    + wc * colours[p, min(c, last), k]
                )
                layer[row, column, k] = np.uint8(min(max(brightness * colour, 0.0), 255.0))
            layer[row, column, 3] = np.uint8(255.0 * opacity[p])


@njit(cache=True, nogil=True, error_model="numpy")
def blend(image, layer):  # type: ignore[no-untyped-def]
    """Lay a premultiplied BGRA `layer` (h, w, 4) over `image` (h, w, 3), in place."""
    for row in range(layer.shape[0]):
        for column in range(layer.shape[1]):
            alpha = int(layer[row, column, 3])
            if alpha == 0:
                continue
            for k in range(3):
                under = (int(image[row, column, k]) * (255 - alpha) + 127) // 255
                image[row, column, k] = min(int(layer[row, column, k]) + under, 255)
