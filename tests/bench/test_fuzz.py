"""Damaged input, as hypothesis damages it: what is read ends in a value or in one of our errors."""

import random
import warnings
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymafx_live.bench import fuzz
from pymafx_live.bench.fuzz import OURS, TARGETS, mutant, mutate


@pytest.mark.parametrize("name", TARGETS)
def test_good_input_is_read(name, tmp_path):
    for seed in TARGETS[name].seeds():
        TARGETS[name].read(seed, tmp_path / "input")


@pytest.mark.parametrize("name", TARGETS)
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_input_ends_in_a_value_or_in_one_of_our_errors(name, tmp_path, data):
    target = TARGETS[name]
    seeds = target.seeds()
    rng = st.randoms(use_true_random=False)
    damaged = st.builds(mutate, st.sampled_from(seeds), st.just(seeds), rng) | st.binary(max_size=200)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            target.read(data.draw(damaged), tmp_path / "input")
        except OURS as error:
            assert str(error)


def test_many_mutants_in_little_time_and_memory(capsys):
    """In processes of one gigabyte, of which one that crashes, hangs or takes too long would be named."""
    assert fuzz.main(["--what", "wire,pickle", "--mutants", "300", "--jobs", "1"]) == 0
    assert "damaged input" in capsys.readouterr().out


def test_a_mutant_that_ends_its_process_or_raises_is_named(capsys, monkeypatch):
    def read(data: bytes, file: Path) -> None:
        raise ZeroDivisionError("found")

    tally = fuzz.Tally()
    fuzz._feed_one(fuzz.Target(lambda: [b"a"], read), "wire 7", b"a", Path(), tally)
    assert tally.faults == ["wire 7: ZeroDivisionError: found"]


def test_a_number_is_always_the_same_mutant():
    target = TARGETS["wire"]
    assert mutant(target, 7) == mutant(target, 7) != mutant(target, 8)
    assert mutate(b"", [b"x"], random.Random(1)) is not None
