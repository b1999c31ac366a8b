"""PyMAF-X's stand-in assets and its exported graphs, as the engine's own tests have them."""

import importlib.util
from pathlib import Path

_PATH = Path(__file__).parents[1] / "engines" / "pymafx" / "conftest.py"
_spec = importlib.util.spec_from_file_location("pymafx_fixtures", _PATH)
assert _spec is not None and _spec.loader is not None
_fixtures = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_fixtures)

assets_dir, exports, graphs = _fixtures.assets_dir, _fixtures.exports, _fixtures.graphs
spoiled = _fixtures.spoiled
