"""Frame numbers against an encoder: what x264 writes has no gap, and none of its reference pictures can be missed."""

import io
from fractions import Fraction

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymafx_live.pipeline.sources.h264 import FrameNumbers

CODINGS = {
    "b pictures, mp4": ("mp4", "yuv420p", {"bf": "3", "refs": "4"}),
    "b pyramid, ts": ("mpegts", "yuv420p", {"bf": "2", "x264-params": "8x8dct=0"}),
    "baseline": ("mpegts", "yuv420p", {"x264-params": "cabac=0:bframes=0:8x8dct=0:weightp=0"}),
    "slices, flv": ("flv", "yuv420p", {"x264-params": "keyint=20:slices=4:bframes=0"}),
    "intra refresh": ("mpegts", "yuv420p", {"x264-params": "intra-refresh=1:keyint=30"}),
    "4:4:4": ("matroska", "yuv444p", {"bf": "2"}),
    "interlaced": ("mpegts", "yuv420p", {"x264-params": "interlaced=1:tff=1", "bf": "2"}),
    "scaling matrices": ("mp4", "yuv420p", {"x264-params": "cqm=jvt"}),
}


@pytest.mark.parametrize(("container", "pixels", "options"), CODINGS.values(), ids=CODINGS)
def test_every_missing_reference_picture_is_noticed_and_nothing_else(clips, container, pixels, options):
    file = io.BytesIO()
    with av.open(file, "w", format=container) as out:
        stream = out.add_stream("libx264", rate=25, options={"g": "25", **options})
        stream.width, stream.height, stream.pix_fmt = 160, 120, pixels
        for index in range(60):
            picture = av.VideoFrame.from_ndarray(clips.picture(index), format="bgr24")
            picture.pts, picture.time_base = index, Fraction(1, 25)
            out.mux(stream.encode(picture))
        out.mux(stream.encode(None))
    file.seek(0)
    with av.open(file) as container_:
        stream = container_.streams.video[0]
        packets = [(bytes(packet), packet.is_keyframe) for packet in container_.demux(stream) if packet.size]
        extradata = stream.codec_context.extradata
    numbers = FrameNumbers(extradata)
    assert not any(numbers.gap_before(data) for data, _ in packets)
    missed = 0
    for lost in range(1, len(packets) - 12):  # a gap is seen at the next reference picture
        if packets[lost][1] or packets[lost + 1][1]:
            continue
        units = FrameNumbers(extradata)._units(packets[lost][0])
        others_build_on_it = any(unit[0] >> 5 & 3 for unit in units if unit[0] & 31 in (1, 5))
        numbers = FrameNumbers(extradata)
        gaps = [numbers.gap_before(data) for k, (data, _) in enumerate(packets) if k != lost]
        missed += any(gaps) != others_build_on_it
    assert missed == 0


@given(st.binary(max_size=60), st.lists(st.binary(max_size=80), max_size=4))
def test_rubbish_is_no_error(extradata, pictures):
    for numbers in (FrameNumbers(extradata), FrameNumbers(b"\0\0\1\x67" + extradata), FrameNumbers(b"\1" + extradata)):
        for data in pictures:
            numbers.gap_before(data)
            numbers.gap_before(b"\0\0\1\x67" + data)
            numbers.gap_before(b"\0\0\1\x41" + data)
