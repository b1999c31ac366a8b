import itertools
import logging
import os
import re
import struct
import time
import zlib
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from pymafx_live.core.errors import SourceError, UsageError
from pymafx_live.pipeline.sources import SOURCES
from pymafx_live.pipeline.sources.files import FileReader
from support.watching import frames_of, wait_until


def test_a_file_gives_every_frame_in_order(clips, opened):
    source = opened(clips.write(count=30, fps=25))
    frames = list(source)
    assert [clips.number(frame.image) for frame in frames] == list(range(30))
    assert [frame.sequence for frame in frames] == list(range(30))
    assert [frame.time for frame in frames] == pytest.approx([n / 25 for n in range(30)])
    assert not any(frame.dropped or frame.cut for frame in frames)
    assert {frame.nominal_fps for frame in frames} == {25.0}
    assert (len(source), source.live, source.name) == (30, False, "clip.mp4")


def test_a_file_waits_for_a_slow_loop(clips, opened):
    numbers = []
    for frame in opened(clips.write(count=6, fps=100)):
        time.sleep(0.05)
        numbers.append(clips.number(frame.image))
    assert numbers == list(range(6))


def test_a_file_in_real_time_loses_what_a_slow_loop_misses_and_says_so(clips, opened):
    source = opened(clips.write(count=30, fps=50), realtime=True)
    frames = []
    for frame in frames_of(source):
        frames.append(frame)
        time.sleep(0.1)
    numbers = [clips.number(frame.image) for frame in frames]
    assert source.live
    assert numbers == [frame.sequence for frame in frames] == sorted(set(numbers))
    assert len(frames) < 30
    assert [frame.dropped for frame in frames] == [n - i for i, n in enumerate(numbers)]
    assert numbers[-1] == 29  # the newest wins to the end


def test_no_more_frames_are_looked_at_than_asked_for(clips, opened):
    """What a live source sends beyond that is as never sent: it leaves no gap, and counts as dropped by nobody."""
    began = time.monotonic()
    frames = list(frames_of(opened(clips.write(count=100, fps=50), realtime=True, max_fps=10.0)))
    numbers = [clips.number(frame.image) for frame in frames]
    assert [frame.sequence - frame.dropped for frame in frames] == list(range(len(frames)))
    assert len(frames) <= (time.monotonic() - began) * 10 + 2
    assert numbers == sorted(set(numbers))


def test_a_damaged_frame_is_left_out_counted_and_told_once(clips, opened, caplog):
    file = clips.write("clip.avi", count=12, codec="png")
    data = bytearray(file.read_bytes())
    images = [found.start() for found in re.finditer(b"\x89PNG", data)]
    assert len(images) == 12
    for damaged in (4, 7):
        data[images[damaged] + 16 : images[damaged] + 24] = bytes(8)  # its width and height
    file.write_bytes(data)
    with caplog.at_level(logging.WARNING):
        frames = list(opened(file))
    assert [clips.number(frame.image) for frame in frames] == [0, 1, 2, 3, 5, 6, 8, 9, 10, 11]
    assert [frame.dropped for frame in frames] == [0, 0, 0, 0, 1, 1, 2, 2, 2, 2]
    assert [frame.sequence for frame in frames] == [0, 1, 2, 3, 5, 6, 8, 9, 10, 11]
    assert [record.getMessage().count("damaged") for record in caplog.records] == [1]


