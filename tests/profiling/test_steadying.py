"""Samples of a machine whose speed wanders, with known times behind them."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from dbsl_tf.profiling.measurement import StepSample
from dbsl_tf.profiling.steadying import at_speed_of, steadied

TRUE = {(0, 16): 0.02, (0, 128): 0.1, (1, 16): 0.021, (1, 128): 0.104}


def _rounds(slowness: np.ndarray) -> list[list[StepSample]]:
    """`slowness`: [rounds, 1] or [rounds, cells]."""
    table = np.broadcast_to(slowness, (len(slowness), len(TRUE))) * list(TRUE.values())
    return [[StepSample(*cell, time) for cell, time in zip(TRUE, row)] for row in table]


def _medians(samples: tuple[StepSample, ...]) -> dict[tuple[int, int], float]:
    return {
        cell: float(
            np.median([s.seconds_per_batch for s in samples if (s.worker, s.batch) == cell])
        )
        for cell in TRUE
    }


@given(seed=st.integers(0, 2**16))
@settings(max_examples=50)
def test_a_wandering_speed_leaves_no_trace(seed: int) -> None:
    walk = np.exp(0.1 * np.random.default_rng(seed).standard_normal((20, 1)).cumsum(axis=0))
    samples = steadied(_rounds(walk))
    assert len(samples) == 20 * len(TRUE)
    for sample in samples:
        expected = TRUE[sample.worker, sample.batch] * np.median(walk)
        np.testing.assert_allclose(sample.seconds_per_batch, expected, rtol=0.05)
    medians = _medians(samples)
    ratios = [medians[cell] / TRUE[cell] for cell in TRUE]
    np.testing.assert_allclose(ratios, ratios[0], rtol=1e-9)


@given(seed=st.integers(0, 2**16))
@settings(max_examples=50)
def test_disturbed_samples_move_neither_the_round_nor_the_others(seed: int) -> None:
    generator = np.random.default_rng(seed)
    slowness = np.ones((21, len(TRUE)))
    hit = generator.permutation(21)[:6]
    slowness[hit, generator.integers(0, len(TRUE), 6)] = generator.uniform(1.5, 4, 6)
    medians = _medians(steadied(_rounds(slowness)))
    for cell, time in TRUE.items():
        np.testing.assert_allclose(medians[cell], time, rtol=1e-9)


def test_samples_of_one_cell_in_a_round_are_one() -> None:
    rounds = [[StepSample(0, 8, 0.1), StepSample(0, 8, 0.3), StepSample(0, 4, 0.1)]] * 2
    assert [(s.batch, round(s.seconds_per_batch, 9)) for s in steadied(rounds)] == [
        (4, 0.1),
        (8, 0.2),
    ] * 2


def test_rounds_without_a_usable_time_for_each_cell_are_left_out() -> None:
    whole = [StepSample(0, 4, 0.1), StepSample(0, 8, 0.2)]
    assert len(steadied([whole, whole[:1], [whole[0], StepSample(0, 8, -0.2)]])) == 2
    assert steadied([whole[:1], whole[1:]]) == ()
    assert steadied([]) == ()


def test_a_scan_is_brought_to_the_speed_of_what_came_later() -> None:
    later = [StepSample(0, 16, 0.02), StepSample(0, 128, 0.1), StepSample(0, 128, 0.9)] * 3
    later += [StepSample(0, 128, 0.1)] * 4
    scan = [StepSample(0, size, 1.5 * (0.02 + 0.08 * (size - 16) / 112)) for size in (16, 64, 128)]
    outside = StepSample(0, 4, 0.03)
    found = at_speed_of(later, [outside, *scan])
    np.testing.assert_allclose(
        [sample.seconds_per_batch for sample in found],
        [0.02, 0.02, 0.02 + 0.08 * 48 / 112, 0.1],
    )


def test_a_scan_with_nothing_to_compare_it_with_stays() -> None:
    scan = (StepSample(0, 4, 0.03),)
    assert at_speed_of((), scan) == scan
    assert at_speed_of((StepSample(1, 4, 0.1),), scan) == scan
