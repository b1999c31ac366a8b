"""The embedded networks' answers, where something is wrong with them."""

import logging

import numpy as np
import pytest
from pymafx_live.engines.landmarks.networks import NOTHING, Network


@pytest.mark.parametrize("name", ["pose_landmark_full.onnx", "hand_landmark_full.onnx", "face_landmarks_detector.onnx"])
def test_an_answer_that_is_no_number_is_nothing_found_and_hurts_no_neighbour(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    network = Network(name, runtime="onnxruntime")  # OpenVINO makes numbers of these
    size = 224 if name.startswith("hand") else 256
    picture = np.random.default_rng(0).random((1, size, size, 3), np.float32)
    alone = network.run(picture)
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            both = network.run(np.concatenate([np.full_like(picture, np.nan), picture]))
    network.close()
    assert [record.message.count("no number") for record in caplog.records] == [1]
    for one, two in zip(alone, both, strict=True):
        assert (two[0] == NOTHING).all()
        np.testing.assert_array_equal(two[1], one[0])
