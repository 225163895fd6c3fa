"""The shares of an average over commits, against averages worked out from all weights at once."""

from __future__ import annotations

import numpy as np
import pytest

from dbsl_tf.schedules.averaging import Averaging, averaging_from
from dbsl_tf.schedules.calendar import Calendar

WORKERS, EPOCHS = 4, 5
TOTAL = WORKERS * EPOCHS
WEIGHTS = np.random.default_rng(0).normal(size=TOTAL + 1)


def calendar(epochs: int = EPOCHS) -> Calendar:
    return Calendar(workers=WORKERS, epochs=epochs, eval_every=1, checkpoint_every=1)


def averages(averaging: Averaging, step: int = 1) -> dict[int, float]:
    """The average after each commit; in rounds of `step` commits that have the same weights."""
    average, found = WEIGHTS[0], {}
    for last in range(step, TOTAL + 1, step):
        share = averaging.share(last - step + 1, last)
        average = (1 - share) * average + share * WEIGHTS[last]
        found[last] = average
    return found


def test_an_exponential_average_begins_with_the_first_commit() -> None:
    found = averages(averaging_from("ema", 1.5, calendar()))
    kept = 1 - 1 / (1.5 * WORKERS)
    expected = WEIGHTS[1]
    assert found[1] == expected
    for commit in range(2, TOTAL + 1):
        expected = kept * expected + (1 - kept) * WEIGHTS[commit]
        assert found[commit] == pytest.approx(expected, rel=1e-12)


def test_over_less_than_a_commit_it_is_the_weights_themselves() -> None:
    found = averages(averaging_from("ema", 0.1, calendar()))
    assert [found[commit] for commit in range(1, TOTAL + 1)] == list(WEIGHTS[1:])


def test_the_mean_over_the_last_epochs_is_the_weights_before_them() -> None:
    found = averages(averaging_from("last", 2.5, calendar()))
    first = TOTAL - 10 + 1
    for commit in range(1, first):
        assert found[commit] == WEIGHTS[commit]
    for commit in range(first, TOTAL + 1):
        assert found[commit] == pytest.approx(WEIGHTS[first : commit + 1].mean(), rel=1e-12)


def test_longer_than_the_run_it_is_the_mean_over_all_commits() -> None:
    found = averages(averaging_from("last", 100.0, calendar()))
    assert found[TOTAL] == pytest.approx(WEIGHTS[1:].mean(), rel=1e-12)


@pytest.mark.parametrize("rule", ["ema", "last"])
def test_a_round_counts_as_its_commits(rule: str) -> None:
    """All of a round have the weights after it."""
    averaging = averaging_from(rule, 1.5, calendar())
    found = averages(averaging, step=WORKERS)
    average = WEIGHTS[0]
    for commit in range(1, TOTAL + 1):
        share = averaging.share(commit, commit)
        of_the_round = WEIGHTS[-(-commit // WORKERS) * WORKERS]
        average = (1 - share) * average + share * of_the_round
        if commit % WORKERS == 0:
            assert found[commit] == pytest.approx(average, rel=1e-12)


class TestResumed:
    def test_as_it_was(self) -> None:
        for rule in ("ema", "last"):
            begun = averaging_from(rule, 2.0, calendar())
            for commit in (0, 7, 12, 13, 20):
                resumed = averaging_from(rule, 2.0, calendar(), commit, begun.begun)
                assert resumed == begun

    def test_another_rule_begins_with_the_next_commit(self) -> None:
        for rule, before in (("ema", ("last", 12)), ("ema", None), ("last", ("ema", 0))):
            resumed = averaging_from(rule, 4.0, calendar(), 9, before)
            assert resumed.since == 9
            assert resumed.share(10, 10) == 1.0
            assert resumed.share(11, 11) < 1.0

    def test_a_window_that_has_moved_begins_where_it_can(self) -> None:
        """With more epochs the last ones are others."""
        begun = averaging_from("last", 2.0, calendar()).begun
        assert begun == ("last", 12)
        assert averaging_from("last", 2.0, calendar(9), 20, begun).since == 28
        # Commits 13 to 16 are in the average, and are not of the last two epochs any more.
        later = averaging_from("last", 2.0, calendar(6), 20, begun)
        assert later.since == 20
        # Resumed once more it goes on.
        assert averaging_from("last", 2.0, calendar(6), 22, later.begun) == later

    def test_a_window_that_begins_earlier_now_goes_on(self) -> None:
        begun = averaging_from("last", 1.0, calendar()).begun
        assert averaging_from("last", 3.0, calendar(), 18, begun).since == 16
        # Before it had begun, there is nothing to go on with.
        assert averaging_from("last", 3.0, calendar(), 14, begun).since == 14


def test_what_is_not_averaged_yet_needs_no_copy() -> None:
    averaging = averaging_from("last", 2.0, calendar())
    assert [averaging.has_begun(commit) for commit in (0, 12, 13, 20)] == [False, False, True, True]
