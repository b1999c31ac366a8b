"""Prints the people of pymafx-live and draws their heads and pelvises; needs pyzmq and msgpack, nothing of pymafx-live.

python subscriber.py tcp://127.0.0.1:5555 last.ppm
"""

import math
import sys
import time
from pathlib import Path

import msgpack
import zmq

SHOULDER, ELBOW, WRIST, HEAD = 16, 18, 20, 15  # left ones; docs/skeleton.md has them all


def angle(a, b):
    """Degrees between two vectors."""
    cosine = sum(x * y for x, y in zip(a, b, strict=True)) / math.hypot(*a) / math.hypot(*b)
    return math.degrees(math.acos(max(-1.0, min(1.0, cosine))))


def minus(a, b):
    """The vector from b to a."""
    return [x - y for x, y in zip(a, b, strict=True)]


def described(person):
    """One person as text. What is not there prints as a dash."""
    place = elbow = "-"
    if "measured_at" in person["parts"]["transl"]:  # or else the zeros mean nothing
        place = " ".join(f"{value:.3f}" for value in person["pelvis"])
    if "joints" in person:
        joints = person["joints"]
        elbow = f"{angle(minus(joints[ELBOW], joints[SHOULDER]), minus(joints[WRIST], joints[ELBOW])):.1f}"
    measured = sorted(name for name, part in person["parts"].items() if part["origin"] == "measured")
    return f"{person['id']} {person['state']} at {place} elbow {elbow} measured {','.join(measured) or '-'}"


def dot(picture, camera, point, colour):
    """A disc of nine pixels where a point of the camera's frame is seen; lens distortion is left out."""
    x, y, z = point
    if z <= 0:
        return
    column = math.floor(camera["fx"] * x / z + camera["cx"] + 0.5)
    row = math.floor(camera["fy"] * y / z + camera["cy"] + 0.5)
    for v in range(row - 4, row + 5):
        for u in range(column - 4, column + 5):
            inside = 0 <= u < camera["width"] and 0 <= v < camera["height"]
            if inside and (u - column) ** 2 + (v - row) ** 2 <= 16:
                start = 3 * (v * camera["width"] + u)
                picture[start : start + 3] = colour


def drawn(result):
    """A black picture (PPM) with white heads and green pelvises."""
    camera = result["camera"]
    picture = bytearray(3 * camera["width"] * camera["height"])
    for person in result["people"]:
        if "joints" in person:
            dot(picture, camera, person["joints"][HEAD], b"\xff\xff\xff")
            dot(picture, camera, person["pelvis"], b"\x00\xff\x00")
    return b"P6 %d %d 255\n" % (camera["width"], camera["height"]) + picture


def main(address, file):
    """Reads until a source has ended. (To act on the newest only, set CONFLATE and subscribe to one source.)"""
    socket = zmq.Context.instance().socket(zmq.SUB)
    socket.connect(address)
    socket.subscribe("smplx/")
    socket.subscribe("status/")
    while True:
        topic, _, body = socket.recv().partition(b"\0")
        content = msgpack.unpackb(body)
        if content["version"] != 1:
            sys.exit(f"version {content['version']} is not known here")
        if topic.startswith(b"status/"):
            print(f"{content['source']} is {content['state']} {content['reason']}".strip(), flush=True)
            if content["state"] in ("ended", "failed"):
                return
            continue
        age = time.time() - content["captured_at"]
        people = "; ".join(described(person) for person in content["people"]) or "nobody"
        print(f"{content['source']} #{content['sequence']} age {age:.3f} s: {people}", flush=True)
        if content["people"]:
            Path(file).write_bytes(drawn(content))


main(*sys.argv[1:])
