"""What Foxglove shows of a result: skeletons and boxes, frames of reference, the camera and its picture.

Its own message schemas as JSON, by the names that it knows them by (https://docs.foxglove.dev/docs/sdk/schemas).
Frames of reference: `<source>/world` is level with z up, x away from the viewer and the floor at z = 0 (ROS, REP 103);
below it are the camera (x right, y down, z away; called as `frame_id` says) and each person's pelvis.
"""

import base64
import json
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
from pymafx_live.core import quaternions
from pymafx_live.core.arrays import Reals
from pymafx_live.core.axes import ROS
from pymafx_live.core.skeleton import PARENTS
from pymafx_live.core.types import Camera, FrameResult, Origin, Person, TrackState

Schema = dict[str, Any]
_LIFETIME = {"sec": 1, "nsec": 0}
"""After which a person is not shown any more of whom nothing is heard."""
_STILL = {"position": {"x": 0, "y": 0, "z": 0}, "orientation": {"x": 0, "y": 0, "z": 0, "w": 1}}
_COLOURS = ((0.24, 0.71, 0.94), (0.98, 0.60, 0.20), (0.47, 0.83, 0.35), (0.93, 0.39, 0.63), (0.97, 0.87, 0.28))
_PRIMITIVES = ("arrows", "cubes", "spheres", "cylinders", "lines", "triangles", "texts", "models")


def scene(result: FrameResult) -> bytes:
    """`foxglove.SceneUpdate`: of everybody the skeleton and the box of the picture, at the pelvis's depth."""
    time = _time(result.captured_at)
    gone = [person for person in result.people if person.state == TrackState.ENDED]
    return _packed({
        "deletions": [{"timestamp": time, "type": 0, "id": str(person.id)} for person in gone],
        "entities": [_entity(person, result, time) for person in result.people if person not in gone],
    })  # fmt: skip


def transforms(result: FrameResult) -> bytes:
    """`foxglove.FrameTransforms`: where the camera stands, and each pelvis."""
    time, camera, world = _time(result.captured_at), frame_of(result), result.world
    root = f"{result.source}/world"
    told = [(root, camera, ROS @ world.rotation, ROS @ world.translation)]
    told += [
        (camera, f"{result.source}/person_{person.id}", person.global_rotation("pelvis"), person.pelvis)
        for person in result.people if person.state != TrackState.ENDED
    ]  # fmt: skip
    turned = quaternions.from_matrices(np.stack([rotation for _, _, rotation, _ in told]))
    return _packed({
        "transforms": [
            {
                "timestamp": time, "parent_frame_id": parent, "child_frame_id": child,
                "translation": _vector(place), "rotation": dict(zip("xyzw", turn.round(6).tolist(), strict=True)),
            }
            for (parent, child, _, place), turn in zip(told, turned, strict=True)
        ]
    })  # fmt: skip


def calibration(result: FrameResult) -> bytes:
    """`foxglove.CameraCalibration`, with which the skeletons are drawn over the picture."""
    camera = result.camera
    K = camera.matrix
    return _packed({
        "timestamp": _time(result.captured_at), "frame_id": frame_of(result),
        "width": camera.width, "height": camera.height,
        "distortion_model": "plumb_bob" if len(camera.distortion) == 5 else "rational_polynomial" if camera.distortion
        else "", "D": list(camera.distortion),
        "K": K.ravel().tolist(), "R": np.eye(3).ravel().tolist(), "P": np.pad(K, ((0, 0), (0, 1))).ravel().tolist(),
    })  # fmt: skip


def image(result: FrameResult, jpeg: bytes) -> bytes:
    """`foxglove.CompressedImage`."""
    return _packed({
        "timestamp": _time(result.captured_at), "frame_id": frame_of(result), "format": "jpeg",
        "data": base64.b64encode(jpeg).decode(),
    })  # fmt: skip


def image_of(message: bytes) -> bytes:
    """The JPEG of a message of `image`. Raises `ValueError`."""
    content = json.loads(message)
    if not isinstance(content, dict) or not isinstance(content.get("data"), str):
        raise ValueError("no picture in it")
    return base64.b64decode(content["data"])


def frame_of(result: FrameResult) -> str:
    """What the camera's frame of reference is called."""
    return result.camera.frame_id or result.source


def _entity(person: Person, result: FrameResult, time: Schema) -> Schema:
    torso = person.parts.get("torso")
    seen = torso is not None and torso.origin == Origin.MEASURED
    colour = dict(zip("rgb", _COLOURS[person.id % len(_COLOURS)], strict=True)) | {"a": 1.0 if seen else 0.4}
    lines = [_line(1, _corners(person, result.camera), colour)]
    if count := len(person.joints):
        lines.append(_line(2, person.joints, colour, _bones(count)))
    above = _vector(person.joints.min(0) if count else person.pelvis)
    text = {
        "pose": _STILL | {"position": above}, "billboard": True, "font_size": 14.0, "scale_invariant": True,
        "color": colour, "text": f"{person.id} {person.state}",
    }  # fmt: skip
    return {
        "timestamp": time, "frame_id": frame_of(result), "id": str(person.id), "lifetime": _LIFETIME,
        "frame_locked": True, "metadata": [], **dict.fromkeys(_PRIMITIVES, ()), "lines": lines, "texts": [text],
    }  # fmt: skip


