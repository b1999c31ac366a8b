"""How many workers there are and where, for any cluster."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from pymafx_live.pipeline.fleet.allocation import Member, Node, allocate


def pool(cpus: float = 1.0, gpus: float = 0.0, workers: int | str = "auto") -> dict:
    return {"cpus": cpus, "gpus": gpus, "workers": workers}


NODES = [Node("a", 4, 1), Node("b", 4, 0)]


def grown(pools, wanted, nodes, members=(), keys=None):
    """The members once all that is to be done was done, again and again, and the last allocation."""
    members, keys, number = list(members), keys or dict.fromkeys(pools, "new"), 0
    for _ in range(100):
        made = allocate(pools, keys, wanted, nodes, members)
        if not (made.starts or made.leaves or made.closed):
            break
        members = [m for m in members if m.name not in (*made.leaves, *made.closed)]
        for name, node in made.starts:
            number += 1
            members.append(Member(f"n{number}", name, node, keys[name], pools[name]["cpus"], pools[name]["gpus"]))
    return members, made


def test_gpus_and_what_is_left_of_the_processors():
    members, made = grown({"fast": pool(1, 1), "slow": pool(2)}, {"fast": 9, "slow": 9}, NODES)
    assert Counter((m.pool, m.node) for m in members) == {("fast", "a"): 1, ("slow", "a"): 1, ("slow", "b"): 2}
    assert not made.short


def test_no_more_workers_than_cameras_and_those_apart():
    members, _ = grown({"slow": pool(1)}, {"slow": 2}, NODES)
    assert {m.node for m in members} == {"a", "b"} and len(members) == 2


def test_a_number_that_has_no_room_is_said():
    members, made = grown({"slow": pool(2, workers=6)}, {"slow": 1}, NODES)
    assert len(members) == 4 and "2 workers of 2 CPUs find no room" in made.short["slow"]


def test_a_node_that_may_not_be_used_loses_its_workers_but_not_before_there_is_another():
    members, _ = grown({"slow": pool(2, workers=2)}, {"slow": 2}, NODES)
    made = allocate({"slow": pool(2, workers=2)}, {"slow": "new"}, {"slow": 2}, NODES[:1], members)
    assert made.starts == [("slow", "a")] and made.leaves == [m.name for m in members if m.node == "b"]
    assert not made.closed


def test_on_a_node_whose_worker_fell_silent_the_others_stay_and_nothing_is_started():
    members, _ = grown({"slow": pool(1, workers=2)}, {"slow": 2}, NODES[:1])
    made = allocate({"slow": pool(1, workers=2)}, {"slow": "new"}, {"slow": 2}, NODES[:1], members[:1], {"a"})
    assert not made.starts and not made.leaves and "no room" in made.short["slow"]


def test_new_settings_replace_workers_also_where_there_is_room_for_one_only():
    nodes = [Node("a", 2, 1)]
    old, _ = grown({"fast": pool(1, 1)}, {"fast": 3}, nodes, keys={"fast": "old"})
    made = allocate({"fast": pool(1, 1)}, {"fast": "new"}, {"fast": 3}, nodes, old)
    assert made.closed == [old[0].name] and not made.starts
    members, _ = grown({"fast": pool(1, 1)}, {"fast": 3}, nodes, old)
    assert [m.key for m in members] == ["new"]


nodes = st.lists(
    st.builds(Node, st.uuids().map(str), st.integers(0, 8), st.integers(0, 4)), max_size=6, unique_by=lambda n: n.id
)
pools = st.dictionaries(
    st.sampled_from("abc"),
    st.builds(pool, st.integers(1, 4), st.integers(0, 2), st.one_of(st.just("auto"), st.integers(1, 5))),
)


@given(pools, st.dictionaries(st.sampled_from("abc"), st.integers(0, 9)), nodes, nodes)
def test_it_never_takes_more_than_there_is_and_comes_to_rest(pools, wanted, before, after):
    members, _ = grown(pools, wanted, before, keys=dict.fromkeys(pools, "old"))
    members, made = grown(pools, wanted, after, members)
    assert not (made.starts or made.leaves or made.closed)
    for node in after:
        here = [m for m in members if m.node == node.id]
        assert sum(m.cpus for m in here) <= node.cpus and sum(m.gpus for m in here) <= node.gpus
    count = Counter(m.pool for m in members)
    for name, asked in pools.items():
        most = wanted.get(name, 0) if asked["workers"] == "auto" else asked["workers"]
        assert count[name] <= most
        assert (name in made.short) == (count[name] < most and (asked["workers"] != "auto" or not count[name]))
