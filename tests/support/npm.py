"""Packages of node, installed."""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "javascript"


def javascript_folder(parent: Path) -> Path:
    """A copy of the example's folder with its packages; skips where node, npm or the way to the packages is missing."""
    folder = parent / "javascript"
    shutil.copytree(EXAMPLE, folder)
    return installed(folder)


def installed(folder: Path, packages: Sequence[str] = ()) -> Path:
    """The folder with these packages, or those that its package.json names; skips as `javascript_folder` does."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("no node or npm: apt-get install nodejs npm")
    try:
        install = [npm, "install", "--no-audit", "--no-fund", *packages]
        done = subprocess.run(install, cwd=folder, timeout=240, capture_output=True, text=True)
    except subprocess.TimeoutExpired:
        pytest.skip("npm install does not end: is there a way to its packages?")
    if done.returncode:
        pytest.skip(f"npm install fails: {' '.join(done.stderr.split())[-200:]}")
    return folder
