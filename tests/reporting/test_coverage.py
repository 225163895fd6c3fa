"""The coverage of epochs, against counting every sample."""

from __future__ import annotations

from collections import Counter

import hypothesis.strategies as st
from hypothesis import given

from dbsl_tf.reporting.coverage import Coverage, coverage


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 40)), max_size=12), st.integers(1, 30))
def test_it_is_what_counting_gives(shares: list[tuple[int, int]], samples: int) -> None:
    counts = Counter(first + i for first, count in shares for i in range(count))
    epochs = max(counts, default=-1) // samples + 1
    assert coverage(shares, samples) == [
        Coverage(
            sum(position // samples == epoch for position in counts),
            sum(position // samples == epoch for position in counts if counts[position] > 1),
        )
        for epoch in range(epochs)
    ]


@given(st.lists(st.integers(1, 50), min_size=1, max_size=20), st.integers(1, 60), st.randoms())
def test_shares_cut_one_after_the_other_are_seen_once(sizes, samples, random) -> None:
    shares = [(sum(sizes[:number]), size) for number, size in enumerate(sizes)]
    random.shuffle(shares)
    found = coverage(shares, samples)
    assert sum(epoch.seen for epoch in found) == sum(sizes)
    assert not any(epoch.doubled for epoch in found)


def test_it_does_not_count_samples() -> None:
    share = 10**10
    shares = [(number * share, share) for number in range(100_000)]
    assert coverage(shares, samples=100 * share) == [Coverage(100 * share)] * 1000
