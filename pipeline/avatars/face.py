"""A face's 52 shapes by the names that avatars know: VRM 0.x's presets, VRM 1.0's, or ARKit's (Perfect Sync).

Visemes, blinks and where the eyes look are made of the shapes; moods are left to the avatar's app. With `open` the
jaw's opening, `round` the larger of funnel and pucker and `wide` how far the mouth's corners are stretched:

    A = open (1 - round) (1 - wide)      O = open round      E = open (1 - round) wide
    U = (1 - open) pucker                I = (1 - open) wide

so that A, O and E together are the jaw's opening, and what is closed is not opened. Eyes look to the mean of both.
"""

from collections.abc import Callable, Mapping, Sequence

from pymafx_live.core.arrays import Reals
from pymafx_live.core.names import BLENDSHAPES

Shapes = Callable[[Reals], Sequence[float]]
_AT = {name: k for k, name in enumerate(BLENDSHAPES)}
PRESETS: Mapping[str, str] = {
    "A": "aa", "I": "ih", "U": "ou", "E": "ee", "O": "oh", "Blink_L": "blinkLeft", "Blink_R": "blinkRight",
    "LookUp": "lookUp", "LookDown": "lookDown", "LookLeft": "lookLeft", "LookRight": "lookRight",
}  # fmt: skip
"""The presets that are sent, by VRM 0.x's names and VRM 1.0's (https://protocol.vmc.info/english,
https://vrm.dev/en/vrm1/changed)."""
_EYES = frozenset(name for name in PRESETS if name.startswith("Look"))
_ENOUGH = 20
"""Of an avatar's expressions that have ARKit's names, how many make it an avatar for these."""


def names_and_values(style: str, expressions: Sequence[str] = (), looks: bool = True) -> tuple[Sequence[str], Shapes]:
    """The names to send, and what gives their values 0..1 for the 52 shapes.

    `style` is `vrm0`, `vrm1`, `arkit` (jawOpen), `arkit-upper` (JawOpen), or `auto`: what an avatar with these
    `expressions` takes, `vrm0` where there are none. Of an avatar's expressions only those that it has are named, as
    they are called in it. Without `looks` those of the eyes' direction are left out: the avatar turns its eyes.
    """
    if style == "auto":
        style = _read(expressions)
    if style.startswith("arkit"):
        named = {name: name if style == "arkit" else name[:1].upper() + name[1:] for name in BLENDSHAPES}
    else:
        named = {old: new if style == "vrm1" else old for old, new in PRESETS.items() if looks or old not in _EYES}
    known = {name.lower(): name for name in expressions}
    if any(name.lower() in known for name in named.values()):
        # UniVRM calls VRM 0.x's presets so, whose names are in small letters in the file
        own = {key: known.get(name.lower(), "") for key, name in named.items()}
        named = {key: named[key] if key in PRESETS else name for key, name in own.items() if name}
    if style.startswith("arkit"):
        order = [_AT[name] for name in named]
        return tuple(named.values()), lambda face: face[order]
    return tuple(named.values()), lambda face: list(map(presets(face).__getitem__, named))


def presets(face: Reals) -> dict[str, float]:
    """The values 0..1 of `PRESETS`, by VRM 0.x's names, for the 52 shapes."""
    shapes: list[float] = face.tolist()

    def of(*names: str) -> float:
        return min(max(sum(shapes[_AT[name]] for name in names) / len(names), 0.0), 1.0)

    jaw, pucker = of("jawOpen"), of("mouthPucker")
    rounded, wide = max(of("mouthFunnel"), pucker), of("mouthStretchLeft", "mouthStretchRight")
    return {
        "A": jaw * (1 - rounded) * (1 - wide), "I": (1 - jaw) * wide, "U": (1 - jaw) * pucker,
        "E": jaw * (1 - rounded) * wide, "O": jaw * rounded,
        "Blink_L": of("eyeBlinkLeft"), "Blink_R": of("eyeBlinkRight"),
        "LookUp": of("eyeLookUpLeft", "eyeLookUpRight"), "LookDown": of("eyeLookDownLeft", "eyeLookDownRight"),
        "LookLeft": of("eyeLookOutLeft", "eyeLookInRight"), "LookRight": of("eyeLookInLeft", "eyeLookOutRight"),
    }  # fmt: skip


def _read(expressions: Sequence[str]) -> str:
    """The style of an avatar with these expressions."""
    shapes = [name for name in expressions if name[:1].lower() + name[1:] in _AT]
    if len(shapes) >= _ENOUGH:
        return "arkit-upper" if shapes[0][:1].isupper() else "arkit"
    return "vrm1" if "aa" in {name.lower() for name in expressions} else "vrm0"
