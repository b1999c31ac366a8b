"""The skeleton in words and numbers, for programs that know nothing of this one: `engines/data/skeleton.json`.

`python -m pymafx_live.engines.landmarks.description` writes that file again.
"""

import json
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from pymafx_live.core.arrays import Reals
from pymafx_live.core.skeleton import JOINT_NAMES, PARENTS
from pymafx_live.core.types import PARTS, POSE, Floats
from pymafx_live.engines.body.model import BodyModel
from pymafx_live.engines.landmarks.fit import Fitter
from pymafx_live.engines.landmarks.parts import part_of_joint

_DECIMALS = 6
"""Micrometres and microradians: what a message's float 32 can tell apart."""


def description() -> dict[str, Any]:
    """The embedded body's skeleton as plain values; docs/wire-protocol.md says what each key means."""
    rest = BodyModel.embedded().rest_joints
    relaxed = Fitter(rest).resting()
    parameters = {
        row: (parameter, row - rows.start) for parameter, rows in POSE.items() for row in range(rows.start, rows.stop)
    }
    return {
        "version": 1,
        "axes": {"x": "to the person's left", "y": "up", "z": "forward"},
        "joints": [
            {
                "index": j,
                "name": name,
                "parent": PARENTS[j],
                "rest": _plain(rest[j]),
                "relaxed": _plain(relaxed[j]),
                "parameter": parameters[j][0],
                "row": parameters[j][1],
                "part": published_part(name),
            }
            for j, name in enumerate(JOINT_NAMES)
        ],
        "parts": {part: [name for name in JOINT_NAMES if published_part(name) == part] for part in PARTS},
    }


def published_part(joint: str) -> str:
    """The part of a message that says how far a joint's rotation can be trusted."""
    if joint == "jaw":
        return "jaw"
    return "eyes" if joint.endswith("_eye") else part_of_joint(joint)


def as_text(content: dict[str, Any]) -> str:
    """The description as JSON with a line for each joint."""
    joints = ",\n".join(f"    {json.dumps(joint)}" for joint in content["joints"])
    parts = ",\n".join(f"    {json.dumps(part)}: {json.dumps(names)}" for part, names in content["parts"].items())
    head = f'  "version": {content["version"]},\n  "axes": {json.dumps(content["axes"])}'
    return f'{{\n{head},\n  "joints": [\n{joints}\n  ],\n  "parts": {{\n{parts}\n  }}\n}}\n'


def as_table(content: dict[str, Any]) -> str:
    """The description as the Markdown table of docs/wire-protocol.md."""
    lines = ["| joint | parent | at rest, m | relaxed, rad | parameter, row | part |", "| --- " * 6 + "|"]
    for joint in content["joints"]:
        rest, relaxed = (", ".join(f"{value:.4f}" for value in joint[key]) for key in ("rest", "relaxed"))
        if not any(joint["relaxed"]):
            relaxed = "0"
        name, row = f"{joint['index']} {joint['name']}", f"`{joint['parameter']}` {joint['row']}"
        lines.append(f"| {name} | {joint['parent']} | {rest} | {relaxed} | {row} | `{joint['part']}` |")
    return "\n".join(lines) + "\n"


def _plain(values: Reals | Floats) -> list[float]:
    return [float(value) + 0.0 for value in np.asarray(values, np.float64).round(_DECIMALS)]


if __name__ == "__main__":
    target = Path(str(resources.files("pymafx_live.engines.data"))) / "skeleton.json"
    target.write_text(as_text(description()), encoding="utf-8")
