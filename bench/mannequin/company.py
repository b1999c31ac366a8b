"""Scripts of people in groups, from behind, and half behind furniture."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from pymafx_live.bench.mannequin.acting import Act, Performance, View, fingers, gait, gesture, relax
from pymafx_live.bench.mannequin.anatomy import Figure
from pymafx_live.bench.mannequin.build import Cast, Skeleton
from pymafx_live.bench.mannequin.contact import ARM, TRUNK, skin
from pymafx_live.bench.mannequin.player import CLOTHES, table
from pymafx_live.bench.mannequin.props import CLOTH, PAINT, WOOD, Block
from pymafx_live.bench.mannequin.signals import Signal, step, through, wander
from pymafx_live.bench.mannequin.stage import plant
from pymafx_live.core.skeleton import JOINT, SIDES

Vectors = NDArray[np.float64]


def _planted(
    skeleton: Skeleton, figure: Figure, support: Signal, t: Signal, place: tuple[float, float], at: int
) -> Performance:
    """A performance on the floor that is at `place` (x, z) in frame `at`."""
    loose = Performance(figure.pose, support, focus="none", build=skeleton.build)
    path = plant(skeleton.body, skeleton.build, loose, 1 / step(t)).astype(np.float64)
    path[:, ::2] += np.array(place) - path[at, ::2]
    return Performance(figure.pose, support, focus="none", path=path, build=skeleton.build)


def _feet(figure: Figure) -> Signal:
    return np.full((figure.frames, 2), 0.5)


def _camera(
    rng: Generator, target: Vectors, distance: float, height: float, fov: float, at: tuple[float, float]
) -> View:
    """A camera before `target`, `distance` metres off and at `height`, which sees it at `at` of the picture."""
    azimuth = np.radians(rng.uniform(-15, 15))
    position = target + distance * np.array([np.sin(azimuth), 0.0, np.cos(azimuth)])
    position[1] = height
    size = (640, 480) if rng.random() < 0.4 else (1280, 720)
    return View(*size, fov, position, target, at, np.radians(rng.uniform(-2, 2)))


def _crowns(people: Sequence[Performance]) -> Vectors:
    """The place (P, 3) of each person's crown, on average."""
    builds = [(p.path, p.build) for p in people if p.path is not None and p.build is not None]
    return np.array([(path + [0, 0.86 * build.bones[0], 0]).mean(0) for path, build in builds])


def group(rng: Generator, t: Signal, cast: Cast) -> Act:
    """Three or four people shoulder to shoulder, some half behind their neighbours."""
    number = int(rng.integers(3, 5))
    spacing = rng.uniform(0.43, 0.54)
    people = []
    for k in range(number):
        figure, skeleton = Figure(len(t), cast.rest), cast.skeleton(rng)
        relax(figure, rng, t)
        aside = k - (number - 1) / 2
        figure.root(wander(rng, t, -0.12 * aside + rng.uniform(-0.25, 0.25), 0.06, 5))
        for side in SIDES:
            _keep_close(rng, t, figure, side)
        if abs(aside) > number / 2 - 1 and rng.random() < 0.5:  # there is nobody on that side
            gesture(figure, rng, t, "left" if aside > 0 else "right", 0.5)
        depth = (-1) ** k * rng.uniform(0.08, 0.22)
        people.append(_planted(skeleton, figure, _feet(figure), t, (aside * spacing, depth), 0))
    crowns = _crowns(people)
    fov = rng.uniform(50, 70)
    breadth = spacing * (number - 1) + 0.55
    distance = breadth / rng.uniform(0.75, 1.15) / (2 * np.tan(np.radians(fov) / 2))
    target = np.array([crowns[:, 0].mean(), crowns[:, 1].max(), crowns[:, 2].mean()])
    height = target[1] + rng.uniform(-0.5, 0.15)
    view = _camera(rng, target, distance, height, fov, (rng.uniform(0.44, 0.56), rng.uniform(0.05, 0.2)))
    return Act(people, view=view, varied=True)


