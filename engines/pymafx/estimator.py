"""Runs the three graphs for any number of people, in batches of at most so many."""

import logging
from collections.abc import Mapping
from time import perf_counter

import numpy as np
from pymafx_live.core.arrays import Mask, Reals
from pymafx_live.engines.pymafx.spec import SIZE
from pymafx_live.engines.runtime import Runner
from pymafx_live.engines.runtime.batches import run_batches
from pymafx_live.engines.runtime.interface import Array

logger = logging.getLogger(__name__)

Found = dict[str, Reals]
REST_FACE = np.tile(np.eye(3, dtype=np.float32)[:, :2].ravel(), (4, 3))
"""Jaw and eyes at rest in all iterations, (4, 18), for a body whose face was never seen."""


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
        # a hand that is not seen is a black crop to the network, which still votes on the other hand
        black = np.zeros((2, SIZE, SIZE, 3), np.uint8)
        unseen = self.hands(black, np.array([True, False]))
        self.unseen_state, self.unseen_votes = unseen["hand_state"], unseen["hand_votes"]
        self._warm_up(black[:1])

    @property
    def about(self) -> str:
        """See `Runner.about`."""
        return self._runners["body"].about

    def hands(self, crops: Array, is_left: Mask) -> Found:
        """Crops (M, 224, 224, 3) to `hand_state` (M, 109) and `hand_votes` (M, 4)."""
        return self._run("hands", {"crops": crops, "is_left": is_left})

    def faces(self, crops: Array) -> Found:
        """Crops (M, 224, 224, 3) to `face_poses` (M, 4, 18) and `pred_exp` (M, 50)."""
        return self._run("face", {"crops": crops})

    def bodies(self, crops: Array, faces: Reals, states: Reals, votes: Reals, visibility: Reals) -> Found:
        """Crops (B, 224, 224, 3) and what is known of faces (B, 4, 18) and hands (B, 2, ...) to `Network.join`'s."""
        return self._run(
            "body",
            {
                "crops": crops, "face_poses": faces, "hand_state": states, "hand_votes": votes,
                "visibility": visibility,
            },
        )  # fmt: skip

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
        self.bodies(crop, face, self.unseen_state[None], self.unseen_votes[None], np.zeros((1, 2), np.float32))
        self.take_stages()

    def _run(self, graph: str, inputs: Mapping[str, Array]) -> Found:
        began = perf_counter()
        found = run_batches(self._runners[graph], inputs, self._max_batch)
        self._seconds[graph] += perf_counter() - began
        return found
