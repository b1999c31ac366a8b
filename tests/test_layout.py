"""The architecture as rules: what importing may cost, and what must not be committed (`make check` has the arrows)."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("core", "pipeline", "engines", "trackers", "export", "configs", "bench")
HEAVY = {"torch", "tensorrt", "tensorrt_rtx", "ultralytics", "smplx", "trackers", "supervision", "openvino"}
RUNTIME_LIBRARIES = {"onnxruntime", "openvino", "tensorrt", "tensorrt_rtx", "torch_tensorrt", "torch_tensorrt_rtx"}
FILES = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]


def imports(path: Path) -> set[str]:
    """The modules that a file imports anywhere."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def test_only_the_runtimes_import_what_executes_networks() -> None:
    runtimes = ROOT / "engines" / "runtime"
    for path in FILES:
        modules = {m for m in imports(path) if not m.startswith("onnxruntime.transformers")}  # rewrites files
        found = {module.split(".")[0] for module in modules} & RUNTIME_LIBRARIES
        assert not found or runtimes in path.parents, f"{path.relative_to(ROOT)} imports {found}"


def test_the_data_types_import_nothing_but_numpy() -> None:
    """Nor do the modules of ours that they build on."""
    names, seen = {"pymafx_live.core.types"}, set()
    while ours := [name for name in names - seen if name.startswith("pymafx_live.")]:
        for name in ours:
            file = ROOT.joinpath(*name.split(".")[1:]).with_suffix(".py")
            seen.add(name)
            names |= imports(file) if file.exists() else set()
    others = {name.split(".")[0] for name in names}
    assert others - {"pymafx_live"} <= {"numpy", "collections", "dataclasses", "enum", "time", "typing"}
    assert "pymafx_live.core.skeleton" in seen


@pytest.mark.parametrize("module", ["pymafx_live.pipeline.run", "pymafx_live.engines.landmarks.engine"])
def test_the_default_install_imports_no_heavy_library(module: str) -> None:
    code = f"import sys, {module}; print(*sorted({{m.split('.')[0] for m in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT.parent)
    assert not set(done.stdout.split()) & HEAVY


def tracked() -> list[Path]:
    done = subprocess.run(["git", "ls-files", "-z"], capture_output=True, cwd=ROOT)
    if done.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in done.stdout.decode().split("\0") if name]


def test_every_picture_and_video_has_its_origin_and_licence_beside_it() -> None:
    kinds = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".mp4", ".mkv", ".avi", ".mov", ".webm")
    for path in (p for p in tracked() if p.suffix in kinds):
        rows = [line for line in (path.parent / "README.md").read_text("utf-8").splitlines() if path.name in line]
        licence = re.compile(r"public domain|CC BY 4\.0|CC0|Apache-2\.0")
        assert any(map(licence.search, rows)), f"{path.relative_to(ROOT)} has no licence"


def test_no_file_names_a_path_of_one_machine() -> None:
    private = re.compile(r"/(?:root|home/\w+|work|tmp/t)/")
    for path in tracked():
        if path.suffix in (".py", ".md", ".toml", ".yaml", ".sh", "") and path.is_file():
            text = path.read_text(encoding="utf-8", errors="ignore")
            assert not private.search(text), path.relative_to(ROOT)


def test_every_package_is_installed_and_typed() -> None:
    listed = re.findall(r'"pymafx_live\.([\w.]+)",', (ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    folders = {p.parent.relative_to(ROOT).as_posix().replace("/", ".") for p in FILES}
    assert set(listed) == folders
    assert all((ROOT / name.replace(".", "/") / "py.typed").exists() for name in listed)


def test_every_data_file_is_packaged() -> None:
    patterns = re.search(r'"pymafx_live\.engines\.data" = \[(.*)\]', (ROOT / "pyproject.toml").read_text("utf-8"))
    assert patterns is not None
    packaged = {p for pattern in re.findall(r'"(.*?)"', patterns[1]) for p in (ROOT / "engines/data").glob(pattern)}
    data = {
        p for p in tracked() if p.parent == ROOT / "engines" / "data" and p.suffix != ".py" and p.name != "py.typed"
    }
    assert data <= packaged
