"""PyMAF-X's stand-in assets and its exported graphs, as the engine's own tests have them."""

from pathlib import Path

from by_path import load

_fixtures = load(Path(__file__).parents[1] / "engines" / "pymafx" / "conftest.py")

assets_dir, exports, graphs = _fixtures.assets_dir, _fixtures.exports, _fixtures.graphs
spoiled = _fixtures.spoiled
