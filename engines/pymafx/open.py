"""Makes the PyMAF-X engine from a folder of files."""

import logging
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from pymafx_live.core.errors import AssetError, UsageError
from pymafx_live.engines.imaging import Pictures
from pymafx_live.engines.landmarks.perception import Perception
from pymafx_live.engines.pymafx.assets import prepare
from pymafx_live.engines.pymafx.bundle_files import is_current
from pymafx_live.engines.pymafx.engine import PymafxEngine, PymafxOptions
from pymafx_live.engines.pymafx.estimator import Estimator
from pymafx_live.engines.pymafx.mesh_views import MeshViews
from pymafx_live.engines.pymafx.open_graphs import open_graphs
from pymafx_live.engines.pymafx.skeleton import Skeleton
from pymafx_live.engines.pymafx.views import LandmarkViews, Views
from pymafx_live.engines.runtime import RunnerOptions
from pymafx_live.engines.runtime.memory import give_back_freed

logger = logging.getLogger(__name__)


def open_engine(
    assets: Path,
    *,
    parts: str = "landmarks",
    rtmlib_pose: Path | None = None,
    hands_every: int = 1,
    face_every: int = 1,
    freeze_shape: int = 0,
    max_batch: int = 8,
    threads: int = 0,
    runtime: str = "auto",
    precision: str = "auto",
    pictures: Pictures | None = None,
) -> PymafxEngine:
    """The engine, warm; its files are prepared and exported first where they have not been.

    `pictures` is shared with whoever else looks at the same frames.

    Raises `AssetError` for a file that is missing, damaged or of another kind, `UsageError` for a missing extra.
    """

    def told(step: str) -> None:
        """A first start takes long, and says what it is at."""
        logger.warning("first start: %s", step)

    if not assets.is_dir():
        raise AssetError(f"{assets} is not a folder; give --assets the one that holds the PyMAF-X files.")
    if find_spec("safetensors") is None:
        raise UsageError("the engine pymafx needs safetensors; install the extra: pip install 'pymafx-live[torch]'.")
    if not is_current(assets):
        for warning in prepare(assets, told):
            logger.warning("%s", warning)
    skeleton, pictures = Skeleton.from_bundle(assets), pictures or Pictures()
    views = _views(parts, rtmlib_pose, skeleton, lambda: Perception(threads, runtime, pictures))
    options = RunnerOptions(threads=threads, max_batch=max_batch, progress=told)
    estimator = Estimator(open_graphs(assets, runtime, precision, options, told), max_batch)
    give_back_freed()
    return PymafxEngine(estimator, views, skeleton, PymafxOptions(hands_every, face_every, freeze_shape), pictures)


def _views(parts: str, rtmlib_pose: Path | None, skeleton: Skeleton, perception: Callable[[], Perception]) -> Views:
    if parts == "rtmlib":
        from pymafx_live.engines.pymafx.rtmlib_views import RtmlibViews

        return RtmlibViews(rtmlib_pose)
    networks = LandmarkViews(perception())
    return MeshViews(networks, skeleton) if parts == "mesh" else networks
