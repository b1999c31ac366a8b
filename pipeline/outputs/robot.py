"""Leads robots by a person's pose, fifty times a second; see docs/robots.md."""

import logging
import time
from collections.abc import Sequence
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Self

from pydantic import field_validator
from pymafx_live.configs.schema import Section, setting
from pymafx_live.core.errors import OutputError, UsageError
from pymafx_live.core.interfaces import Output, Policy
from pymafx_live.core.types import Frame, FrameResult
from pymafx_live.pipeline.outputs.binding import bind, claimed, of_this_machine
from pymafx_live.pipeline.outputs.run import Run
from pymafx_live.pipeline.outputs.zmq import ZmqSettings
from pymafx_live.pipeline.robots import ROBOTS, Robot, make
from pymafx_live.pipeline.robots.safety import TICK, Command, Limits, Locked, Safety, State
from pymafx_live.pipeline.selection import Rule

if TYPE_CHECKING:
    from pymafx_live.pipeline.publisher import Publisher

logger = logging.getLogger(__name__)

_BURST = 10
"""At most so many ticks are made up for at once when the thread was held up, the others are left out: a message holds
no more frames, and what comes before them would be missed."""


class RobotSettings(Section):
    """Robots."""

    robot: str = setting(
        "", "robots to lead by one person, separated by commas: `sonic` (SONIC, on a G1), `gmr` (General Motion "
        "Retargeting), `hands` (dex-retargeting); empty: none", "--robot",
    )  # fmt: skip
    robot_bind: str = setting(
        "", "ZeroMQ address of each robot, separated by commas; empty: tcp://127.0.0.1 and port 5556 (sonic), 5557 "
        "(gmr) or 5558 (hands)", "--robot-bind",
    )  # fmt: skip
    robot_hold: float = setting(
        0.5, "age in seconds, from its capture, from which a robot holds the last pose", "--robot-hold", gt=0, le=10
    )
    robot_stop: float = setting(
        1.0, "seconds for which a robot holds still before it is stopped", "--robot-stop", ge=0, le=60
    )
    robot_ramp: float = setting(
        1.0, "seconds in which a robot that begins to follow comes up to full speed", "--robot-ramp", ge=0, le=60
    )
    robot_speed: float = setting(
        1.0, "how fast joints may be, as a part of 3 pi radians a second (pelvis 2 pi, fingers 6 pi; 2 m/s)",
        "--robot-speed", gt=0, le=3,
    )  # fmt: skip

    @field_validator("robot")
    @classmethod
    def _known(cls, value: str) -> str:
        names = value.split(",") if value else []
        for name in names:
            if name not in ROBOTS:
                raise ValueError(f"there is no robot {name!r}: give one of {', '.join(ROBOTS)}")
            if names.count(name) > 1:
                raise ValueError(f"{name} is named twice: name it once")
        return value


class RobotOutput(Output):
    """Follows one person, and sends what the safety layer lets through on a thread of its own."""

    Settings = RobotSettings
    policy = Policy.NEWEST

    def __init__(
        self, robots: "Sequence[tuple[Robot, Publisher]]", safety: Safety, names: str = "", lock: Rule | None = None
    ) -> None:
        """`robots` each with where they publish, which are closed in the end; `names` says which robots they are,
        `lock` whom to follow of several people: the rule of `engine.lock`."""
        self.name = f"--robot {names}"
        self._robots, self._safety, self._locked = robots, safety, Locked(lock or "largest")
        self._error: Exception | None = None
        self._lock, self._over = Lock(), Event()
        self._thread = Thread(target=self._run, name="robot", daemon=True)
        self._thread.start()

    @classmethod
    def open(cls, settings: RobotSettings, run: Run) -> Self | None:
        """Binds an address for each robot, if there are any; one that other machines reach needs `--insecure`.

        Raises:
            UsageError: an address is taken, is none, or is one too many or too few.
        """
        if not settings.robot:
            return None
        names = settings.robot.split(",")
        robots = [make(name) for name in names]
        local = [f"tcp://127.0.0.1:{robot.port}" for robot in robots]
        given = settings.robot_bind.split(",") if settings.robot_bind else local
        if len(given) != len(names):
            raise UsageError(f"--robot-bind needs an address for each of {settings.robot}, separated by commas")
        addresses = [claimed(address, "--robot-bind", run.targets) for address in given]
        insecure = isinstance(settings, ZmqSettings) and settings.insecure
        for address in addresses:
            if not (insecure or of_this_machine(address)):
                raise UsageError(
                    f"{address} can be reached by other machines, and whoever does sees how somebody moves: give "
                    "--insecure in a network that you trust, or a --robot-bind of this machine"
                )
        speed, usual = settings.robot_speed, Limits()
        limits = Limits(
            settings.robot_hold, settings.robot_stop, settings.robot_ramp,
            turn=usual.turn * speed, speed=usual.speed * speed,
        )  # fmt: skip
        publishers: list[Publisher] = []
        try:
            publishers.extend(bind(address, "--robot-bind") for address in addresses)
        except UsageError:
            for publisher in publishers:
                publisher.close()
            raise
        return cls(list(zip(robots, publishers, strict=True)), Safety(limits), settings.robot, run.lock)

    def write(self, result: FrameResult, frame: Frame | None) -> None:
        """Takes the pose of the person who is followed, if the result shows it."""
        if self._error is not None:
            raise OutputError(f"{self.name} failed ({type(self._error).__name__}: {self._error}): -v shows where")
        with self._lock:
            pose, who = self._locked.pick(result), self._locked.who
            if pose is not None and who is not None:
                now = time.monotonic()
                self._safety.feed(pose, now if frame is None else frame.captured, now, who)

    def close(self) -> None:
        """Sends nothing more."""
        self._over.set()
        self._thread.join()
        for _, publisher in self._robots:
            publisher.close()

    def _run(self) -> None:
        due, state = time.monotonic(), State.WAITING
        try:
            while not self._over.wait(max(due - time.monotonic(), 0)):
                now = time.monotonic()
                due = max(due, now - (_BURST - 1) * TICK)
                while due <= now:
                    command = self._tick(due)
                    due += TICK
                    if command.state is not state:
                        state = command.state
                        level = logging.WARNING if state is State.STOPPED else logging.INFO
                        logger.log(level, "%s is %s (%s)", self.name, state, _of_whom(command))
                for robot, publisher in self._robots:
                    if (message := robot.message()) is not None:
                        publisher.send(message)
        except Exception as error:  # told by the next `write`; until then, and after, there is silence
            logger.info("%s failed", self.name, exc_info=error)
            self._error = error

    def _tick(self, now: float) -> Command:
        with self._lock:
            command = self._safety.step(now)
            if command.state is State.STOPPED:
                self._locked.release()
        for robot, _ in self._robots:
            robot.add(command)
        return command


def _of_whom(command: Command) -> str:
    return "nobody" if command.who is None else f"person {command.who[1]} of {command.who[0]}"