def crowd(rng: Generator, t: Signal, cast: Cast) -> Act:
    """Five to seven people who walk to and fro on a square, past and behind each other; seen from a little above."""
    number = int(rng.integers(5, 8))
    people = []
    for k in range(number):
        figure, skeleton = Figure(len(t), cast.rest), cast.skeleton(rng)
        side = (-1) ** k
        heading = side * rng.uniform(0.35, 0.65) * np.pi + wander(rng, t, 0, 0.25, 4)
        if rng.random() < 0.3:  # somebody turns back on the way
            moment = rng.uniform(0.3, 0.6) * t[-1]
            heading = heading + through(t, (moment, moment + 1.0), (0.0, -side * np.pi))
        pace = rng.uniform(0.5, 0.8)
        support = gait(figure, rng, t, heading, pace, rng.uniform(0.8, 0.95))
        place = rng.uniform(-1.2, 1.2), rng.uniform(-1.6, 1.6)
        people.append(_planted(skeleton, figure, support, t, place, len(t) // 2))
    target = np.array([0.0, 0.9, 0.0])
    view = _camera(rng, target, rng.uniform(5.5, 7.5), rng.uniform(1.7, 3.2), rng.uniform(55, 70), (0.5, 0.5))
    return Act(people, view=view, varied=True)


def _keep_close(rng: Generator, t: Signal, figure: Figure, side: str) -> None:
    """Let an arm hang close to the body."""
    figure.arm(side, wander(rng, t, 1.40, 0.04, 4), wander(rng, t, 0.1, 0.1, 4), wander(rng, t, -0.2, 0.2, 4),
               wander(rng, t, 0.3, 0.15, 4), wander(rng, t, 0.0, 0.3, 4))  # fmt: skip
    figure.wrist(side, wander(rng, t, 0.1, 0.1, 3))
    figure.hand(side, fingers(rng, t, 0.3, 0.12), 0.05, 0.3)


def back(rng: Generator, t: Signal, cast: Cast) -> Act:
    """Seen from behind: standing, walking away, entering or turning round and showing the back to the camera."""
    deed = (_back_turned, _away, _entering, _turning_round)[rng.integers(4)]
    people = [deed(rng, t, cast, cast.skeleton(rng))]
    if deed is _back_turned and rng.random() < 0.4:
        other = _back_turned(rng, t, cast, cast.skeleton(rng))
        aside = rng.choice([-1, 1]) * rng.uniform(0.55, 0.9)
        assert other.path is not None
        other.path[:, ::2] += (aside, rng.uniform(-0.3, 0.3))
        people.append(other)
    if rng.random() < 0.25:
        people[0] = replace(people[0], carries="bag")
    path = people[0].path
    assert path is not None
    depth = path[:, 2].mean() if deed in (_away, _back_turned) else path[-1, 2]
    target = _crowns(people).mean(0) * (1, 1, 0) + (0, 0, depth)
    distance = rng.uniform(1.3, 3.6)
    if deed is not _back_turned:  # nobody comes nearer than an arm's length
        distance = max(distance if deed is not _away else 0.0, path[:, 2].max() - depth + rng.uniform(0.8, 1.5))
    at = rng.uniform(0.4, 0.6), rng.uniform(0.06, 0.25)
    return Act(people, view=_camera(rng, target, distance, rng.uniform(0.9, 1.7), rng.uniform(50, 70), at), varied=True)


def _back_turned(rng: Generator, t: Signal, cast: Cast, skeleton: Skeleton) -> Performance:
    """Standing with the back to the camera, looking about."""
    figure = Figure(len(t), cast.rest)
    relax(figure, rng, t)
    figure.root(wander(rng, t, np.pi + rng.uniform(-0.6, 0.6), 0.12, 5))
    figure.head(wander(rng, t, 0.05, 0.2, 3), 0.0, wander(rng, t, 0, 0.6, 3))
    if rng.random() < 0.5:
        gesture(figure, rng, t, str(rng.choice(SIDES)), 0.8)
    return _planted(skeleton, figure, _feet(figure), t, (0.0, 0.0), 0)


def _away(rng: Generator, t: Signal, cast: Cast, skeleton: Skeleton) -> Performance:
    """Walking away from the camera."""
    figure = Figure(len(t), cast.rest)
    heading = np.pi + rng.uniform(-0.35, 0.35) + wander(rng, t, 0, 0.1, 4)
    support = gait(figure, rng, t, heading, rng.uniform(0.55, 0.9), rng.uniform(0.7, 0.95))
    return _planted(skeleton, figure, support, t, (0.0, 0.0), 0)


def _entering(rng: Generator, t: Signal, cast: Cast, skeleton: Skeleton) -> Performance:
    """Walking in from one side, turning the back to the camera and standing so."""
    start, side = rng.uniform(0.7, 1.3), rng.choice([-1, 1])
    still = through(t, (start, start + 0.7), (1.0, 0.03))
    way = rng.uniform(0.8, 1.9)  # from obliquely towards the camera to obliquely away from it
    heading = side * through(t, (start - 0.1, start + rng.uniform(0.5, 0.9)), (way, np.pi - rng.uniform(-0.3, 0.3)))
    figure = Figure(len(t), cast.rest)
    support = gait(figure, rng, t, heading + wander(rng, t, 0, 0.05, 4), rng.uniform(0.6, 0.8) * still, 0.85)
    return _planted(skeleton, figure, support, t, (0.0, 0.0), len(t) - 1)


def _turning_round(rng: Generator, t: Signal, cast: Cast, skeleton: Skeleton) -> Performance:
    """Facing the camera, then turning the back to it on the spot."""
    start = rng.uniform(0.0, 0.8)
    turn = rng.choice([-1, 1]) * through(t, (start, start + rng.uniform(0.7, 1.1)), (0.0, np.pi))
    figure = Figure(len(t), cast.rest)
    heading = rng.uniform(-0.4, 0.4) + turn + wander(rng, t, 0, 0.05, 4)
    support = gait(figure, rng, t, heading, 0.04 + 0.2 * np.abs(np.sin(turn)), 0.9)
    return _planted(skeleton, figure, support, t, (0.0, 0.0), 0)


def furniture(rng: Generator, t: Signal, cast: Cast) -> Act:
    """One or two people half behind a table, a counter or a sofa."""
    kind = rng.integers(3)
    number = 1 + int(rng.random() < 0.35)
    top = (rng.uniform(0.70, 0.78), rng.uniform(0.95, 1.12), rng.uniform(0.75, 0.95))[kind]
    spacing = rng.uniform(0.8, 1.0)
    people, fronts = [], []
    for k in range(number):
        away = kind == 2 and rng.random() < 0.4
        heading = (np.pi if away else 0.0) + rng.uniform(-0.35, 0.35)
        person, front = _behind(rng, t, cast, heading, (k - (number - 1) / 2) * spacing, top)
        people.append(person)
        fronts.append(front)
    edge = max(fronts) + CLOTHES + rng.uniform(0.02, 0.12)
    if kind == 0:
        props = table(rng, top, edge, rng.uniform(0.7, 1.1), rng.uniform(0.6, 0.9), rng.random() < 0.3)
    else:
        props = (_counter if kind == 1 else _sofa)(rng, top, edge)
    return Act(people, tuple(props), _camera_over(rng, _crowns(people).mean(0), top, edge), varied=True)


def _behind(
    rng: Generator, t: Signal, cast: Cast, heading: float, aside: float, top: float
) -> tuple[Performance, float]:
    """Somebody who stands behind a thing of height `top`, and the z of their body's front below that."""
    figure, skeleton = Figure(len(t), cast.rest), cast.skeleton(rng)
    relax(figure, rng, t)
    figure.root(wander(rng, t, heading, 0.08, 5))
    for side in SIDES:
        if rng.random() < 0.5:
            gesture(figure, rng, t, side, 0.7)
        else:
            _keep_close(rng, t, figure, side)
    person = _planted(skeleton, figure, _feet(figure), t, (aside, rng.uniform(-0.05, 0.05)), 0)
    assert person.path is not None
    body = skin(skeleton, [*TRUNK, *ARM["left"], *ARM["right"], JOINT["left_hip"], JOINT["right_hip"]])
    vertices = body.vertices(person.pose[::3], person.path[::3])
    return person, float(vertices[vertices[..., 1] < top + 0.03][:, 2].max())


def _camera_over(rng: Generator, crown: Vectors, top: float, edge: float) -> View:
    """A camera that sees the crowns and the near edge of what the people stand behind."""
    fov, height, crown_at = rng.uniform(50, 68), rng.uniform(1.0, 1.7), rng.uniform(0.06, 0.22)
    slope = 2 * np.tan(np.radians(fov) / 2) * 0.65 * 9 / 16  # of the ray at 0.65 of the height of a wide picture
    distance = edge + rng.uniform(1.2, 2.4)
    while (height - top) / (distance - edge + crown[2]) - (height - crown[1]) / distance > slope * (
        1 - crown_at / 0.65
    ):
        distance += 0.1
    return _camera(rng, crown, distance, height, fov, (rng.uniform(0.4, 0.6), crown_at))


def _counter(rng: Generator, top: float, edge: float) -> list[Block]:
    """A counter: a closed front under a board."""
    colour, board = rng.uniform(40, 220) * rng.uniform(0.8, 1.0, 3), rng.uniform(60, 220) * rng.uniform(0.8, 1.0, 3)
    half, depth = rng.uniform(0.9, 1.8), rng.uniform(0.4, 0.6)
    return [
        Block(np.array([-half, top - 0.04, edge]), np.array([half, top, edge + depth]), board, WOOD),
        Block(
            np.array([-half + 0.05, 0, edge + 0.04]),
            np.array([half - 0.05, top - 0.04, edge + depth - 0.05]),
            colour,
            PAINT,
        ),
    ]


def _sofa(rng: Generator, top: float, edge: float) -> list[Block]:
    """A sofa that faces the camera: its back, seat and arms."""
    colour = rng.uniform(30, 170) * rng.uniform(0.7, 1.0, 3)
    half = rng.uniform(0.7, 1.2)
    back = Block(np.array([-half, 0.08, edge]), np.array([half, top, edge + 0.2]), colour, CLOTH)
    arms = [
        Block(np.array([x - 0.1, 0.08, edge + 0.2]), np.array([x + 0.1, top - 0.22, edge + 0.95]), 0.95 * colour, CLOTH)
        for x in (-half + 0.1, half - 0.1)
    ]
    seat = Block(np.array([-half, 0.08, edge + 0.2]), np.array([half, 0.42, edge + 0.95]), colour, CLOTH)
    return [back, *arms, seat]
