"""Who is estimated where there are more people than wanted."""

import numpy as np
from pymafx_live.core.types import Track, TrackState
from pymafx_live.pipeline.selection import Selection


def track(id_: int, side: float, state: TrackState = TrackState.TRACKED) -> Track:
    return Track(id_, state, np.array([0, 0, side, side], np.float32), 0.9)


def ids(tracks: list[Track]) -> list[int]:
    return [t.id for t in tracks]


def test_the_largest_are_kept_in_their_order() -> None:
    select = Selection(2)
    assert ids(select([track(1, 50), track(2, 10), track(3, 70)])) == [1, 3]
    assert ids(select([track(1, 50), track(2, 90), track(3, 70)])) == [2, 3]


def test_everybody_is_kept_where_there_is_room() -> None:
    tracks = [track(1, 50), track(2, 10)]
    assert Selection(2)(tracks) == tracks


def test_two_of_a_size_do_not_alternate() -> None:
    select = Selection(1)
    chosen = [ids(select([track(1, 100 + wobble), track(2, 100 - wobble)])) for wobble in (1, -3, 2, -4)]
    assert chosen == [[1]] * 4


def test_the_locked_one_stays_until_it_ends() -> None:
    select = Selection(1, lock=True)
    assert ids(select([track(1, 50)])) == [1]
    assert ids(select([track(1, 50), track(2, 500)])) == [1]
    assert ids(select([track(1, 50, TrackState.LOST), track(2, 500)])) == [1]
    assert ids(select([track(2, 500), track(3, 30)])) == [2]
    assert ids(select([track(2, 20), track(3, 300)])) == [2]


def test_a_limit_for_now_leaves_the_same_order_and_is_taken_back() -> None:
    tracks = [track(1, 50), track(2, 90), track(3, 70)]
    for select, few in ((Selection(2), [2]), (Selection(), [2]), (Selection(2, lock=True), [1])):
        select([track(1, 50)])
        select.limit = 1
        assert ids(select(tracks)) == few
        select.limit = None
        assert len(select(tracks)) == (select.most or 3)
