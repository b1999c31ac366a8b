"""Runs the three graphs for any number of people, in batches of at most so many."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pymafx_live.core.arrays import Mask, Reals
from pymafx_live.engines.pymafx.spec import SIZE
from pymafx_live.engines.runtime import Fetch, Runner
from pymafx_live.engines.runtime.batches import run_batches, run_there
from pymafx_live.engines.runtime.interface import Array

logger = logging.getLogger(__name__)

Found = dict[str, Reals]
REST_FACE = np.tile(np.eye(3, dtype=np.float32)[:, :2].ravel(), (4, 3))
"""Jaw and eyes at rest in all iterations, (4, 18), for a body whose face was never seen."""


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """What is known of B people: `faces` (B, 4, 18), hands' `states` (B, 2, 109), `votes` (B, 2, 4) and `visibility`
    (B, 2); left hands come first."""

    faces: Reals
    states: Reals
    votes: Reals
    visibility: Reals

    def inputs(self) -> dict[str, Array]:
        """As the body's graph takes it."""
        return {
            "face_poses": self.faces, "hand_state": self.states, "hand_votes": self.votes,
            "visibility": self.visibility,
        }  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """Crops (M, 224, 224, 3) of hands or faces of B people, and of which of their 2 B hands or B faces, `rows` (M,)."""

    crops: Array
    rows: NDArray[np.intp]


class Estimator:
    """Crops in, SMPL-X parameters out. Of hands, state and votes are what the body's graph wants to know of them.

    Crops are taken where they lie, best on `device`; what is found comes down.
    """

    def __init__(self, runners: Mapping[str, Runner], max_batch: int) -> None:
        """`runners` are those of `spec.GRAPHS`; no batch is larger than `max_batch`."""
        self._runners, self._max_batch = runners, max_batch
        self.device = runners["body"].device
        self._seconds = dict.fromkeys(runners, 0.0)
        self._told = False
        self._beside: Any = None
        # a hand that is not seen is a black crop to the network, which still votes on the other hand
        black = np.zeros((2, SIZE, SIZE, 3), np.uint8)
        unseen = self.hands(black, np.array([True, False]))
        self.unseen_state, self.unseen_votes = unseen["hand_state"], unseen["hand_votes"]
        self._warm_up(black[:1])

    @property
    def about(self) -> str:
        """See `Runner.about`."""
        return self._runners["body"].about

    @property
    def on_one_device(self) -> bool:
        """Whether what one graph finds lies where the next one wants it."""
        return len({runner.device for runner in self._runners.values()}) == 1

    def hands(self, crops: Array, is_left: Mask) -> Found:
        """Crops (M, 224, 224, 3) to `hand_state` (M, 109) and `hand_votes` (M, 4)."""
        return self._run("hands", {"crops": crops, "is_left": is_left})

    def faces(self, crops: Array) -> Found:
        """Crops (M, 224, 224, 3) to `face_poses` (M, 4, 18) and `pred_exp` (M, 50)."""
        return self._run("face", {"crops": crops})

    def bodies(self, crops: Array, known: Known) -> Found:
        """Crops (B, 224, 224, 3) and what is known of the same people to `Network.join`'s."""
        return self._run("body", {"crops": crops, **known.inputs()})

    def all_at_once(self, hands: Parts, faces: Parts, bodies: Array, known: Known) -> tuple[Found, Found, Found]:
        """What `hands`, `faces` and `bodies` find, on a GPU that holds the crops and is waited for once.

        Bodies are given what the other graphs find, in place of what is `known`. Hands and faces are looked at on two
        streams. All time is the body's, but for that of queueing.
        """
        import torch
        from pymafx_live.engines.imaging.device import Replaced, sent

        device = bodies.device
        main, self._beside = torch.cuda.current_stream(device), self._beside or torch.cuda.Stream(device)
        self._beside.wait_stream(main)
        with torch.cuda.stream(self._beside):
            of_faces = self._queue("face", {"crops": faces.crops})
        of_hands = self._queue("hands", {"crops": hands.crops, "is_left": hands.rows % 2 == 0})
        main.wait_stream(self._beside)
        given: dict[str, Array] = known.inputs()
        rows = sent(np.concatenate([hands.rows, faces.rows]), device).split([len(hands.rows), len(faces.rows)])
        for where, found in zip(rows, (of_hands, of_faces), strict=True):
            for name in found.keys() & given.keys():
                given[name] = Replaced(given[name], where, found[name])
        of_bodies = self._queue("body", {"crops": bodies, **given})
        began = perf_counter()
        values = iter(Fetch([*of_hands.values(), *of_faces.values(), *of_bodies.values()]).wait())
        self._seconds["body"] += perf_counter() - began
        found_hands, found_faces, found_bodies = (
            {name: next(values).copy() for name in found} for found in (of_hands, of_faces, of_bodies)
        )
        return found_hands, found_faces, found_bodies

    def sound(self, found: Found) -> Mask:
        """In which rows (N,) of what was found all is a number: nothing is found in the others."""
        good = np.all([np.isfinite(values).reshape(len(values), -1).all(1) for values in found.values()], axis=0)
        if not good.all() and not self._told:
            logger.warning("PyMAF-X gave what is no number; such answers count as nothing found")
            self._told = True
        return np.asarray(good)

    def take_stages(self) -> dict[str, float]:
        """Seconds in each graph since this was last asked, 0 where it did not run."""
        taken, self._seconds = self._seconds, dict.fromkeys(self._runners, 0.0)
        return taken

    def close(self) -> None:
        """Closes the runners."""
        for runner in self._runners.values():
            runner.close()

    def _warm_up(self, crop: Array) -> None:
        """Runs the other graphs once, so that the first frame does not wait for their memory."""
        face = self.faces(crop)["face_poses"]
        nothing = Known(face, self.unseen_state[None], self.unseen_votes[None], np.zeros((1, 2), np.float32))
        self.bodies(crop, nothing)
        self.take_stages()

    def _queue(self, graph: str, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """What a graph gives, where it leaves it; nothing for no rows."""
        if not len(inputs["crops"]):
            return {}
        began = perf_counter()
        found = run_there(self._runners[graph], inputs, self._max_batch)
        self._seconds[graph] += perf_counter() - began
        return found

    def _run(self, graph: str, inputs: Mapping[str, Array]) -> Found:
        began = perf_counter()
        found = run_batches(self._runners[graph], inputs, self._max_batch)
        self._seconds[graph] += perf_counter() - began
        return found
