"""A figure as messages of the Virtual Motion Capture protocol V3.1: https://protocol.vmc.info/english."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pymafx_live.core import quaternions
from pymafx_live.pipeline.avatars import osc
from pymafx_live.pipeline.avatars.face import names_and_values
from pymafx_live.pipeline.avatars.figure import Figure
from pymafx_live.pipeline.avatars.humanoid import PARTS, own_rig, unity_places, unity_turns
from pymafx_live.pipeline.avatars.vrm import Avatar

_CALIBRATED, _NORMAL = 3, 0
_ROOT = osc.message("/VMC/Ext/Root/Pos", "root", 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0)
"""The model stays where it is, and its hips move."""
_APPLY = osc.message("/VMC/Ext/Blend/Apply")
_ALL = frozenset(PARTS)


@dataclass(frozen=True, slots=True)
class Status:
    """What `/VMC/Ext/OK` says: whether bones are sent at all, and whether a person is followed."""

    loaded: bool
    tracking: bool


class Encoder:
    """Turns figures into messages, for one avatar and its settings.

    Without an avatar the bones have the person's own proportions. `parts` are those of `PARTS` that are sent, `face` is
    a style of `names_and_values`.
    """

    def __init__(self, avatar: Avatar | None = None, face: str = "auto", parts: Collection[str] = _ALL) -> None:
        self._rig = avatar.rig if avatar else own_rig()
        names = self._rig.names
        self._sent = [k for k, name in enumerate(names) if any(name in PARTS[part] for part in parts)]
        self._bones = [osc.head("/VMC/Ext/Bone/Pos", "sfffffff", names[k]) for k in self._sent]
        eyes = "LeftEye" in names and avatar is not None
        named, self._values = names_and_values(face, avatar.expressions if avatar else (), not eyes)
        self._blends = [osc.head("/VMC/Ext/Blend/Val", "sf", name) for name in named] if "face" in parts else []

    def messages(self, figure: Figure | None, time: float, status: Status) -> list[bytes]:
        """The messages of one frame, `time` seconds after the first; without a figure those that say so."""
        loaded, tracking = int(status.loaded), int(status.tracking)
        first = [
            osc.message("/VMC/Ext/OK", loaded, _CALIBRATED, _NORMAL, tracking),
            osc.message("/VMC/Ext/T", float(time)),
        ]
        return first if figure is None else [*first, _ROOT, *self._posed(figure), *self._faced(figure)]

    def _posed(self, figure: Figure) -> list[bytes]:
        """Each bone's place in metres and rotation x, y, z, w, both relative to its parent and in Unity's axes."""
        places, turns = self._rig.pose(figure)
        numbers = np.empty((len(places), 7), ">f4")
        numbers[:, :3], numbers[:, 3:] = unity_places(places), unity_turns(quaternions.upright(turns))
        return _filled(self._bones, numbers[self._sent])

    def _faced(self, figure: Figure) -> list[bytes]:
        """The values 0..1 of the face's shapes, and then that they are to be shown."""
        if not self._blends:
            return []
        values = np.clip(self._values(figure.face), 0, 1).astype(">f4")
        return [*_filled(self._blends, values[:, None]), _APPLY]


def _filled(heads: Sequence[bytes], numbers: NDArray[np.float32]) -> list[bytes]:
    """Messages of numbers (N, K), big-endian."""
    rows: list[bytes] = numbers.view(f"V{4 * numbers.shape[1]}")[:, 0].tolist()
    return [head + row for head, row in zip(heads, rows, strict=True)]
