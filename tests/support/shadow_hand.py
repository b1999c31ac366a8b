"""A robot hand with the links that dex-retargeting's configuration for the Shadow Hand names, of our own measures."""

import itertools
from collections.abc import Iterator

FINGERS = {"ff": (0.035, 0.115), "mf": (0.0, 0.115), "rf": (-0.025, 0.108), "lf": (-0.047, 0.096)}
"""Where each finger begins: y (to the thumb of a right hand) and z (from the wrist on), metres."""
BONES = (0.040, 0.028, 0.026)


def shadow_hand(side: str) -> str:
    """A URDF: x out of the palm, z to the fingers, y to the thumb of a right hand; fingers bend about y, towards x."""
    mirror = 1 if side == "right" else -1
    parts = ['<robot name="hand">', _link("palm")]
    for finger, (y, z) in FINGERS.items():
        parts += _chain(finger, (0.0, mirror * y, z), (0.0, 0.0, 0.0))
    # The thumb points half aside and half on, and bends across the palm.
    parts += _chain("th", (0.015, mirror * 0.030, 0.030), (-mirror * 0.8, 0.4, 0.0))
    return "\n".join([*parts, "</robot>"])


def _chain(name: str, place: tuple[float, ...], tilt: tuple[float, ...]) -> Iterator[str]:
    """A finger: spreads, and bends in three joints; its links are `<name>knuckle`, `proximal`, `middle`, `distal`,
    `tip`, of which two are named as the Shadow Hand's."""
    ends = (0.0, *BONES)
    links = [f"{name}{part}" for part in ("knuckle", "proximal", "middle", "distal")]
    yield from map(_link, [*links, f"{name}tip"])
    yield _joint(f"{name}_spread", "palm", links[0], place, tilt, (1, 0, 0), (-0.35, 0.35))
    for k, (parent, child) in enumerate(itertools.pairwise(links)):
        yield _joint(f"{name}_bend{k + 1}", parent, child, (0, 0, ends[k]), (0, 0, 0), (0, 1, 0), (-0.1, 1.7))
    yield (
        f'<joint name="{name}_tip" type="fixed"><parent link="{links[-1]}"/><child link="{name}tip"/>'
        f'<origin xyz="0 0 {ends[-1]}"/></joint>'
    )


def _link(name: str) -> str:
    return f'<link name="{name}"/>'


def _joint(
    name: str, parent: str, child: str, place: tuple[float, ...], tilt: tuple[float, ...], axis: tuple[int, ...],
    limits: tuple[float, float],
) -> str:  # fmt: skip
    def shown(values: tuple[float, ...]) -> str:
        return " ".join(f"{value:g}" for value in values)

    return (
        f'<joint name="{name}" type="revolute"><parent link="{parent}"/><child link="{child}"/>'
        f'<origin xyz="{shown(place)}" rpy="{shown(tilt)}"/><axis xyz="{shown(axis)}"/>'
        f'<limit lower="{limits[0]}" upper="{limits[1]}" effort="1" velocity="10"/></joint>'
    )
