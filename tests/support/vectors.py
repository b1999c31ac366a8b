"""The vectors of tests/vectors, and how docs/wire-protocol.md shows one."""

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "vectors"
NAMES = sorted(path.stem for path in FOLDER.glob("*.bin"))


def message(name: str) -> bytes:
    return (FOLDER / f"{name}.bin").read_bytes()


def content(name: str) -> Any:
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))["content"]


def excerpt(told: dict[str, Any]) -> str:
    """A message as the page shows it: four decimals, of long lists the beginning."""
    return _shown(told, "")


def _shown(value: Any, indent: str, key: str = "") -> str:
    deeper = indent + "  "
    if isinstance(value, dict):
        flat = "{" + ", ".join(f'"{k}": {_shown(v, deeper, k)}' for k, v in value.items()) + "}"
        if len(indent) + len(flat) < 100 and "\n" not in flat:
            return flat
        lines = ",\n".join(f'{deeper}"{k}": {_shown(v, deeper, k)}' for k, v in value.items())
        return f"{{\n{lines}\n{indent}}}"
    if isinstance(value, list):
        shown = [_shown(item, deeper) for item in (value if len(value) <= 9 else value[:3])]
        if value and isinstance(value[0], dict):
            return "[" + ", ".join(shown) + "]"
        return "[" + ", ".join(shown + [f"... {len(value)} in all"] * (len(value) > 9)) + "]"
    if isinstance(value, float) and abs(value) < 1e5:
        return f"{value:.4f}".rstrip("0").rstrip(".") if round(value, 4) else "0"
    return json.dumps(value)


def hexdump(data: bytes) -> str:
    """Sixteen bytes a line, beside what they are in ASCII."""
    lines = []
    for start in range(0, len(data), 16):
        row = data[start : start + 16]
        text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
        lines.append(f"{start:06x}  {row.hex(' '):<47}  {text}")
    return "\n".join(lines) + "\n"
