"""The stand-in assets (made once, kept in the user's cache), the network from them, and the golden numbers."""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pymafx_live.engines.pymafx as package
import pytest
from numpy.typing import NDArray


def smooth_crops(n: int, seed: int, size: int = 224) -> NDArray[np.float32]:
    """(n, 3, size, size): the seeded colour patterns, normalised like real input, that the golden numbers belong to."""
    rng = np.random.Generator(np.random.PCG64(seed))
    y, x = np.meshgrid(np.linspace(-1, 1, size), np.linspace(-1, 1, size), indexing="ij")
    out = np.zeros((n, 3, size, size))
    for i in range(n):
        for c in range(3):
            for _ in range(8):
                fx, fy = rng.uniform(-14, 14, 2)
                phase, gain = rng.uniform(0, 2 * np.pi), rng.uniform(0.3, 1.0)
                out[i, c] += gain * np.sin(fx * x + fy * y + phase)
    return (out / 1.6).astype(np.float32)


@pytest.fixture(scope="session")
def make_crops() -> Callable[[int, int], Any]:
    """(people, seed) -> the four crop batches: body, left hand, right hand, face."""
    torch = pytest.importorskip("torch")
    return lambda people, seed: torch.from_numpy(smooth_crops(4 * people, seed)).split(people)


@pytest.fixture(scope="session")
def oracle() -> ModuleType:
    """The plain transcription."""
    from pymafx_live.bench import pymafx_plain

    return pymafx_plain


@pytest.fixture(scope="session")
def assets_dir() -> Path:
    """A complete synthetic folder, named after the code that makes and reads it; 1.5 GB, made once."""
    pytest.importorskip("torch")
    pytest.importorskip("safetensors")
    from pymafx_live.engines.pymafx.files import assets

    code = Path(package.__file__).parent / "files"
    digest = hashlib.sha256()
    for path in sorted(code.glob("*.py")):
        digest.update(path.read_bytes())
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pymafx-live"
    folder = cache / f"synthetic-{digest.hexdigest()[:12]}"
    if not folder.exists():
        for old in cache.glob("synthetic-*"):
            shutil.rmtree(old)
        part = cache / f"synthetic-part-{os.getpid()}"
        assets.synthesize(part)
        part.rename(folder)
    return folder


def linked(source: Path, target: Path) -> Path:
    """A folder of links to the files of another, without what was made of them, so that a test can replace some."""
    for path in source.rglob("*"):
        if path.is_file() and "pymafx-live-bundle" not in path.parts:
            link = target / path.relative_to(source)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(path)
    return target


@pytest.fixture
def own_assets(assets_dir: Path, tmp_path: Path) -> Iterator[Path]:
    """The synthetic folder as links, for one test to spoil."""
    yield linked(assets_dir, tmp_path / "assets")
    shutil.rmtree(tmp_path / "assets")


@pytest.fixture(scope="session")
def prepared_dir(assets_dir: Path) -> Path:
    """The synthetic folder, prepared by the code under test: once, as the folder is."""
    from pymafx_live.engines.pymafx.files import assets

    if not (assets_dir / "pymafx-live-bundle").exists():
        assert assets.prepare(assets_dir) == []
    return assets_dir


@pytest.fixture(scope="session")
def network(prepared_dir: Path) -> Any:
    from pymafx_live.engines.pymafx.files.prepare import load_network

    return load_network(prepared_dir)


@pytest.fixture(scope="session")
def learned(assets_dir: Path) -> dict[str, Any]:
    """The synthetic checkpoint's learned state."""
    from pymafx_live.engines.pymafx.files.checkpoint import load_checkpoint
    from pymafx_live.engines.pymafx.files.sources import CHECKPOINT

    return load_checkpoint(assets_dir / CHECKPOINT)[0]


@pytest.fixture(scope="session")
def gentle(learned: dict[str, Any]) -> dict[str, Any]:
    """The same state with every last layer at a quarter, whose forearms stay within the wrists' limit."""
    from pymafx_live.engines.pymafx.files.synthetic_weights import DECODER_SCALE

    return {k: v / 4 if k.split(".")[-2] in DECODER_SCALE else v for k, v in learned.items()}


@pytest.fixture(scope="session")
def reference_pattern() -> NDArray[np.float32]:
    """The pattern (1, 3, 640, 640) behind the reference's crops."""
    return smooth_crops(1, 7, 640)


EXPORT = """
import sys
from pathlib import Path
from pymafx_live.engines.pymafx.graphs.open import graph_files
graph_files(Path(sys.argv[1]), sys.argv[2], print)
"""


@pytest.fixture(scope="session")
def graphs(prepared_dir: Path) -> dict[str, dict[str, Path]]:
    """The files by precision and name: exported by processes whose memory ends with them; kept by the bundle."""
    for needed in ("safetensors", "onnx", "onnxscript"):
        pytest.importorskip(needed)
    from pymafx_live.engines.pymafx.graphs.open import graph_files

    for precision in ("fp32", "mixed"):
        subprocess.run([sys.executable, "-c", EXPORT, str(prepared_dir), precision], check=True)
    return {precision: graph_files(prepared_dir, precision, print) for precision in ("fp32", "mixed")}


@pytest.fixture(scope="session")
def reference(assets_dir: Path) -> Any:
    from pymafx_live.engines.pymafx.graphs.export import reference_runners

    return reference_runners(assets_dir)


@pytest.fixture(scope="session")
def spoiled(graphs: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of the fp32 graphs, in which the hands' last regressor is a little off."""
    folder = tmp_path_factory.mktemp("spoiled")
    for name, path in graphs["fp32"].items():
        (folder / f"{name}.onnx").symlink_to(path)
    import onnx

    model = onnx.load(graphs["fp32"]["hands"])
    bias = next(w for w in model.graph.initializer if w.name.endswith("regressors.2.affine.bias"))
    bias.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(bias) + np.float32(0.003), bias.name))
    (folder / "hands.onnx").unlink()
    onnx.save(model, folder / "hands.onnx")
    return folder
