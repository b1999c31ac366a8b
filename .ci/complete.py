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


found = {normal(each["metadata"]["name"]): each["metadata"]["version"] for each in report["install"]}
named = {normal(need) for need in project["dependencies"] + project["optional-dependencies"][extra]}
if missing := named - found.keys():
    sys.exit(f"the extra {extra} lacks {', '.join(sorted(missing))}")
doubled = [name for name in ("opencv-python", "opencv-contrib-python", "opencv-python-headless") if name in found]
also = f"; two builds of OpenCV: {', '.join(doubled)}" if len(doubled) > 1 else ""
own = {normal(need) for need in project["optional-dependencies"][extra]}
print(f"{extra}: {len(found)} packages, of them {', '.join(f'{name} {found[name]}' for name in sorted(own))}{also}")
