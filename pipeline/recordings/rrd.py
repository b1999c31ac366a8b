"""What Rerun (https://rerun.io) shows of results, in its viewer (`--rerun`) or in a file of its (`.rrd`).

    <source>                          the level world: y up, metres, the floor at 0 (`core/world.py`)
    <source>/camera                   where the camera stands, its lens, and the picture
    <source>/camera/boxes             everybody's box in the picture
    <source>/people/<id>/skeleton     the joints, by name, in the world
    <source>/people/<id>/mesh         the embedded body, in the world
    <source>/timing/<stage>           milliseconds of each stage, and the age
    <source>/status                   what becomes of the source

Everything is on two timelines: `time`, the source's own, and `captured`, when the frame was taken.
"""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from pymafx_live.core.arrays import Reals
from pymafx_live.core.errors import UsageError
from pymafx_live.core.files import whole_files
from pymafx_live.core.skeleton import JOINT_NAMES, PARENTS
from pymafx_live.core.types import Camera, Frame, FrameResult, Person, SourceEvent, SourceState, TrackState
from pymafx_live.core.world import World
from pymafx_live.engines.body.model import BodyModel
from pymafx_live.engines.body.overlay import colour_of, is_guess
from pymafx_live.pipeline.mailbox import Item
from pymafx_live.pipeline.recordings import Place
from pymafx_live.pipeline.recordings.glb import normals
from pymafx_live.pipeline.recordings.journal import Clock, jpeg
from pymafx_live.pipeline.writing import writing

MESHES = 5.0
"""Meshes of each person in a second of a file, of 126 kB each; the rest is there of every frame."""
_WRITTEN = 100
"""Results after which what Rerun has encoded is written."""
_JOINT, _PLANE = 0.012, 0.5
"""Metres, the radius of a joint; and how far from the camera its picture is shown."""
_LIGHT = np.array([0.4, 0.8, 0.6])
"""In the body's own axes: x left, y up, z forward."""
_PIXEL = 0.5
"""Rerun's pixels begin at 0, ours have their centre there (https://github.com/rerun-io/rerun/issues/3896)."""
_SHOWN = (TrackState.NEW, TrackState.TRACKED, TrackState.LOST)


def load_rerun(what: str) -> Any:
    """The library; it opens no connection and writes nothing on its own. Raises `UsageError`: it is missing, or off."""
    os.environ.setdefault("RUST_LOG", "off")  # it writes to the terminal what is told here as a sentence
    try:
        import rerun
    except ImportError as error:
        raise UsageError(f"{what} needs the extra `rerun`: python -m pip install 'pymafx-live[rerun]'") from error
    if not rerun.is_enabled(rerun.RecordingStream("pymafx-live")):  # it would write nothing, and say nothing
        raise UsageError(f"{what} needs Rerun, which RERUN in the environment switches off: unset it")
    rerun.set_strict_mode(True)
    rerun.unregister_shutdown()  # at the end it would wait without end for a viewer that hangs
    return rerun


