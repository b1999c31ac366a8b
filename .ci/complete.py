"""Says what `pip install --dry-run --report` would install for an extra; fails where something it names is missing."""

import json
import re
import sys
import tomllib
from pathlib import Path

extra, report = sys.argv[1], json.loads(Path(sys.argv[2]).read_text(encoding="utf-8"))
project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]


def normal(name: str) -> str:
    """A distribution's name as PEP 503 compares them."""
    return re.sub(r"[-_.]+", "-", re.split(r"[^\w.-]", name)[0]).lower()


def needs(extra: str) -> list[str]:
    """The requirements of an extra, and those of the extras that it names."""
    own = project["optional-dependencies"][extra]
    inner = {need: re.findall(r"[\w-]+", need.partition("[")[2]) for need in own if normal(need) == project["name"]}
    return [n for n in own if n not in inner] + [n for extras in inner.values() for each in extras for n in needs(each)]


found = {normal(each["metadata"]["name"]): each["metadata"]["version"] for each in report["install"]}
own = {normal(need) for need in needs(extra)}
named = own | {normal(need) for need in project["dependencies"]}
if missing := named - found.keys():
    sys.exit(f"the extra {extra} lacks {', '.join(sorted(missing))}")
doubled = [name for name in ("opencv-python", "opencv-contrib-python", "opencv-python-headless") if name in found]
also = f"; two builds of OpenCV: {', '.join(doubled)}" if len(doubled) > 1 else ""
print(f"{extra}: {len(found)} packages, of them {', '.join(f'{name} {found[name]}' for name in sorted(own))}{also}")
