"""CURVE keys of one fleet, for the way between its proxy and its workers.

They are made when a fleet starts and given to its processes by Ray, which runs what it is told by whoever reaches it:
who can read them there can do more than listen. No file of theirs has to be brought to the nodes.
"""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pymafx_live.pipeline.curve import CLIENTS, SERVER, generate

_PROXY = "proxy"


@dataclass(frozen=True, slots=True)
class FleetKeys:
    """Files by their paths in a folder, for `lay_out`: of every worker, and of the proxy."""

    worker: Mapping[str, bytes] = field(repr=False)
    proxy: Mapping[str, bytes] = field(repr=False)


def make() -> FleetKeys:
    """New keys. Raises `UsageError` where this build of ZeroMQ has no CURVE."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        generate(folder, _PROXY)
        secret, public = f"{_PROXY}.key_secret", f"{CLIENTS}/{_PROXY}.key"
        content = {file: (folder / file).read_bytes() for file in (SERVER, public, secret)}
    return FleetKeys({SERVER: content[SERVER], public: content[public]}, {secret: content[secret]})


def lay_out(files: Mapping[str, bytes], folder: Path) -> Path:
    """Writes them into a folder, for its owner alone; returns the secret file, as `--curve` takes it."""
    folder.chmod(0o700)
    for name, content in files.items():
        file = folder / name
        file.parent.mkdir(mode=0o700, exist_ok=True)
        file.touch(mode=0o600)
        file.write_bytes(content)
    return next(folder / name for name in files if name.endswith(".key_secret"))
