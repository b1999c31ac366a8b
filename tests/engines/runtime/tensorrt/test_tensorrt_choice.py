"""Which TensorRT is taken on which GPU, and what is said where none can be."""

import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from pymafx_live.core.errors import NetworkError, UsageError
from pymafx_live.engines.runtime.tensorrt import available, build_engine, gpu, monitor, open_tensorrt
from pymafx_live.engines.runtime.tensorrt.flavour import RTX, STANDARD, find_flavour, load, target_name
from pymafx_live.engines.runtime.tensorrt.gpu import Gpu, UnavailableError, checked_age, find_gpu

RTX_4090 = Gpu("NVIDIA GeForce RTX 4090", (8, 9), "580", 24 << 30)
H100 = Gpu("NVIDIA H100 80GB HBM3", (9, 0), "580", 80 << 30)
A10 = Gpu("NVIDIA A10", (8, 6), "580", 24 << 30)


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch, fake: ModuleType) -> Any:
    """Makes exactly the named libraries importable."""

    def only(*names: str) -> None:
        for name in (RTX, STANDARD):
            monkeypatch.setitem(sys.modules, name, fake if name in names else None)

    return only


@pytest.mark.parametrize(
    ("installed", "card", "taken"),
    [
        ((RTX, STANDARD), RTX_4090, RTX),
        ((RTX, STANDARD), H100, STANDARD),
        ((RTX, STANDARD), A10, STANDARD),
        ((RTX,), A10, RTX),
        ((STANDARD,), RTX_4090, STANDARD),
    ],
)
def test_the_library_fits_the_card(install: Any, installed: tuple[str, ...], card: Gpu, taken: str) -> None:
    install(*installed)
    assert find_flavour(card).name == taken


def test_rtx_alone_does_not_serve_a_datacentre_card(install: Any) -> None:
    install(RTX)
    with pytest.raises(
        UnavailableError, match=r"no kernels for the NVIDIA H100 80GB HBM3 \(SM90\): install `tensorrt`"
    ):
        find_flavour(H100)


def test_no_library_is_said(install: Any) -> None:
    install()
    with pytest.raises(UnavailableError, match="neither `tensorrt` nor `tensorrt_rtx`"):
        find_flavour(RTX_4090)


def test_a_shell_without_its_libraries_is_no_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, STANDARD, ModuleType(STANDARD))
    assert load(STANDARD) is None


def test_an_old_card_is_said() -> None:
    with pytest.raises(UnavailableError, match=r"GTX 1080 is too old \(compute capability 6.1, 7.5 is needed\)"):
        checked_age(Gpu("GTX 1080", (6, 1), "580", 8 << 30))


