"""Read by Meshcapade's own codec."""

import logging

import numpy as np
import pytest
from pymafx_live.pipeline.recordings.motion import motions
from pymafx_live.pipeline.recordings.smpl import Smpl
from support.recordings import recorded


def test_the_codec_reads_the_same_motion(tmp_path):
    codec = pytest.importorskip("smplcodec", reason="smplcodec, of the extra readers, is not installed")
    logging.getLogger().handlers.clear()  # that it has set up
    items = recorded(fps=30)
    files = Smpl().write(items, tmp_path / "out.smpl", lambda file: file)
    for motion, file in zip(motions(items), files, strict=True):
        read = codec.SMPLCodec.from_file(file)
        assert (read.smpl_version.name, read.gender.name, read.frame_count, read.frame_rate) == (
            "SMPLX",
            "NEUTRAL",
            40,
            30,
        )
        np.testing.assert_allclose(read.full_pose, motion.pose, atol=1e-6)
        np.testing.assert_allclose(read.body_translation + motion.rest_pelvis, motion.pelvis, atol=1e-6)
        again = tmp_path / "again.smpl"
        read.write(again)  # which checks everything
        assert codec.SMPLCodec.from_file(again) == read
