"""Who is estimated where there are more people than wanted, and who is followed."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymafx_live.core.types import Camera, Track, TrackState
from pymafx_live.pipeline.selection import Locked, Selection

CAMERA = Camera(640, 480, 500.0, 500.0, 319.5, 239.5)
ENDED, LOST, TRACKED = TrackState.ENDED, TrackState.LOST, TrackState.TRACKED


def track(id_: int, side: float, state: TrackState = TRACKED, at: tuple[float, float] = (0.0, 0.0)) -> Track:
    x, y = at
    return Track(id_, state, np.array([x, y, x + side, y + side], np.float32), 0.9)


def ids(tracks: list[Track]) -> list[int]:
    return [t.id for t in tracks]


def test_the_largest_are_kept_in_their_order() -> None:
    select = Selection(2)
    assert ids(select([track(1, 50), track(2, 10), track(3, 70)], CAMERA)) == [1, 3]
    assert ids(select([track(1, 50), track(2, 90), track(3, 70)], CAMERA)) == [2, 3]


def test_everybody_is_kept_where_there_is_room() -> None:
    tracks = [track(1, 50), track(2, 10)]
    assert Selection(2)(tracks, CAMERA) == tracks


def test_two_of_a_size_do_not_alternate() -> None:
    select = Selection(1)
    chosen = [ids(select([track(1, 100 + wobble), track(2, 100 - wobble)], CAMERA)) for wobble in (1, -3, 2, -4)]
    assert chosen == [[1]] * 4


def test_the_locked_one_stays_until_it_ends() -> None:
    select = Selection(1, "largest")
    assert ids(select([track(1, 50)], CAMERA)) == [1]
    assert ids(select([track(1, 50), track(2, 500)], CAMERA)) == [1]
    assert ids(select([track(1, 50, LOST), track(2, 500)], CAMERA)) == [1]
    assert ids(select([track(2, 500), track(3, 30)], CAMERA)) == [2]
    assert ids(select([track(2, 20), track(3, 300)], CAMERA)) == [2]


@pytest.mark.parametrize(("rule", "expected"), [("largest", [3, 1]), ("centre", [2, 3]), ("first", [1, 2])])
def test_each_rule_chooses_and_after_an_end_chooses_again(rule, expected) -> None:
    """The next is again the one that the rule prefers, of those who are not lost."""
    one, two, three = track(1, 80), track(2, 20, at=(310, 230)), track(3, 90, at=(340, 250))
    four = track(4, 400, LOST, (120, 40))
    for choose in (Locked(rule), lambda people, camera: Selection(1, rule)(people, camera)[0]):
        first = choose([three, one, four, two], CAMERA)
        others = [one_ for one_ in (three, one, four, two) if one_ is not first]
        assert [first.id, choose(others, CAMERA).id] == expected
    assert ids(Selection(2, rule)([three, one, four, two], CAMERA)) == {
        "largest": [3, 1], "centre": [3, 2], "first": [1, 2],
    }[rule]  # fmt: skip


def test_only_the_person_of_an_id_is_chosen_and_its_end_is_said_once(caplog) -> None:
    select, locked = Selection(1, 2), Locked(2)
    films = [[track(1, 90)], [track(1, 90), track(2, 10)], [track(2, 10, LOST), track(3, 99)], [track(3, 99)], []]
    assert [ids(select(tracks, CAMERA)) for tracks in films] == [[], [2], [2], [], []]
    assert caplog.messages == ["--lock: person 2 is gone and no id is given twice: nobody is estimated any more"]
    assert [person and person.id for person in (locked(tracks, CAMERA) for tracks in films)] == [None, 2, 2, None, None]


PLACES = st.tuples(st.floats(0, 300), st.floats(0, 300))
TRACKS = st.builds(track, st.integers(1, 5), st.floats(5, 300), st.sampled_from(TrackState), PLACES)
PEOPLE = st.lists(TRACKS, unique_by=lambda one: one.id)


@given(st.lists(PEOPLE, max_size=12), st.sampled_from(["largest", "centre", "first"]))
def test_the_locked_person_changes_only_when_they_have_ended_or_are_gone(film, rule) -> None:
    locked = Locked(rule)
    made = [locked(people, CAMERA) for people in film]
    for people, one in zip(film, made, strict=True):
        alive = {person.id for person in people if person.state is not ENDED}
        assert (one is None) == (not alive) and (one is None or one.id in alive)
    for (_, before), (people, now) in pairwise(zip(film, made, strict=True)):
        if before is not None and now is not None and before.id != now.id:
            assert not any(person.id == before.id and person.state is not ENDED for person in people)


def test_a_limit_for_now_leaves_the_same_order_and_is_taken_back() -> None:
    tracks = [track(1, 50), track(2, 90), track(3, 70)]
    for select, few in ((Selection(2), [2]), (Selection(), [2]), (Selection(2, "largest"), [1])):
        select([track(1, 50)], CAMERA)
        select.limit = 1
        assert ids(select(tracks, CAMERA)) == few
        select.limit = None
        assert len(select(tracks, CAMERA)) == (select.most or 3)
