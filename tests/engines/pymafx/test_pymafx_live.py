"""Whole runs with `--engine pymafx` over the demo clip and a real picture: the synthesized people move at random."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pymafx_live.core.types import SHAPES, Origin

pytest.importorskip("torch")
pytest.importorskip("safetensors")

from pymafx_live.configs.load import load
from pymafx_live.core.wire import from_map
from pymafx_live.pipeline.run import run
from pymafx_live.pipeline.settings import run_settings
from pymafx_live.pipeline.statistics import Statistics

pytestmark = pytest.mark.slow

PICTURE = Path(__file__).resolve().parents[2] / "data" / "astronaut.jpg"


def live(
    tmp_path: Path, assets: Path, source: Path | str, frames: int, runtime: str = "auto", **engine: Any
) -> list[Any]:
    lines, picture = tmp_path / "people.jsonl", tmp_path / "overlay.jpg"
    settings = load(
        None,
        {
            "source": {"uri": str(source)},
            "engine": {"name": "pymafx", "assets": str(assets), **engine},
            "output": {"bind": "", "jsonl": str(lines), "save": str(picture if frames == 1 else tmp_path / "o.mp4")},
            "run": {"max_frames": frames, "runtime": runtime},
        },
        run_settings(),
    )
    run(settings, Statistics())
    assert all(path.stat().st_size > 1000 for path in tmp_path.iterdir())
    results = [from_map(json.loads(line)) for line in lines.read_text().splitlines()]
    assert results[-1].final  # says goodbye, and is about no frame
    return results[:-1]


def check_people(results: list[Any]) -> None:
    for result in results:
        for person in result.people:
            assert person.engine == "pymafx"
            for name, length in SHAPES.items():
                values = getattr(person, name)
                assert values.shape == (length,) and np.isfinite(values).all()
            assert np.linalg.norm(person.full_pose, axis=1).max() <= np.pi + 1e-3
            assert person.pelvis[2] > 0
            assert person.betas.any() and person.parts["betas"].origin is Origin.MEASURED


@pytest.mark.parametrize(("parts", "runtime"), [("landmarks", "auto"), ("mesh", "torch")])
def test_the_demo_clip(tmp_path: Path, assets_dir: Path, graphs: Any, parts: str, runtime: str) -> None:
    results = live(tmp_path, assets_dir, "demo", 4, runtime, parts=parts, hands_every=2)
    check_people(results)
    assert [r.sequence for r in results] == [0, 1, 2, 3]
    assert np.diff([r.time for r in results]) == pytest.approx([0.04] * 3, abs=1e-6)
    assert [p.id for p in results[-1].people] == [p.id for p in results[1].people] != []
    hands = [r.stages["estimate/hands"] for r in results]
    assert hands[0] > 0 and hands[1] == 0 and hands[2] > 0 and hands[3] == 0
    assert all(r.stages["estimate/body"] > 0 for r in results)


def test_a_real_picture(tmp_path: Path, assets_dir: Path, graphs: Any) -> None:
    (result,) = live(tmp_path, assets_dir, PICTURE, 1)
    check_people([result])
    assert len(result.people) == 1