def test_damage_between_key_frames_does_not_end_a_video(clips, opened):
    file = clips.write("clip.ts", count=40)
    data = bytearray(file.read_bytes())
    rng = np.random.default_rng(1)
    for at in rng.integers(len(data) // 3, len(data) // 2, 40):
        data[at] ^= 0xFF
    file.write_bytes(data)
    frames = list(opened(file))
    numbers = [clips.number(frame.image) for frame in frames]
    assert numbers[:10] == list(range(10))
    assert numbers[-20:] == list(range(20, 40))


def test_a_changed_size_goes_on_as_a_cut_with_its_own_camera(clips, opened):
    small, large = clips.write("a.ts", count=5), clips.write("b.ts", count=5, size=(320, 200), first=5)
    joined = clips.folder / "joined.ts"
    joined.write_bytes(small.read_bytes() + large.read_bytes())
    frames = list(opened(joined))
    assert [clips.number(frame.image) for frame in frames] == list(range(10))
    assert [frame.cut for frame in frames] == [n == 5 for n in range(10)]
    assert [frame.camera.width for frame in frames] == [160] * 5 + [320] * 5
    times = [frame.time for frame in frames]
    assert times == sorted(set(times))  # although the second recording's clock begins anew


def test_a_video_whose_clock_stands_still_goes_on_by_how_long_each_frame_is_shown(tmp_path, opened):
    file = tmp_path / "cut.mkv"
    with av.open(str(file), "w") as container:
        stream = container.add_stream("mpeg4", rate=12)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        for i in range(5):
            picture = av.VideoFrame.from_ndarray(np.full((120, 160, 3), 40 * i, np.uint8), format="rgb24")
            for packet in stream.encode(picture):
                packet.pts = packet.dts = 0
                container.mux(packet)
    times = [frame.time for frame in opened(file)]
    assert np.diff(times) == pytest.approx(np.full(4, 1 / 12), abs=1e-3)


PEOPLE = Path(__file__).parents[1] / "data"
QUARTER = {
    "filmed upright": ((0, 1, -1, 0), lambda image: cv2.rotate(image, cv2.ROTATE_90_CLOCKWISE)),
    "on its head": ((-1, 0, 0, -1), lambda image: cv2.rotate(image, cv2.ROTATE_180)),
    "mirrored": ((-1, 0, 0, 1), lambda image: image[:, ::-1]),
    "mirrored upside down": ((1, 0, 0, -1), lambda image: image[::-1]),
    "turned and mirrored": ((0, 1, 1, 0), lambda image: image.swapaxes(0, 1)),
}


@pytest.mark.parametrize(("matrix", "shown"), QUARTER.values(), ids=QUARTER)
def test_a_video_comes_as_a_player_shows_it(clips, opened, matrix, shown):
    """The expected pictures are what QuickTime's format says of the matrix: a row (x, y) times it is where it goes."""
    file = clips.write(count=2)
    data = bytearray(file.read_bytes())
    at = data.index(b"tkhd") + 4 + 40  # the track's matrix: (a, b, u, c, d, v, x, y, w)
    a, b, c, d = (value << 16 for value in matrix)
    data[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    file.write_bytes(data)
    image = next(iter(opened(file))).image
    expected = shown(clips.picture(0))
    assert image.shape == expected.shape
    assert np.abs(image.astype(int) - expected).mean() < 8


def encoded(stream, image: np.ndarray) -> list:
    return [*stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")), *stream.encode()]


def test_a_cover_picture_and_a_preview_are_not_the_film(clips, opened, tmp_path):
    file = tmp_path / "clip.mp4"
    with av.open(str(file), "w") as container:
        for size, cover in (((80, 60), False), ((640, 480), True), ((160, 120), False)):
            stream = container.add_stream("png" if cover else "mpeg4", rate=25)
            (stream.width, stream.height), stream.pix_fmt = size, "rgb24" if cover else "yuv420p"
            if cover:
                stream.disposition = av.stream.Disposition.attached_pic
        for stream in container.streams.video:
            for packet in encoded(stream, clips.picture(1, (stream.width, stream.height))):
                container.mux(packet)
    assert [frame.image.shape for frame in opened(file)] == [(120, 160, 3)]


def test_pixels_are_square_however_they_are_stored(clips, opened, tmp_path):
    file = tmp_path / "clip.mp4"
    with av.open(str(file), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 120, 120, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(4, 3)
        for packet in encoded(stream, cv2.resize(clips.picture(5), (120, 120))):
            container.mux(packet)
    source = opened(file)
    assert source.size == (160, 120)
    (frame,) = source
    assert frame.image.shape == (120, 160, 3)
    assert np.abs(frame.image.astype(int) - clips.picture(5)).mean() < 10
    assert frame.camera.fx == frame.camera.fy


def test_close_ends_the_reading_of_a_long_file(clips, opened):
    source = opened(clips.write(count=200))
    next(iter(source))
    source.close()
    assert not source._session.alive


@pytest.fixture
def no_video(tmp_path: Path) -> Path:
    file = tmp_path / "sound.wav"
    with av.open(str(file), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        sound.sample_rate = 8000
        container.mux(stream.encode(sound))
    return file


def test_a_missing_file(opened, tmp_path):
    with pytest.raises(SourceError, match=r"there is no file .*nowhere\.mp4: check the path"):
        opened(tmp_path / "nowhere.mp4")


def test_an_empty_file(opened, tmp_path):
    (tmp_path / "empty.mp4").touch()
    with pytest.raises(SourceError, match=r"empty\.mp4 is empty: give another file"):
        opened(tmp_path / "empty.mp4")


def test_a_file_that_is_no_video(opened, tmp_path):
    (tmp_path / "notes.mp4").write_text("not a video")
    with pytest.raises(SourceError, match=r"notes\.mp4 is not a video that FFmpeg can read"):
        opened(tmp_path / "notes.mp4")


def test_a_file_without_pictures(opened, no_video):
    with pytest.raises(SourceError, match=r"sound\.wav holds no video stream"):
        opened(no_video)


def test_a_video_without_a_single_good_frame(clips, opened):
    file = clips.write("clip.avi", count=3, codec="png")
    file.write_bytes(file.read_bytes().replace(b"\x89PNG", b"\0\0\0\0"))
    with pytest.raises(SourceError, match="holds no frame that can be decoded"):
        list(opened(file))


def test_images_come_in_natural_order_and_each_is_a_cut(clips, opened):
    for number in (10, 2, 1):
        cv2.imwrite(str(clips.folder / f"{number}.png"), clips.picture(number))
    (clips.folder / "notes.txt").write_text("no image")
    for uri in (clips.folder, clips.folder / "*.png"):
        source = opened(uri)
        frames = list(source)
        assert [clips.number(frame.image) for frame in frames] == [1, 2, 10]
        assert all(frame.cut for frame in frames)
        assert len(source) == 3


def test_images_are_a_sequence_where_a_rate_is_given(clips, opened):
    for number in range(4):
        cv2.imwrite(str(clips.folder / f"{number}.png"), clips.picture(number))
    frames = list(opened(clips.folder, image_fps=20))
    assert [frame.time for frame in frames] == pytest.approx([0, 0.05, 0.1, 0.15])
    assert {frame.nominal_fps for frame in frames} == {20.0}
    assert not any(frame.cut for frame in frames)


def claiming(width: int, height: int) -> bytes:
    """A PNG whose header says that it is so large, and nothing else."""
    header = b"IHDR" + struct.pack(">2I5B", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))


def test_an_image_that_is_damaged_is_left_out_and_named_and_the_others_go_on(clips, opened, caplog):
    for number in range(5):
        cv2.imwrite(str(clips.folder / f"{number}.png"), clips.picture(number))
    (clips.folder / "1.png").write_bytes(b"no image")
    (clips.folder / "2.png").write_bytes(b"")
    (clips.folder / "3.png").write_bytes(claiming(40_000, 40_000))
    for uri in (clips.folder, clips.folder / "*.png"):
        caplog.clear()
        frames = []
        with pytest.raises(SourceError, match=r"3 of the 5 images of .* left out \(1\.png, 2\.png, 3\.png\): replace"):
            frames.extend(opened(uri))
        frames = list(frames_of(opened(uri)))
        assert [(clips.number(frame.image), frame.dropped) for frame in frames] == [(0, 0), (4, 3)]
        said = [record.getMessage() for record in caplog.records]
        assert all(sum(f"/{name} is damaged" in one for one in said) == 2 for name in ("1.png", "2.png", "3.png"))


def test_the_last_image_counts_although_an_earlier_one_is_damaged(clips, opened):
    """It waits to be taken when the error that tells of the other one comes."""
    (clips.folder / "0.png").write_bytes(b"no image")
    cv2.imwrite(str(clips.folder / "1.png"), clips.picture(7))
    source = opened(clips.folder)
    wait_until(lambda: source._session.slot.ended)
    numbers = []
    with pytest.raises(SourceError, match=r"1 of the 2 images of .* left out \(0\.png\)"):
        numbers.extend(clips.number(frame.image) for frame in source)
    assert numbers == [7]


def test_only_damaged_images(opened, tmp_path):
    (tmp_path / "photo.jpg").write_bytes(b"no image")
    with pytest.raises(SourceError, match=r"photo\.jpg holds no image that can be decoded"):
        list(opened(tmp_path / "photo.jpg"))


@pytest.mark.parametrize(
    ("uri", "sentence"),
    [
        ("nowhere.jpg", "there is no image .*nowhere.jpg"),
        ("*.jpg", r"no image matches .*\*\.jpg"),
        ("", "the folder .* holds no image"),
    ],
)
def test_no_image(opened, tmp_path, uri, sentence):
    with pytest.raises(SourceError, match=sentence):
        opened(tmp_path / uri)


def test_photos_have_no_real_time(opened, tmp_path):
    with pytest.raises(UsageError, match="give --image-fps 25 too"):
        opened(tmp_path, realtime=True)


class Backwards(FileReader):
    """A video from its end, a source as somebody else may bring it."""

    @classmethod
    def of(cls, settings):
        return cls(Path(settings.uri.removeprefix("backwards:")))

    def shots(self):
        times, shots = zip(*[(shot.time, shot) for shot in super().shots()], strict=True)
        return (replace(shot, time=time) for time, shot in zip(times, reversed(shots), strict=True))


def test_a_source_of_ones_own_is_a_class_and_a_line(clips, opened, monkeypatch):
    monkeypatch.setitem(SOURCES, "backwards", f"{__name__}:Backwards")
    source = opened(f"backwards:{clips.write(count=5)}")
    assert [clips.number(frame.image) for frame in source] == [4, 3, 2, 1, 0]


def test_a_file_is_found_whatever_it_is_called(clips, opened, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    plain = clips.write(count=2)
    odd = os.fsdecode(b"caf\xe9.mp4")
    for name in ("a:b.mp4", "rtsp:c.mp4", "clip[1].mp4", "per cent%20#1?.mp4", odd):
        file = tmp_path / name
        file.write_bytes(plain.read_bytes())
        ways = [file.as_uri(), f"file://localhost{file.as_uri()[7:]}", "FILE" + file.as_uri()[4:]]
        ways += (
            [] if name == odd else [str(file), f"~/{name}"]
        )  # settings are text, in which an address can hold any byte
        for uri in ways:
            assert [clips.number(frame.image) for frame in opened(uri)] == [0, 1], uri
    opened((tmp_path / odd).as_uri()).name.encode()  # it can be sent
    with pytest.raises(UsageError, match="is on another machine"):
        opened("file://elsewhere/clip.mp4")


def test_images_in_a_folder_whose_name_has_brackets(clips, opened, tmp_path):
    folder = tmp_path / "run[2]"
    folder.mkdir()
    for number in range(2):
        cv2.imwrite(str(folder / f"{number}.png"), clips.picture(number))
    for uri in (folder, folder / "*.png", folder / "1.png"):
        assert clips.number(list(opened(uri))[-1].image) == 1


@pytest.mark.parametrize(("rotate", "mirror"), list(itertools.product((0, 90, 180, 270), (False, True))))
def test_a_camera_that_hangs_another_way(clips, opened, rotate, mirror):
    source = opened(clips.write(count=1), rotate=rotate, mirror=mirror)
    frame = next(iter(source))
    assert source.size == (frame.image.shape[1], frame.image.shape[0])
    turn = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}
    expected = cv2.rotate(clips.picture(0), turn[rotate]) if rotate else clips.picture(0)
    expected = cv2.flip(expected, 1) if mirror else expected
    assert frame.image.shape == expected.shape and frame.image.flags["C_CONTIGUOUS"]
    assert np.abs(frame.image.astype(int) - expected).mean() < 8
    assert (frame.camera.height, frame.camera.width) == expected.shape[:2]


def test_another_shot_in_the_same_file_is_a_cut(tmp_path, opened):
    """Three shots of the demo and a photo, joined; in and out of black, or brighter, the film is the same."""
    demo = [frame.image for frame in itertools.islice(opened("demo"), 0, 60, 2)]
    photo = cv2.resize(cv2.imread(str(PEOPLE / "hopper.jpg")), demo[0].shape[1::-1])
    other = [np.roll(photo, shift, 1) for shift in range(0, 40, 4)]
    black = [np.zeros_like(photo)] * 3
    brighter = [np.clip(image * 1.8, 0, 255).astype(np.uint8) for image in demo[20:]]
    shots = [demo[:10], other, demo[10:20] + brighter + black + brighter, other]
    file = tmp_path / "joined.mp4"
    with av.open(str(file), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "18"})
        stream.height, stream.width = photo.shape[:2]
        stream.pix_fmt = "yuv420p"
        for image in itertools.chain(*shots):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        container.mux(stream.encode())
    cuts = [frame.sequence for frame in opened(file) if frame.cut]
    assert cuts == list(itertools.accumulate(len(shot) for shot in shots[:-1]))


def test_a_file_that_is_played_again_and_again(clips, opened):
    source = opened(clips.write(count=7, fps=25), loop=True)
    assert len(source) == 0
    frames = list(itertools.islice(source, 20))
    assert [clips.number(frame.image) for frame in frames] == [*range(7)] * 2 + [*range(6)]
    assert [frame.sequence for frame in frames] == list(range(20))
    assert [n for n, frame in enumerate(frames) if frame.cut] == [7, 14]
    assert [frame.time for frame in frames] == pytest.approx([n / 25 for n in range(20)], abs=1e-3)
    assert {frame.dropped for frame in frames} == {0}


def test_a_picture_that_stands_in_for_a_camera(clips, opened):
    """With --realtime --image-fps it goes on at that pace, and is one scene; photos are each a cut."""
    cv2.imwrite(str(clips.folder / "photo.png"), clips.picture(3))
    cv2.imwrite(str(clips.folder / "other.png"), clips.picture(4))
    photo = clips.folder / "photo.png"
    still = list(itertools.islice(frames_of(opened(photo, loop=True, realtime=True, image_fps=100)), 5))
    assert [clips.number(frame.image) for frame in still] == [3] * 5
    assert not any(frame.cut for frame in still)
    assert all(a.time < b.time for a, b in itertools.pairwise(still))
    assert all(frame.cut for frame in itertools.islice(opened(photo, loop=True), 3))
    several = list(itertools.islice(opened(clips.folder, loop=True, image_fps=25), 5))
    assert [(clips.number(f.image), f.cut) for f in several] == [(4, 0), (3, 0), (4, 1), (3, 0), (4, 1)]
    with pytest.raises(UsageError, match=r"--realtime needs a pace .* --image-fps 25 too, and --loop to go on"):
        opened(photo, realtime=True)


def test_what_cannot_be_played_again(clips, opened):
    with pytest.raises(UsageError, match=r"--loop plays files and pictures again, and camera9 has no end: leave it"):
        opened(9, loop=True)
    (clips.folder / "notes.mp4").write_text("no video")
    with pytest.raises(SourceError, match=r"notes\.mp4 is not a video"):
        opened(clips.folder / "notes.mp4", loop=True)


def test_of_a_live_source_no_more_frames_are_taken_than_are_wished(clips, opened):
    """Their numbers have no gaps, as none was dropped; a file that is not live gives all."""
    file = clips.write(count=60, fps=50)
    few = list(frames_of(opened(file, realtime=True, max_fps=10)))
    assert 0 < len(few) < (few[-1].captured - few[0].captured) * 10 + 2.01
    assert [frame.sequence - frame.dropped for frame in few] == list(range(len(few)))
    assert len(list(frames_of(opened(file, max_fps=10)))) == 60
