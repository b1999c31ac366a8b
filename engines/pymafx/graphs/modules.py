"""The network as three graphs that are compiled apart: hands, face and body, fed with bytes.

A live engine does not look at every hand and every face in every frame, and where a hand is not looked at its encoder
must not run. So the network is cut along its branches, each an encoder with its iterations, and the body's graph takes
what the other two found, now or in an earlier frame. Crops come as the camera's bytes: colour order, normalisation and
the left hand's mirror are part of the graphs.
"""

from pathlib import Path

import torch
from pymafx_live.engines.pymafx.files.prepare import load_network
from pymafx_live.engines.pymafx.network.branches import Estimate
from pymafx_live.engines.pymafx.network.model import Network
from pymafx_live.engines.pymafx.spec import DEVIATION, GRAPHS, MEAN, WEIGHTS
from pymafx_live.engines.runtime.torch_module import TorchRunner
from torch import Tensor, nn


class Normalise(nn.Module):
    """BGR bytes (B, 224, 224, 3) to ImageNet-normalised RGB (B, 3, 224, 224) in float32."""

    scale: Tensor
    offset: Tensor
    rgb: Tensor

    def __init__(self) -> None:
        super().__init__()
        mean, deviation = torch.from_numpy(MEAN), torch.from_numpy(DEVIATION)
        self.register_buffer("scale", (1 / (255 * deviation))[:, None, None], persistent=False)
        self.register_buffer("offset", (-mean / deviation)[:, None, None], persistent=False)
        self.register_buffer("rgb", torch.tensor([2, 1, 0]), persistent=False)

    def forward(self, crops: Tensor) -> Tensor:
        """See the class."""
        # floats first: TensorRT can do nothing with bytes but cast them
        planes = crops.float().permute(0, 3, 1, 2).index_select(1, self.rgb)
        return planes * self.scale + self.offset


class HandsGraph(nn.Module):
    """Crops of hands, of either side, to each one's last state and its votes on which hands are visible."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.normalise, self.hand = Normalise(), network.hand

    def forward(self, crops: Tensor, is_left: Tensor) -> dict[str, Tensor]:
        """Bytes (M, 224, 224, 3), sides (M,) to `hand_state` (M, 109; lefts mirrored) and `hand_votes` (M, 4)."""
        planes = self.normalise(crops)
        planes = torch.where(is_left[:, None, None, None], planes.flip(-1), planes)
        estimate = self.hand.iterate(self.hand.encode(planes))
        return {"hand_state": estimate.states[:, -1], "hand_votes": estimate.beside[:, -1]}


class FaceGraph(nn.Module):
    """Crops of faces to jaw and eyes of every iteration, which the body's own iterations need, and the expression."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.normalise, self.face = Normalise(), network.face

    def forward(self, crops: Tensor) -> dict[str, Tensor]:
        """Bytes (M, 224, 224, 3) to `face_poses` (M, 4, 18: 6D jaw, left eye, right eye) and `pred_exp` (M, 50)."""
        estimate = self.face.iterate(self.face.encode(self.normalise(crops)))
        return {"face_poses": self.face.split(estimate.states)[0], "pred_exp": estimate.beside[:, -1]}


class BodyGraph(nn.Module):
    """Crops of bodies, and what the other graphs found of the same people, to SMPL-X parameters."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.normalise, self.network = Normalise(), network

    def forward(
        self, crops: Tensor, face_poses: Tensor, hand_state: Tensor, hand_votes: Tensor, visibility: Tensor
    ) -> dict[str, Tensor]:
        """Bytes (B, 224, 224, 3); `visibility` (B, 2) in 0..1, or below 0 where the network shall decide.

        Returns what `Network.join` does, but for the expression.
        """
        body = self.network.body.iterate(self.network.body.encode(self.normalise(crops)), face_poses)
        hands = Estimate(_rights_then_lefts(hand_state)[:, None], _rights_then_lefts(hand_votes)[:, None])
        return self.network.join_poses(body, hands, face_poses[:, -1], visibility)


def _rights_then_lefts(hands: Tensor) -> Tensor:
    """(B, 2: left, right, ...) to (2 B, ...), as `Network` holds a batch of hands."""
    return torch.cat([hands[:, 1], hands[:, 0]])


def graph_modules(network: Network) -> dict[str, nn.Module]:
    """The modules of `GRAPHS`, sharing the network's weights."""
    return {"hands": HandsGraph(network), "face": FaceGraph(network), "body": BodyGraph(network)}


def halve_encoders(network: Network) -> Network:
    """The same network, of float32, with its encoders in half: the precision `wide`."""
    for branch in (network.body, network.hand, network.face):
        branch.encoder.half()
    return network


def load_modules(folder: Path, precision: str) -> dict[str, nn.Module]:
    """The modules of an asset folder in one of `PRECISIONS`' values; raises what `load_network` does."""
    network = load_network(folder, WEIGHTS.get(precision, WEIGHTS["fp32"]))
    return graph_modules(halve_encoders(network) if precision == "wide" else network)


def torch_runners(network: Network, device: str = "cpu", threads: int = 0) -> dict[str, TorchRunner]:
    """The network's graphs in PyTorch as they are; `threads` as in `TorchRunner`."""
    modules = graph_modules(network)
    return {
        name: TorchRunner(modules[name], spec.inputs, spec.outputs, device, threads) for name, spec in GRAPHS.items()
    }
