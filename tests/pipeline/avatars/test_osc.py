"""OSC's bytes, read by osc4py3 and python-osc."""

from hypothesis import given
from hypothesis import strategies as st
from osc4py3 import oscbuildparse
from pymafx_live.pipeline.avatars import osc
from pythonosc.osc_message import OscMessage
from pythonosc.osc_packet import OscPacket

arguments = st.lists(
    st.one_of(st.integers(-(2**31), 2**31 - 1), st.floats(width=32, allow_nan=False), st.text("abcäöü_ ", max_size=9))
)


@given(arguments)
def test_others_read_a_message(values):
    data = osc.message("/VMC/Ext/OK", *values)
    assert len(data) % 4 == 0
    assert OscMessage(data).params == values
    if all((isinstance(v, str) and v.isascii()) or not isinstance(v, str) for v in values):  # osc4py3 knows ASCII only
        assert list(oscbuildparse.decode_packet(data).arguments) == values


@given(st.lists(st.integers(0, 2000), min_size=1, max_size=60))
def test_bundles_keep_the_order_and_the_limit(sizes):
    messages = [osc.message(f"/{k}", "x" * size) for k, size in enumerate(sizes)]
    packets = osc.bundles(messages)
    read = [m.message.address for data in packets for m in OscPacket(data).messages]
    assert read == [f"/{k}" for k in range(len(sizes))]
    single = [data for data in packets if len(OscPacket(data).messages) == 1]
    assert all(len(data) <= osc.LARGEST for data in packets if data not in single)
