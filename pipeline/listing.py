"""What `pymafx-live cameras` prints."""

import json
from collections.abc import Sequence
from dataclasses import asdict

from pymafx_live.core.text import quiet
from pymafx_live.pipeline.sources.devices import Device, Mode

NONE = "no camera is here: plug one in, or give a stream (--source rtsp://…) or a file"


def as_json(found: Sequence[Device]) -> str:
    """The devices as a JSON array."""
    return json.dumps([{"source": device.source, **asdict(device)} for device in found], indent=2)


def as_text(found: Sequence[Device]) -> str:
    """The devices for people: what `--source` takes, and of each coding its sizes and rates."""
    lines: list[str] = []
    for device in found:
        lines.append(f"--source {device.source}  {device.name or 'a camera without a name'} ({device.node})")
        if device.link:
            lines.append(f"    --source {device.link}  (whatever its number)")
        if device.trouble:
            lines.append(f"    cannot be asked what it can do: {device.trouble}")
        lines += [f"    {line}" for line in _modes(device.modes)]
    return "\n".join(quiet(line) for line in lines)


def _modes(modes: Sequence[Mode]) -> list[str]:
    codings: dict[str, list[str]] = {}
    for mode in modes:
        rates = f" at {', '.join(f'{rate:g}' for rate in mode.rates)}" if mode.rates else ""
        codings.setdefault(mode.coding, []).append(f"{mode.width}x{mode.height}{rates}")
    return [f"{coding}: {'; '.join(sizes)}".removeprefix(": ") for coding, sizes in codings.items()]
