"""What of an address may be shown, whatever its password is."""

import re
import string
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pymafx_live.core.addresses import Secrets, escaped, masked

passwords = st.text(string.ascii_letters + string.digits + string.punctuation, min_size=6, max_size=20)


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("rtsp://admin:secret@10.0.0.5:554/ch1?token=abc", "rtsp://10.0.0.5:554/ch1"),
        ("RTSP://10.0.0.5/ch1", "rtsp://10.0.0.5/ch1"),
        ("rtsp://admin:p@ss#w/o[rd@cam.local/stream1", "rtsp://cam.local/stream1"),
        ("rtsp://admin:what?@cam.local/stream1", "rtsp://…"),
        ("rtsp://cam/user=admin&password=secret&channel=1", "rtsp://cam/…"),
        ("rtmp://host/live/9f8e-7d6c", "rtmp://host/live/…"),
        ("http://[fe80::1]:8080/video", "http://[fe80::1]:8080/video"),
        ("https://host/hls/6f1ed002ab5595859014ebf0951522d9/index.m3u8", "https://host/hls/…/index.m3u8"),
        ("ipc:///run/user/1000/live.sock", "ipc:///run/user/1000/live.sock"),
        ("tcp://*:5555", "tcp://*:5555"),
        ("clip.mp4", "clip.mp4"),
        ("0", "0"),
    ],
)
def test_an_address_is_shown_without_its_secrets(address: str, shown: str) -> None:
    assert masked(address) == shown


@given(passwords)
def test_no_password_is_shown_in_any_text(password: str) -> None:
    address = f"rtsp://admin:{password}@cam.local:554/stream1"
    assume(password not in "rtsp://cam.local:554/stream1 cannot be opened: ")
    secrets = Secrets()
    secrets.learn(address)
    assert password not in masked(address)
    for text in (f"{address} cannot be opened", f"no '{escaped(address)}' here", f"user admin:{password} is unknown"):
        assert password not in secrets.hide(text)


@given(passwords)
def test_an_address_that_nobody_told_of_is_hidden_too_where_it_is_written_as_one(password: str) -> None:
    written = escaped(f"rtsp://admin:{password}@cam.local/stream1")
    assume(len(unquote(password)) > 5 and password not in "rtsp://cam.local/stream1")
    assert password not in Secrets().hide(f"cannot open {written!r}")


@given(passwords)
def test_what_ffmpeg_is_given_has_the_same_password_and_host(password: str) -> None:
    assume("%" not in password and not re.search(r"@[\w.]+(/[^?]*)?\?", password))  # that is a host with a query
    parts = urlsplit(escaped(f"rtsp://admin:{password}@cam.local:554/stream1"))
    assert (unquote(parts.password or ""), parts.hostname, parts.port) == (password, "cam.local", 554)


def test_a_password_that_is_no_text_is_escaped_byte_by_byte():
    assert escaped(b"rtsp://a:p\xffw@host/x".decode(errors="surrogateescape")) == "rtsp://a:p%FFw@host/x"


@pytest.mark.parametrize("scheme", ["rtsp:/", "rtsp ://", "rtsp;//", "://", "", "rt!://"])
def test_a_password_is_hidden_where_the_scheme_is_mistyped(scheme):
    shown = Secrets().hide(f"there is no file {scheme}admin:s3cret!@192.168.1.20/x: check the path given as --source")
    assert "s3cret" not in shown and "…" in shown
    assert shown.startswith("there is no file ") and shown.endswith(": check the path given as --source")


def test_what_is_no_login_stays():
    text = "line 3: the clock 12:30:01 of a@b.org, C:\\clips\\a.mp4: see docs/x.md#y"
    assert Secrets().hide(text) == text