def _line(kind: int, points: Reals, colour: Schema, indices: list[int] | None = None) -> Schema:
    return {
        "type": kind, "pose": _STILL, "thickness": 2.0, "scale_invariant": True, "color": colour, "colors": (),
        "points": [{"x": x, "y": y, "z": z} for x, y, z in points.astype(np.float64).round(3).tolist()],
        "indices": indices or (),
    }  # fmt: skip


def _corners(person: Person, camera: Camera) -> Reals:
    """The corners (4, 3) of the box, at the depth of the pelvis."""
    x1, y1, x2, y2 = person.box
    corners = np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]])
    rays = (corners - [camera.cx, camera.cy]) / [camera.fx, camera.fy]
    return np.asarray(np.hstack([rays, np.ones((4, 1))]) * max(float(person.pelvis[2]), 0.1))


@cache
def _bones(count: int) -> list[int]:
    """The ends of each bone among so many joints."""
    return [end for joint in range(1, count) for end in (PARENTS[joint], joint)]


def _vector(values: Reals) -> Schema:
    return dict(zip("xyz", np.asarray(values, np.float64).round(4).tolist(), strict=True))


def _time(seconds: float) -> Schema:
    nanoseconds = nanos(seconds)
    return {"sec": nanoseconds // 10**9, "nsec": nanoseconds % 10**9}


def nanos(seconds: float) -> int:
    """Seconds as the nanoseconds that MCAP counts, 0 for what it cannot."""
    return min(round(seconds * 1e9), 2**63) if seconds > 0 and np.isfinite(seconds) else 0


def _packed(content: Schema) -> bytes:
    return json.dumps(content, separators=(",", ":"), allow_nan=False).encode()


def schemas() -> Mapping[str, bytes]:
    """JSON Schemas of the messages above by their names, with the fields of Foxglove's own."""
    number, text, truth, whole = ({"type": kind} for kind in ("number", "string", "boolean", "integer"))
    nanoseconds: Schema = {"type": "integer", "minimum": 0, "maximum": 999999999}
    natural: Schema = {"type": "integer", "minimum": 0}
    data = text | {"contentEncoding": "base64"}

    def thing(name: str, **fields: Schema) -> Schema:
        return {
            "title": f"foxglove.{name}", "type": "object", "properties": fields, "required": list(fields)
        }  # fmt: skip

    def many(items: Schema, *count: int) -> Schema:
        return {"type": "array", "items": items} | ({"minItems": count[0], "maxItems": count[0]} if count else {})

    def choice(name: str, *names: str) -> Schema:
        return {"title": f"foxglove.{name}", "oneOf": [{"title": n, "const": k} for k, n in enumerate(names)]}

    time = {"type": "object", "title": "time", "properties": {"sec": natural, "nsec": nanoseconds}}
    lasting = {"type": "object", "title": "duration", "properties": {"sec": whole, "nsec": nanoseconds}}
    vector, point = (thing(name, x=number, y=number, z=number) for name in ("Vector3", "Point3"))
    turn = thing("Quaternion", x=number, y=number, z=number, w=number)
    pose = thing("Pose", position=vector, orientation=turn)
    colour = thing("Color", r=number, g=number, b=number, a=number)
    solid = {"pose": pose, "size": vector}
    mesh = {"points": many(point), "color": colour, "colors": many(colour), "indices": many(natural)}
    entity = thing(
        "SceneEntity", timestamp=time, frame_id=text, id=text, lifetime=lasting, frame_locked=truth,
        metadata=many(thing("KeyValuePair", key=text, value=text)),
        arrows=many(thing("ArrowPrimitive", pose=pose, shaft_length=number, shaft_diameter=number, head_length=number,
                          head_diameter=number, color=colour)),
        cubes=many(thing("CubePrimitive", **solid, color=colour)),
        spheres=many(thing("SpherePrimitive", **solid, color=colour)),
        cylinders=many(thing("CylinderPrimitive", **solid, bottom_scale=number, top_scale=number, color=colour)),
        lines=many(thing("LinePrimitive", type=choice("LineType", "LINE_STRIP", "LINE_LOOP", "LINE_LIST"), pose=pose,
                         thickness=number, scale_invariant=truth, **mesh)),
        triangles=many(thing("TriangleListPrimitive", pose=pose, **mesh)),
        texts=many(thing("TextPrimitive", pose=pose, billboard=truth, font_size=number, scale_invariant=truth,
                         color=colour, text=text)),
        models=many(thing("ModelPrimitive", pose=pose, scale=vector, color=colour, override_color=truth, url=text,
                          media_type=text, data=data)),
    )  # fmt: skip
    deletion = thing(
        "SceneEntityDeletion", timestamp=time, type=choice("SceneEntityDeletionType", "MATCHING_ID", "ALL"), id=text
    )
    transform = thing(
        "FrameTransform", timestamp=time, parent_frame_id=text, child_frame_id=text, translation=vector, rotation=turn
    )
    made = (
        thing("SceneUpdate", deletions=many(deletion), entities=many(entity)),
        thing("FrameTransforms", transforms=many(transform)),
        thing("CompressedImage", timestamp=time, frame_id=text, data=data, format=text),
        thing("CameraCalibration", timestamp=time, frame_id=text, width=natural, height=natural, distortion_model=text,
              D=many(number), K=many(number, 9), R=many(number, 9), P=many(number, 12)),
    )  # fmt: skip
    return {schema["title"]: _packed(schema) for schema in made}
