"""The checkpoint's learned state, composed into the fast network's: fewer layers, the same function.

- A batch norm at inference is a scale and a shift per channel, so it folds into the convolution before it.
- Between the reduced features and a branch's corrections there is no activation: `att_feat_reduce`, `fc1`, `fc2`,
  `fc3`, the decoders and the visibility head are one affine map per part and iteration: of 79.6 M parameters 4.8 M
  are left.
- The attention's output layer follows a single head, so it composes with the values.
Everything is composed in float64.
"""

from collections.abc import Iterator, Mapping

import torch
from pymafx_live.engines.pymafx.network.branches import ITERATIONS, BodyBranch, FaceBranch, HandBranch
from pymafx_live.engines.pymafx.network.feedback import GRID, REDUCED
from torch import Tensor

State = Mapping[str, Tensor]
PARTS = ("body", "hand", "face")
CAMERA_CONSTANTS = (0.8, 0.3, 0.5, 0.5)
"""What the body's regressor is fed for the camera of the whole image, which this mode does not use."""


def composed_state(learned: State, starts: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The fast network's parameters in float32, but for its meshes.

    `learned` is the checkpoint without its `asset` copies, `starts` the state (S,) that each part begins with.
    """
    w = _Doubles(learned)
    out: dict[str, Tensor] = {}
    for part in PARTS:
        encoder = {
            k.removeprefix(f"encoders.{part}."): v for k, v in learned.items() if k.startswith(f"encoders.{part}.")
        }
        out |= {f"{part}.encoder.{k}": v for k, v in fold_batch_norms(encoder).items()}
        out[f"{part}.start"] = starts[part]
        out |= {f"{part}.features.0.{k}": v for k, v in _grid_features(w, part).items()}
        for i in (1, 2):
            out |= {f"{part}.features.{i}.{k}": v for k, v in _mesh_features(w, part, i).items()}
    updates = {
        "body": (_body_update, BodyBranch),
        "hand": (_hand_update, HandBranch),
        "face": (_face_update, FaceBranch),
    }
    for part, (update, branch) in updates.items():
        for i in range(ITERATIONS):
            affine = update(w, i)
            out[f"{part}.regressors.{i}.affine.weight"] = _token_major(affine.weight, sum(branch.STATE.values()))
            out[f"{part}.regressors.{i}.affine.bias"] = affine.bias
    return {k: v.float() for k, v in out.items()}


class _Doubles(Mapping[str, Tensor]):
    """A state in float64, converted as it is asked for: all of it at once would be a gigabyte."""

    def __init__(self, state: State) -> None:
        self.state = state

    def __getitem__(self, key: str) -> Tensor:
        return self.state[key].double()

    def __iter__(self) -> Iterator[str]:
        return iter(self.state)

    def __len__(self) -> int:
        return len(self.state)


def fold_batch_norms(state: State) -> dict[str, Tensor]:
    """An encoder's state with every batch norm folded into its convolution; unused fusions are left out."""
    out: dict[str, Tensor] = {}
    for key in state:
        if not key.endswith(".running_mean") or key.startswith("stage4.2.fuse_layers.3."):
            continue
        norm = key.removesuffix(".running_mean")
        conv = _convolution_before(norm)
        mean, variance, gamma, beta = (
            state[f"{norm}.{k}"].double() for k in ("running_mean", "running_var", "weight", "bias")
        )
        scale = gamma / (variance + 1e-5).sqrt()
        kernel = state[f"{conv}.weight"].double()
        channels = (1, -1, 1, 1) if "deconv_layers" in conv else (-1, 1, 1, 1)
        out[f"{conv}.weight"] = (kernel * scale.view(channels)).float()
        out[f"{conv}.bias"] = (beta - mean * scale).float()
    return out


def _convolution_before(norm: str) -> str:
    """`bn2` follows `conv2`; in a sequence, a norm follows the layer of the number before its own."""
    parent, _, leaf = norm.rpartition(".")
    if leaf.startswith("bn"):
        return norm.removesuffix(leaf) + leaf.replace("bn", "conv")
    return f"{parent}.{int(leaf) - 1}"


def grid_points() -> Tensor:
    """The 441 points (441, 2) of a 21 x 21 grid over [-1, 1]; x is the slow index."""
    line = torch.linspace(-1, 1, GRID, dtype=torch.float64)
    return torch.stack(torch.meshgrid(line, line, indexing="ij"), -1).reshape(-1, 2)


def _grid_features(w: State, part: str) -> dict[str, Tensor]:
    """Three 1 x 1 layers, the last two fed their predecessor's output and the map itself."""
    key = f"maf_extractor.{part}.0.conv"
    first, second, third = (w[f"{key}{k}.weight"][..., 0] for k in range(3))
    shares = torch.cat([first, second[:, len(first) :], third[:, len(second) :]])
    return {
        "grid": grid_points(),
        "shares.weight": shares[..., None, None],
        "bias0": w[f"{key}0.bias"],
        "layer1.weight": second[:, : len(first)],
        "layer1.bias": w[f"{key}1.bias"],
        "layer2.weight": third[:, : len(second)],
        "layer2.bias": w[f"{key}2.bias"],
    }


def _mesh_features(w: State, part: str, i: int) -> dict[str, Tensor]:
    """The attention block and its one reduction layer."""
    root = f"align_attention.{part}.{i - 1}"
    layer = f"{root}.encoder.layer.0"
    attention = f"{layer}.attention"
    query, key, value, dense = (
        Affine(w[f"{attention}.{k}.weight"], w[f"{attention}.{k}.bias"])
        for k in ("self.query", "self.key", "self.value", "output.dense")
    )
    mixed = Affine.stack(query, key, dense.after(value))
    tokens = GRID * GRID + mesh_points(w, part)
    reduce = f"maf_extractor.{part}.{i}.conv0"
    return {
        "grid": grid_points(),
        "embed.weight": w[f"{root}.img_embedding.weight"],
        "position": w[f"{root}.position_embeddings.weight"][:tokens] + w[f"{root}.img_embedding.bias"],
        "query_key_value.weight": mixed.weight,
        "query_key_value.bias": mixed.bias,
        "norm1.weight": w[f"{attention}.output.LayerNorm.weight"],
        "norm1.bias": w[f"{attention}.output.LayerNorm.bias"],
        "widen.weight": w[f"{layer}.intermediate.dense.weight"],
        "widen.bias": w[f"{layer}.intermediate.dense.bias"],
        "narrow.weight": w[f"{layer}.output.dense.weight"],
        "narrow.bias": w[f"{layer}.output.dense.bias"],
        "norm2.weight": w[f"{layer}.output.LayerNorm.weight"],
        "norm2.bias": w[f"{layer}.output.LayerNorm.bias"],
        "reduce.weight": w[f"{reduce}.weight"][..., 0],
        "reduce.bias": w[f"{reduce}.bias"],
    }


def mesh_points(learned: State, part: str) -> int:
    """How many mesh points a part's checkpoint was trained with."""
    return int(learned[f"att_feat_reduce.{part}.0.weight"].shape[1]) // REDUCED - GRID * GRID


class Affine:
    """x -> weight x + bias, with weight (outputs, inputs)."""

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        self.weight, self.bias = weight, bias

    def after(self, first: "Affine") -> "Affine":
        """This map of the other one's result."""
        return Affine(self.weight @ first.weight, self.weight @ first.bias + self.bias)

    def columns(self, start: int, stop: int) -> Tensor:
        """The weights of some of the inputs."""
        return self.weight[:, start:stop]

    @staticmethod
    def stack(*maps: "Affine") -> "Affine":
        """Several maps of the same input, one below the other."""
        return Affine(torch.cat([m.weight for m in maps]), torch.cat([m.bias for m in maps]))


def _layer(w: State, name: str) -> Affine:
    return Affine(w[f"{name}.weight"], w[f"{name}.bias"])


def _raw_features(w: State, part: str, i: int, update: Affine) -> Affine:
    """The same map of a longer input, where the features come first: before `att_feat_reduce` instead of after."""
    if i == 0:
        return update
    reduce = _layer(w, f"att_feat_reduce.{part}.{i - 1}")
    features, rest = update.weight.split([len(reduce.bias), update.weight.shape[1] - len(reduce.bias)], 1)
    return Affine(torch.cat([features @ reduce.weight, rest], 1), update.bias + features @ reduce.bias)


def _fix_last(update: Affine, values: Tensor) -> Affine:
    """The map with its last inputs held at `values`."""
    kept = update.weight.shape[1] - len(values)
    return Affine(update.weight[:, :kept], update.bias + update.weight[:, kept:] @ values)


def _token_major(weight: Tensor, state: int) -> Tensor:
    """Columns of features from channel by channel to point by point; the `state` columns stay behind them."""
    features, rest = weight.split([weight.shape[1] - state, state], 1)
    return torch.cat([features.unflatten(1, (REDUCED, -1)).mT.flatten(1), rest], 1)


def _visibility(w: State, i: int) -> Affine:
    """(x of the body, z of the left hand, z of the right hand), 1024 numbers each, to (left, right)."""
    key = f"regressor.{i}"
    return _layer(w, f"{key}.decvis").after(_layer(w, f"{key}.fc2_vis")).after(_layer(w, f"{key}.fc1_vis"))


def _body_update(w: State, i: int) -> Affine:
    """(features, pose, shape, camera) to their increments and, in the last iteration, a share of the visibility."""
    key = f"regressor.{i}"
    heads = [_layer(w, f"{key}.dec{name}") for name in BodyBranch.STATE]
    if i == ITERATIONS - 1:
        visibility = _visibility(w, i)
        heads.append(Affine(visibility.columns(0, 1024), visibility.bias))
    hidden = _layer(w, f"{key}.fc2").after(_layer(w, f"{key}.fc1"))
    update = Affine.stack(*heads).after(hidden)
    update = _fix_last(update, torch.tensor(CAMERA_CONSTANTS, dtype=torch.float64))
    return _raw_features(w, "body", i, update)


def _part_hidden(w: State, i: int, part: str, first: Affine, carried: int) -> tuple[Affine, Affine]:
    """A part's hidden layers y and z as maps of (features, pose, `carried` numbers), of which y sees the first two."""
    key = f"regressor.{i}"
    y = _layer(w, f"{key}.fc2_{part}").after(first)
    y = Affine(torch.cat([y.weight, y.weight.new_zeros(len(y.bias), carried)], 1), y.bias)
    third = _layer(w, f"{key}.fc3_{part}")
    of_y, of_rest = third.weight.split([third.weight.shape[1] - carried, carried], 1)
    z = Affine(of_y, third.bias).after(y)
    z.weight[:, -carried:] += of_rest
    return y, z


def _hand_update(w: State, i: int) -> Affine:
    """(features, pose, shape, orientation, camera) to increments and, last, what either hand's visibility gets."""
    key = f"regressor.{i}"
    y, z = _part_hidden(w, i, "hand", _layer(w, f"{key}.fc1_hand"), carried=10 + 6 + 3)
    names = [name for name in HandBranch.STATE if name != "pose"]
    maps = [_layer(w, f"{key}.decrhand").after(y)]
    maps += [_layer(w, f"{key}.dec{name}_rhand").after(z) for name in names]
    if i == ITERATIONS - 1:
        visibility = _visibility(w, i)
        none = torch.zeros_like(visibility.bias)
        maps += [Affine(visibility.columns(k, k + 1024), none).after(z) for k in (1024, 2048)]
    return _raw_features(w, "hand", i, Affine.stack(*maps))


def _face_update(w: State, i: int) -> Affine:
    """(features, jaw and eyes, shape, orientation, camera) to increments, and the expression itself.

    The original sees the expression too, always the one it starts with, which is zero: its columns go.
    """
    key = f"regressor.{i}"
    first = _layer(w, f"{key}.fc1_face")
    without = Affine(first.weight[:, :-50], first.bias)
    y, z = _part_hidden(w, i, "face", without, carried=100 + 6 + 3)
    names = [name for name in FaceBranch.STATE if name != "pose"]
    maps = [_layer(w, f"{key}.dechead").after(y)]
    maps += [_layer(w, f"{key}.dec{name}_face").after(z) for name in names]
    maps.append(_layer(w, f"{key}.decexp").after(y))
    return _raw_features(w, "face", i, Affine.stack(*maps))
