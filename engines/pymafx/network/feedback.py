"""Mesh-aligned feedback: a feature map, read where the mesh of the last estimate projects, becomes a regressor's input.

Points are (x, y) in [-1, 1] over the crop. Tokens are (B, N, C), one per point.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

CROP_SIZE = 224
FOCAL = 5000.0
"""The focal length, in pixels of the crop, of the camera that every prediction means."""
GRID = 21
REDUCED = 5


def project(points: Tensor, camera: Tensor) -> Tensor:
    """Points (B, N, 3) in metres seen by weak-perspective cameras (B, 3: s, tx, ty), as (B, N, 2) in [-1, 1]."""
    s, tx, ty = camera.unbind(1)
    depth = 2 * FOCAL / (CROP_SIZE * s + 1e-9)
    moved = points + torch.stack([tx, ty, depth], 1)[:, None]
    return moved[..., :2] / moved[..., 2:] * (2 * FOCAL / CROP_SIZE)


def part_camera(camera: Tensor) -> Tensor:
    """A hand's or face's own camera (B, 3), in the ten times larger unit that its mesh is seen with."""
    return camera * camera.new_tensor([10.0, 0.1, 0.1])


def sample(feature: Tensor, points: Tensor) -> Tensor:
    """A map (B, C, H, W) read bilinearly at points (B, N, 2), zero outside: tokens (B, N, C)."""
    return F.grid_sample(feature, points[:, :, None], align_corners=False).squeeze(3).mT


class GridFeatures(nn.Module):
    """Iteration 0: the map at a fixed grid, reduced to five numbers a point.

    All layers see the map itself, and reading it is linear, so the layers' shares of the map are computed on
    its 196 pixels, in one convolution, before the 441 points are read.
    """

    grid: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("grid", torch.empty(GRID * GRID, 2))
        self.widths = (128, 64, REDUCED)
        self.shares = nn.Conv2d(channels, sum(self.widths), 1, bias=False)
        self.bias0 = nn.Parameter(torch.empty(128))
        self.layer1 = nn.Linear(128, 64)
        self.layer2 = nn.Linear(64, REDUCED)

    def forward(self, feature: Tensor, points: Tensor | None = None) -> Tensor:
        """A map (B, C, 14, 14) to features (B, 441 * 5), point by point. `points` plays no part."""
        dtype = self.shares.weight.dtype
        shares = self.shares(feature.to(dtype)).float()
        tokens = sample(shares, self.grid.expand(feature.shape[0], -1, -1)).to(dtype)
        first, second, third = tokens.split(self.widths, 2)
        x = F.leaky_relu(first + self.bias0)
        x = F.leaky_relu(self.layer1(x) + second)
        return (self.layer2(x) + third).relu().flatten(1).float()


class WideLayerNorm(nn.LayerNorm):
    """A layer norm in float32 whatever its input and weights: the epsilon and the variance are too small for half."""

    def forward(self, x: Tensor) -> Tensor:
        """(..., C) to the same, in the input's precision."""
        return F.layer_norm(x.float(), self.normalized_shape, self.weight.float(), self.bias.float(), self.eps).to(
            x.dtype
        )


class MeshFeatures(nn.Module):
    """Iterations 1 and 2: the map at the grid and at the mesh, mixed by one attention layer, reduced to five numbers.

    The attention has a single head, so that its output layer is composed with its values.
    """

    WIDTH = 64
    grid: Tensor

    def __init__(self, channels: int, mesh_points: int) -> None:
        super().__init__()
        tokens = GRID * GRID + mesh_points
        self.register_buffer("grid", torch.empty(GRID * GRID, 2))
        self.embed = nn.Linear(channels, self.WIDTH, bias=False)
        self.position = nn.Parameter(torch.empty(tokens, self.WIDTH))
        self.query_key_value = nn.Linear(self.WIDTH, 3 * self.WIDTH)
        self.norm1 = WideLayerNorm(self.WIDTH, eps=1e-12)
        self.widen = nn.Linear(self.WIDTH, 2 * self.WIDTH)
        self.narrow = nn.Linear(2 * self.WIDTH, self.WIDTH)
        self.norm2 = WideLayerNorm(self.WIDTH, eps=1e-12)
        self.reduce = nn.Linear(self.WIDTH, REDUCED)

    def forward(self, feature: Tensor, points: Tensor) -> Tensor:
        """A map (B, C, H, W) and mesh points (B, N, 2) to features (B, (441 + N) * 5), point by point."""
        where = torch.cat([self.grid.expand(points.shape[0], -1, -1), points], 1)
        x = self.embed(sample(feature.float(), where).to(self.embed.weight.dtype)) + self.position
        # the one head has an axis of its own, without which the exporter to ONNX knows no attention
        query, key, value = self.query_key_value(x)[:, None].split(self.WIDTH, 3)
        x = self.norm1(x + F.scaled_dot_product_attention(query, key, value).squeeze(1))
        x = self.norm2(x + self.narrow(F.gelu(self.widen(x))))
        return self.reduce(x).relu().flatten(1).float()
