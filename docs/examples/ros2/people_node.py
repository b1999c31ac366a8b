"""A ROS 2 node that publishes people as REP-155 has them: hri_msgs, TF frames, and markers for RViz.

For ROS 2 Jazzy or newer (Python 3.12), with the Debian package ros-jazzy-hri-msgs, and in the same Python numpy, pyzmq,
msgpack and pymafx-live (`python -m pip install --no-deps .` in a clone; nothing else of it is needed):

python people_node.py --ros-args -p address:=tcp://127.0.0.1:5555

- `/humans/bodies/tracked` (hri_msgs/IdsList); a body's id is its source and its number, as in `b_cam_1`
- `/humans/bodies/<id>/roi` (hri_msgs/NormalizedRegionOfInterest2D), `/humans/bodies/<id>/skeleton2d`
  (hri_msgs/Skeleton2D, where the engine tells keypoints)
- `/tf`: `world` (x front, y left, z up, the floor at 0) to the camera's optical frame, that to `body_<id>` between the
  hips (x front, z up), and from there `torso_<id>`, `head_<id>`, `l_shoulder_<id>` and so on, whose axes are the body's
  where it stands in a T
- `/humans/bodies/markers` (visualization_msgs/MarkerArray): the bones as lines

Images are not on the wire, so that there is no `cropped`.
"""

import re
from contextlib import suppress

import numpy as np
import rclpy
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Point, TransformStamped
from hri_msgs.msg import IdsList, NormalizedPointOfInterest2D, NormalizedRegionOfInterest2D, Skeleton2D
from pymafx_live.core.kinematics import global_rotations
from pymafx_live.core.names import JOINTS, KEYPOINTS
from pymafx_live.core.rotations import to_matrices
from pymafx_live.core.skeleton import PARENTS
from pymafx_live.core.types import TrackState
from pymafx_live.pipeline.client import NoMessageError, Subscriber
from rclpy.node import Node
from tf2_ros import TransformBroadcaster
from visualization_msgs.msg import Marker, MarkerArray

FRONT_LEFT_UP = np.array([[0.0, 0, 1], [1, 0, 0], [0, 1, 0]])
"""From a body's axes (x left, y up, z front) to REP-103's (x front, y left, z up)."""
WORLD = np.array([[0.0, 0, -1], [-1, 0, 0], [0, 1, 0]])
"""From our world (x right, y up, z to the viewer) to REP-103's, which looks where the camera does."""
LINKS = {
    "torso": "spine3", "head": "head",
    **{f"{s[0]}_{link}": f"{s}_{link}" for s in ("left", "right")
       for link in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")},
}  # fmt: skip
"""The links of REP-155's kinematic model, and the joints that they turn with."""
SKELETON = (
    "nose", None, "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow", "left_wrist",
    "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle", "left_eye", "right_eye",
    "left_ear", "right_ear",
)  # fmt: skip
"""The keypoints of hri_msgs/Skeleton2D; the second is the neck, between the shoulders."""


def clean(name):
    """A name as topics and frames may have it."""
    return re.sub(r"\W", "_", name, flags=re.ASCII)


def quaternion(matrix):
    """The quaternion x, y, z, w of a rotation matrix: the eigenvector of Bar-Itzhack (2000)."""
    m = matrix
    symmetric = np.array([
        [m[0, 0] - m[1, 1] - m[2, 2], m[1, 0] + m[0, 1], m[2, 0] + m[0, 2], m[2, 1] - m[1, 2]],
        [m[1, 0] + m[0, 1], m[1, 1] - m[0, 0] - m[2, 2], m[2, 1] + m[1, 2], m[0, 2] - m[2, 0]],
        [m[2, 0] + m[0, 2], m[2, 1] + m[1, 2], m[2, 2] - m[0, 0] - m[1, 1], m[1, 0] - m[0, 1]],
        [m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1], m[0, 0] + m[1, 1] + m[2, 2]],
    ])  # fmt: skip
    return np.linalg.eigh(symmetric)[1][:, 3]


def transform(stamp, parent, child, rotation, place):
    """A transform from a parent's frame to a child's."""
    out = TransformStamped()
    out.header.stamp, out.header.frame_id, out.child_frame_id = stamp, parent, child
    moved, turned = out.transform.translation, out.transform.rotation
    moved.x, moved.y, moved.z = map(float, place)
    turned.x, turned.y, turned.z, turned.w = map(float, quaternion(rotation))
    return out


def body_transforms(stamp, camera, body, person):
    """`body_<id>` in the camera's frame, and the links in `body_<id>`."""
    turned = global_rotations(to_matrices(person.full_pose.astype(float))) @ FRONT_LEFT_UP.T
    joints = person.joints.astype(float)
    root, hips = turned[0], (joints[1] + joints[2]) / 2
    out = [transform(stamp, camera, f"body_{body}", root, hips)]
    for link, joint in LINKS.items():
        j = JOINTS.index(joint)
        place = root.T @ (joints[j] - hips)
        out.append(transform(stamp, f"body_{body}", f"{link}_{body}", root.T @ turned[j], place))
    return out


