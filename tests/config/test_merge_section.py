"""The numbers of merge rules, and rules in words."""

from __future__ import annotations

import math

import pytest

from dbsl_tf.config.merge_section import MergeSection, slow_momentum
from dbsl_tf.config.moved_keys import with_moved_dotted_keys, with_moved_keys


def test_momentum_of_slowmo_by_workers() -> None:
    for workers, momentum in ((1, 0.2), (2, 0.2), (4, 0.2), (8, 0.5), (16, 0.6), (64, 0.6)):
        assert slow_momentum(workers) == pytest.approx(momentum)
    # Linear in logarithms.
    assert slow_momentum(6) == pytest.approx(0.2 + 0.3 * (math.log2(6) - 2))


@pytest.mark.parametrize(
    ("section", "in_rounds", "words"),
    [
        (MergeSection(), False, "average"),
        (MergeSection(rule="interpolate"), True, "mean of a round"),
        (MergeSection(rule="delta"), False, "delta, learning rate 1"),
        (
            MergeSection(rule="delayed_nesterov", momentum=0.0, staleness_power=0.5),
            False,
            "delayed_nesterov, learning rate 1, momentum 0, staleness power 0.5",
        ),
        (MergeSection(rule="nesterov"), True, "nesterov, learning rate 0.7, momentum 0.9"),
        (MergeSection(rule="slowmo"), True, "slowmo, learning rate 1, momentum 0.5"),
        (MergeSection(rule="parts:Own", momentum=0.1), True, "parts:Own, momentum 0.1"),
    ],
)
def test_in_words(section: MergeSection, in_rounds: bool, words: str) -> None:
    assert section.in_words(8, in_rounds) == words


def test_keys_that_have_moved() -> None:
    before = {"dual_batch": {"merge": "average", "replan": True}, "merge": {"momentum": 0.5}}
    assert with_moved_keys(before) == {
        "dual_batch": {"replan": True},
        "merge": {"rule": "average", "momentum": 0.5},
    }
    # What is no section is left to be told so.
    for wrong in ({"dual_batch": 3}, {"dual_batch": {"merge": "average"}, "merge": 3}):
        assert with_moved_keys(wrong)["merge" if "merge" in wrong else "dual_batch"] == 3
    both = {"dual_batch.merge": "journal", "merge.rule": "delta", "run.seed": 0}
    assert with_moved_dotted_keys(both) == {"merge.rule": "delta", "run.seed": 0}