class Scene:
    """Logs results to a recording stream of Rerun; all calls on one thread."""

    def __init__(self, rerun: Any, rate: float, pictures: float = np.inf) -> None:
        """So many meshes of each person, and pictures, of each second of a source are logged at most."""
        self._rerun = rerun
        self.stream = rerun.RecordingStream("pymafx-live")
        self.stream.set_log_tick_enabled(False)
        self.stream.set_log_time_enabled(False)
        self._body = BodyModel.embedded()
        self._shade = _shade(self._body)
        self._clock = Clock()
        self._sources: dict[str, _Source] = {}
        self._rates = {"mesh": rate, "picture": pictures}

    def show(self, result: FrameResult, frame: Frame | None) -> None:
        """Logs a result and its frame."""
        source = self._source(result)
        self._at(result)
        self._camera(source, result)
        if frame is not None and source.due("picture", result.time, self._rates["picture"]):
            picture = self._rerun.EncodedImage(contents=jpeg(frame), media_type="image/jpeg")
            self.stream.log(f"{source.path}/camera", picture)
        people = [person for person in result.people if person.state in _SHOWN]
        self._boxes(source, people)
        for gone in source.shown - {person.id for person in people}:
            self.stream.log(f"{source.path}/people/{gone}", self._rerun.Clear(recursive=True))
        source.shown = {person.id for person in people}
        for person in people:
            self._skeleton(source, person, result.world)
        placed = [person for person in people if len(person.joints) and not is_guess(person)]
        if placed and source.due("mesh", result.time, self._rates["mesh"]):
            self._meshes(source, placed, result.world)
        spent = {} if result.final else {**result.stages, "age": result.age}
        for name, seconds in spent.items():
            path = f"{source.path}/timing/{self._rerun.escape_entity_path_part(name)}"
            self.stream.log(path, self._rerun.Scalars(1e3 * seconds))

    def tell(self, event: SourceEvent) -> None:
        """Logs an event."""
        path = self._rerun.new_entity_path([event.source])
        self.stream.set_time("captured", timestamp=np.datetime64(self._clock.now(event), "ns"))
        bad = event.state in (SourceState.FAILED, SourceState.STALLED, SourceState.RECONNECTING)
        text = f"{event.state}: {event.reason}" if event.reason else str(event.state)
        self.stream.log(f"{path}/status", self._rerun.TextLog(text, level="WARN" if bad else "INFO"))

    def _at(self, result: FrameResult) -> None:
        self.stream.set_time("time", duration=np.timedelta64(round(result.time * 1e9), "ns"))
        self.stream.set_time("captured", timestamp=np.datetime64(self._clock.of(result), "ns"))

    def _source(self, result: FrameResult) -> "_Source":
        """What is remembered of the source of a result; the views are laid out anew where it is a new one."""
        if result.source not in self._sources:
            if not self._sources:
                self.stream.send_recording_name(result.source)
                self.stream.send_recording_start_time_nanos(self._clock.of(result))
            source = self._sources[result.source] = _Source(self._rerun.new_entity_path([result.source]))
            self.stream.log(source.path, self._rerun.ViewCoordinates.RIGHT_HAND_Y_UP, static=True)
            self.stream.send_blueprint(self._layout())
        return self._sources[result.source]

    def _layout(self) -> Any:
        """Of each source the world, the picture and the timings."""
        views = self._rerun.blueprint
        eye = views.EyeControls3D(position=[1.5, 2.5, 2.0], look_target=[0, 1, -3])
        floor = views.LineGrid3D(visible=True, plane=self._rerun.components.Plane3D.ZX, spacing=0.5)
        rows = [
            views.Horizontal(
                views.Spatial3DView(name=name, origin=source.path, line_grid=floor, eye_controls=eye),
                views.Vertical(
                    views.Spatial2DView(
                        name="picture", origin=f"{source.path}/camera",
                        contents=["$origin/**", f"{source.path}/people/**"],
                    ),
                    views.TimeSeriesView(name="milliseconds", origin=f"{source.path}/timing"),
                    row_shares=[2, 1],
                ),
                column_shares=[3, 2], name=name,
            )
            for name, source in self._sources.items()
        ]  # fmt: skip
        panel = views.TimePanel(timeline="time" if len(rows) == 1 else "captured")
        return views.Blueprint(rows[0] if len(rows) == 1 else views.Tabs(*rows), panel)

    def _camera(self, source: "_Source", result: FrameResult) -> None:
        camera, world = result.camera, result.world
        path = f"{source.path}/camera"
        if source.camera != camera:
            source.camera = camera
            K = camera.matrix
            K[:2, 2] += _PIXEL
            self.stream.log(path, self._rerun.Pinhole(
                image_from_camera=K, width=camera.width, height=camera.height,
                camera_xyz=self._rerun.ViewCoordinates.RDF, image_plane_distance=_PLANE,
            ))  # fmt: skip
        stands = np.append(world.rotation, world.translation)
        if source.stands is None or not np.array_equal(source.stands, stands):
            source.stands = stands
            self.stream.log(path, self._rerun.Transform3D(translation=world.translation, mat3x3=world.rotation))

    def _boxes(self, source: "_Source", people: list[Person]) -> None:
        boxes = np.array([person.box for person in people], np.float32).reshape(-1, 4) + np.float32(_PIXEL)
        self.stream.log(f"{source.path}/camera/boxes", self._rerun.Boxes2D(
            array=boxes, array_format=self._rerun.Box2DFormat.XYXY, colors=[_colour(person) for person in people],
            labels=[f"{person.id} {person.state}" for person in people],
        ))  # fmt: skip

    def _skeleton(self, source: "_Source", person: Person, world: World) -> None:
        path, count = f"{source.path}/people/{person.id}", len(person.joints)
        if source.joints.get(person.id) != count:
            source.joints[person.id] = count
            self.stream.log(path, self._names(person), static=True)
            self.stream.log(f"{path}/skeleton", self._rerun.Points3D.from_fields(
                radii=_JOINT, class_ids=0, keypoint_ids=np.arange(count, dtype=np.uint16), show_labels=False,
            ), static=True)  # fmt: skip
        places = world.points(person.joints)
        self.stream.log(f"{path}/skeleton", self._rerun.Points3D.from_fields(positions=places))

    def _names(self, person: Person) -> Any:
        """A person's colour, the joints' names and the bones between them."""
        count = len(person.joints)
        return self._rerun.AnnotationContext([self._rerun.ClassDescription(
            info=self._rerun.AnnotationInfo(0, f"person {person.id}", _colour(person)),
            keypoint_annotations=[self._rerun.AnnotationInfo(k, JOINT_NAMES[k], _colour(person)) for k in range(count)],
            keypoint_connections=[(PARENTS[joint], joint) for joint in range(1, count)],
        )])  # fmt: skip

    def _meshes(self, source: "_Source", people: list[Person], world: World) -> None:
        bones = np.stack([person.extra.get("bones", np.ones(55, np.float32)) for person in people])
        pose, pelvis = (np.stack([getattr(person, name) for person in people]) for name in ("full_pose", "pelvis"))
        transl = pelvis - self._body.rest_joints[0]  # people of another engine have another body's
        vertices = world.points(self._body.vertices(pose, transl, None, bones)).astype(np.float32)
        for person, of_person in zip(people, vertices, strict=True):
            path = f"{source.path}/people/{person.id}/mesh"
            mesh = self._rerun.Mesh3D
            if person.id not in source.bodies:
                source.bodies.add(person.id)
                colours = np.outer(self._shade, _colour(person)).astype(np.uint8)
                look = mesh.from_fields(triangle_indices=self._body.faces, vertex_colors=colours)
                self.stream.log(path, look, static=True)
            self.stream.log(path, mesh.from_fields(vertex_positions=of_person))