def region(header, person, camera):
    """The person's box as parts of the picture."""
    out = NormalizedRegionOfInterest2D()
    out.header = header
    scaled = np.clip(person.box / [camera.width, camera.height, camera.width, camera.height], 0, 1)
    out.xmin, out.ymin, out.xmax, out.ymax = map(float, scaled)
    out.c = float(np.clip(person.score, 0, 1))
    return out


def skeleton(header, person, camera):
    """The keypoints as parts of the picture; one outside of it has no confidence."""
    points = person.extra["keypoints"].astype(float) / [camera.width, camera.height, 1]
    shoulders = points[[KEYPOINTS.index("left_shoulder"), KEYPOINTS.index("right_shoulder")]]
    out = Skeleton2D()
    out.header = header
    for k, name in enumerate(SKELETON):
        x, y, seen = shoulders.mean(0) if name is None else points[KEYPOINTS.index(name)]
        inside = 0 <= x <= 1 and 0 <= y <= 1
        point = NormalizedPointOfInterest2D()
        point.x, point.y = float(np.clip(x, 0, 1)), float(np.clip(y, 0, 1))
        point.c = float(np.clip(seen, 0, 1)) if inside else 0.0
        out.skeleton[k] = point
    return out


def marker(header, person):
    """The bones of a person as lines; half a second after the last message they vanish."""
    out = Marker()
    out.header, out.ns, out.id = header, "bodies", person.id % 2**31
    out.type, out.action = Marker.LINE_LIST, Marker.ADD
    out.scale.x, out.pose.orientation.w = 0.02, 1.0
    out.color.r, out.color.g, out.color.b, out.color.a = 0.2, 0.8, (person.id * 0.37) % 1.0, 1.0
    out.lifetime.nanosec = 500_000_000
    for j in range(1, len(person.joints)):
        for end in (person.joints[j], person.joints[PARENTS[j]]):
            point = Point()
            point.x, point.y, point.z = map(float, end)
            out.points.append(point)
    return out


class PeopleNode(Node):
    """Publishes every result that it is given."""

    def __init__(self):
        super().__init__("pymafx_live")
        self.declare_parameter("address", "tcp://127.0.0.1:5555")
        self.address = self.get_parameter("address").value
        self._frames = TransformBroadcaster(self)
        self._ids = self.create_publisher(IdsList, "/humans/bodies/tracked", 10)
        self._markers = self.create_publisher(MarkerArray, "/humans/bodies/markers", 10)
        self._bodies = {}  # publishers of each body: of its region, and of its skeleton
        self._tracked = {}  # the ids of each source

    def publish(self, result):
        """Publishes the people of one result."""
        stamp, camera = Time(), clean(result.camera.frame_id or result.source)
        stamp.sec, stamp.nanosec = int(result.captured_at), int(result.captured_at % 1 * 1e9)
        here = [person for person in result.people if person.state != TrackState.ENDED]
        bodies = {f"b_{clean(result.source)}_{person.id}": person for person in here}
        self._tracked[result.source] = list(bodies)
        tracked = [body for ids in self._tracked.values() for body in ids]
        ids = IdsList()
        ids.header.stamp, ids.header.frame_id, ids.ids = stamp, camera, tracked
        world = result.world.rotation.astype(float), result.world.translation.astype(float)
        frames = [transform(stamp, "world", camera, WORLD @ world[0], WORLD @ world[1])]
        markers = MarkerArray()
        for body, person in bodies.items():
            regions, skeletons = self._publishers(body)
            regions.publish(region(ids.header, person, result.camera))
            if "keypoints" in person.extra:
                skeletons.publish(skeleton(ids.header, person, result.camera))
            if len(person.joints):
                frames += body_transforms(stamp, camera, body, person)
                markers.markers.append(marker(ids.header, person))
        self._ids.publish(ids)
        self._frames.sendTransform(frames)
        self._markers.publish(markers)
        self._forget(tracked)

    def _publishers(self, body):
        """A publisher of the body's region, and one of its skeleton."""
        if body not in self._bodies:
            kinds = {"roi": NormalizedRegionOfInterest2D, "skeleton2d": Skeleton2D}
            made = [self.create_publisher(kind, f"/humans/bodies/{body}/{name}", 1) for name, kind in kinds.items()]
            self._bodies[body] = made
        return self._bodies[body]

    def _forget(self, tracked):
        """Ends the topics of bodies that are not tracked any more."""
        for body in set(self._bodies) - set(tracked):
            for publisher in self._bodies.pop(body):
                self.destroy_publisher(publisher)


def main():
    """Runs until ROS ends it."""
    rclpy.init()
    node = PeopleNode()
    with Subscriber(node.address, timeout=0.1) as results:
        while rclpy.ok():
            with suppress(NoMessageError):  # every tenth of a second it looks whether ROS has ended
                node.publish(next(results))
            rclpy.spin_once(node, timeout_sec=0)


if __name__ == "__main__":
    main()