def test_without_a_library_torch_is_not_even_imported(install: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    install()
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert available() == "neither `tensorrt` nor `tensorrt_rtx` can be imported"


def test_a_machine_without_a_gpu_says_so(install: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    install(STANDARD)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    reason = available()
    assert reason == "no NVIDIA GPU with a working driver was found"
    with pytest.raises(NetworkError, match=f"TensorRT cannot be used on this machine: {reason}"):
        open_tensorrt(Path("any.onnx"))
    with pytest.raises(NetworkError, match=f"{reason}; name a target GPU instead"):
        build_engine(Path("any.onnx"))


def cuda(**properties: Any) -> SimpleNamespace:
    """A torch that sees one GPU."""
    card = SimpleNamespace(**{"name": "NVIDIA A10", "major": 8, "minor": 6, "total_memory": 24 << 30, **properties})
    return SimpleNamespace(
        version=SimpleNamespace(cuda="13.0"),
        cuda=SimpleNamespace(
            is_available=lambda: True, device_count=lambda: 1, get_device_properties=lambda index: card
        ),
    )


def test_the_gpu_is_read_from_torch_and_the_driver(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(gpu, "has_driver", lambda: True)
    monkeypatch.setitem(sys.modules, "torch", cuda())
    monkeypatch.setattr(gpu, "driver_cuda", lambda: 13000)
    driver = tmp_path / "version"
    monkeypatch.setattr(gpu, "DRIVER_FILE", driver)
    assert find_gpu() == Gpu("NVIDIA A10", (8, 6), "cuda-13000", 24 << 30)
    driver.write_text("NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release Build\nGCC 12.2.0\n")
    assert find_gpu().driver == "580.65.06"
    with pytest.raises(UnavailableError, match="there is no GPU number 1"):
        find_gpu(1)
    monkeypatch.setitem(sys.modules, "torch", cuda(major=6))
    with pytest.raises(UnavailableError, match="too old"):
        find_gpu()


@pytest.mark.parametrize(
    ("version", "remedy"),
    [
        (12040, r"runs CUDA 12\.4 .* for CUDA 13\.0: update the driver to 580 or later, or .*\[tensorrt-cu12\]"),
        (11080, r"runs CUDA 11\.8 and this PyTorch is built for CUDA 13\.0: update the driver to 580 or later$"),
        (13000, r"^no NVIDIA GPU with a working driver"),
    ],
)
def test_a_driver_that_is_too_old_is_said(
    version: int, remedy: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With a library in the driver's place that answers as an old one does."""
    compiler = shutil.which("gcc")
    if compiler is None or sys.platform == "win32":
        pytest.skip("no gcc is here, which makes the library")
    code = f"""int cuInit(unsigned f) {{ return 0; }} int cuDeviceGetCount(int *n) {{ *n = 1; return 0; }}
    int cuDriverGetVersion(int *v) {{ *v = {version}; return 0; }}"""
    (tmp_path / "cuda.c").write_text(code)
    library = tmp_path / "libcuda.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, tmp_path / "cuda.c"], check=True)
    torch = cuda()
    torch.cuda.is_available = lambda: False
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setattr(gpu, "DRIVER_LIBRARY", str(library))
    monkeypatch.setattr(gpu, "DRIVER_FILE", tmp_path / "none")
    with pytest.raises(UnavailableError, match=remedy):
        find_gpu()


def test_without_torch_there_is_no_memory(install: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    install(STANDARD)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
    monkeypatch.setattr(gpu, "has_driver", lambda: True)
    monkeypatch.setitem(sys.modules, "torch", None)
    assert available() == "PyTorch, which holds the GPU's memory, is not installed"


@pytest.mark.parametrize("text", ["8.9", "89", "sm_89", "SM89", "sm89"])
def test_targets_are_read_in_every_spelling(install: Any, text: str) -> None:
    install(RTX, STANDARD)
    assert target_name(find_flavour(RTX_4090), text) == "SM89"


@pytest.mark.parametrize(("text", "name"), [("12.0", "SM120"), ("7.5", "SM75")])
def test_targets_of_three_digits(install: Any, text: str, name: str) -> None:
    install(RTX)
    assert target_name(find_flavour(RTX_4090), text) == name


def test_unknown_targets_are_refused(install: Any) -> None:
    install(RTX, STANDARD)
    with pytest.raises(UsageError, match=r"cannot build ahead for '9.0': give one of SM75, SM80, SM86"):
        target_name(find_flavour(RTX_4090), "9.0")
    with pytest.raises(UsageError, match=r"'8.6': build on the machine that shall run it"):
        target_name(find_flavour(H100), "8.6")


def test_ahead_builds_want_the_rtx_library(install: Any) -> None:
    install(STANDARD)
    with pytest.raises(NetworkError, match=r"pymafx-live\[tensorrt-rtx\]"):
        build_engine(Path("any.onnx"), target="8.9")


def test_a_torch_without_cuda_is_said(install: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    install(STANDARD)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
    monkeypatch.setattr(gpu, "has_driver", lambda: True)
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(version=SimpleNamespace(cuda=None)))
    assert available() == "the installed PyTorch is built without CUDA"


def test_a_driver_library_that_sees_no_gpu_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "DRIVER_LIBRARY", "no-such-library.so")
    assert not gpu.has_driver()


@pytest.mark.parametrize(
    ("seconds", "percent", "told"),
    [
        (3, 50, ""),
        (30, 10, " after 30 s"),
        (30, 50, " after 30 s, perhaps 30 s more"),
        (240, 40, " after 4 min, perhaps 6 min more"),
        (600, 100, " after 10 min"),
    ],
)
def test_a_long_build_says_what_it_took_and_may_take(seconds: float, percent: int, told: str) -> None:
    assert monitor._time(seconds, percent) == told