class _Source:
    """What was logged of a source."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.camera: Camera | None = None
        self.stands: Reals | None = None
        self.shown: set[int] = set()
        self.joints: dict[int, int] = {}
        self.bodies: set[int] = set()
        self._last: dict[str, float] = {}

    def due(self, what: str, time: float, rate: float) -> bool:
        """Whether it is time for another one, of which there are so many a second at most."""
        last = self._last.get(what)
        if rate <= 0 or (last is not None and 0 <= time - last < 1 / rate - 1e-6):
            return False
        self._last[what] = time
        return True


class Rrd:
    """The format `.rrd`."""

    def __init__(self) -> None:
        self._rerun = load_rerun("a .rrd")

    def write(self, items: Iterable[Item], file: Path, place: Place) -> list[Path]:
        """See `Format.write`."""
        file = place(file)
        with writing(file), whole_files(file.parent, file.name) as part, (part / file.name).open("wb") as out:
            scene = Scene(self._rerun, MESHES)
            # Rerun's own sink for files can wait for ever at its end where it could not write.
            encoded = scene.stream.binary_stream()
            for number, item in enumerate(items, 1):
                if isinstance(item, SourceEvent):
                    scene.tell(item)
                else:
                    scene.show(*item)
                if number % _WRITTEN == 0:
                    out.write(encoded.read() or b"")
            out.write(encoded.read() or b"")
        return [file]


def _colour(person: Person) -> list[int]:
    """RGB, 0..255."""
    return [round(value) for value in reversed(colour_of(person.id))]


def _shade(body: BodyModel) -> Reals:
    """How bright each vertex (V,) is drawn, 0..1: light from before and above the body at rest.

    Normals of every frame would let Rerun do it, and take as much room as the vertices.
    """
    facing = normals(body.v_template, body.faces) @ (_LIGHT / np.linalg.norm(_LIGHT))
    return np.asarray(0.7 + 0.3 * facing)
