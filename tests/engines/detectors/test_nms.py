import cv2
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from pymafx_live.engines.detectors.nms import suppress


@given(st.integers(0, 40), st.sampled_from((0.3137, 0.5171, 0.7093)), st.integers(0, 10_000))
@settings(deadline=None)
def test_it_keeps_what_opencv_keeps(count: int, iou: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    corner, size = rng.uniform(0, 60, (count, 2)), rng.uniform(5, 40, (count, 2))
    boxes = np.concatenate((corner, corner + size), axis=1).astype(np.float32)
    scores = rng.permutation(np.linspace(0.1, 0.9, count)).astype(np.float32)
    expected = cv2.dnn.NMSBoxes(np.concatenate((corner, size), axis=1).tolist(), scores.tolist(), 0.0, iou)
    kept = suppress(boxes, scores, iou, limit=100)
    assert kept.tolist() == list(np.array(expected).ravel())
    assert suppress(boxes, scores, iou, limit=3).tolist() == kept[:3].tolist()
