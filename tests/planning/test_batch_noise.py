"""The batch noise scale against gradients whose noise is known."""

from __future__ import annotations

import random

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dbsl_tf.planning.batch_noise import batch_noise, noise_of_ratio

_sizes = st.tuples(st.integers(1, 500), st.integers(2, 2000)).filter(lambda s: s[0] < s[1])
_positive = st.floats(1e-6, 1e6)


@given(_positive, st.floats(1e-3, 1e5), _sizes)
def test_what_is_expected_gives_what_it_is_expected_of(
    gradient: float, noise: float, sizes: tuple[int, int]
) -> None:
    small_batch, large_batch = sizes
    variance = noise * gradient
    small, large = (gradient + variance / batch for batch in sizes)
    found = batch_noise([small] * 3, [large] * 3, small_batch, large_batch)
    # What differs by next to nothing cannot be told more exactly.
    lost = 1e-12 * small / abs(small - large)
    assert found.variance == pytest.approx(variance, rel=1e-9 + lost)
    assert found.gradient == pytest.approx(gradient, rel=1e-9 + 1e-12 * small / gradient)
    assert found.noise == pytest.approx(noise, rel=1e-9 + lost + 1e-11 * small / gradient)
    assert found.low == pytest.approx(found.noise, rel=1e-6 + lost)


@given(st.lists(st.tuples(_positive, st.floats(0.5, 20)), min_size=2, max_size=12), _sizes)
def test_the_bounds_are_on_both_sides(
    groups: list[tuple[float, float]], sizes: tuple[int, int]
) -> None:
    large = [norm for norm, _ in groups]
    small = [norm * ratio for norm, ratio in groups]
    found = batch_noise(small, large, *sizes)
    low, noise, high = (
        float("inf") if value is None else value for value in (found.low, found.noise, found.high)
    )
    assert 0 <= low <= noise <= high


@given(
    st.lists(st.tuples(_positive, st.floats(-0.2, 1.2)), min_size=2, max_size=12),
    _sizes,
    st.floats(1e-3, 1e3),
)
def test_scale_does_not_matter(
    groups: list[tuple[float, float]], sizes: tuple[int, int], scale: float
) -> None:
    """Ratios from below that without noise, 1, to above that with nothing but noise, B_L/B_S."""
    most = sizes[1] / sizes[0]
    large = [norm for norm, _ in groups]
    small = [norm * max(1 + part * (most - 1), 0.1) for norm, part in groups]
    found = batch_noise(small, large, *sizes)
    scaled = batch_noise([scale * s for s in small], [scale * g for g in large], *sizes)
    assume(found.gradient > 1e-6 * large[0] and found.noise)
    assert scaled.noise == pytest.approx(found.noise, rel=1e-6)


@given(_sizes, st.floats(0.01, 100), st.floats(0.01, 100))
def test_it_rises_with_the_ratio(sizes: tuple[int, int], one: float, two: float) -> None:
    lower, higher = (noise_of_ratio(ratio, *sizes) for ratio in sorted((one, two)))
    assert higher is None or (lower is not None and lower <= higher)


def test_without_noise_and_with_nothing_else() -> None:
    assert noise_of_ratio(1, 10, 40) == 0
    assert noise_of_ratio(0.9, 10, 40) == 0
    assert noise_of_ratio(4, 10, 40) is None
    assert noise_of_ratio(5, 10, 40) is None


def _drawn(generator: random.Random, groups: int, noise: float) -> tuple[list, list]:
    """Squared norms of large batches of 32 and the four of 8 in each, |G|^2 = 1, 60 dimensions."""
    dimensions, slices, small_batch = 60, 4, 8
    deviation = (noise / dimensions / small_batch) ** 0.5
    small, large = [], []
    for _ in range(groups):
        batches = [
            [(axis == 0) + generator.gauss(0, deviation) for axis in range(dimensions)]
            for _ in range(slices)
        ]
        mean = [sum(values) / slices for values in zip(*batches)]
        small.append(sum(v * v for batch in batches for v in batch) / slices)
        large.append(sum(v * v for v in mean))
    return small, large


@pytest.mark.parametrize("noise", [5.0, 50.0])
def test_the_bounds_hold_about_as_often_as_they_say(noise: float) -> None:
    generator = random.Random(1)
    held = 0
    for _ in range(200):
        found = batch_noise(*_drawn(generator, 8, noise), 8, 32)
        high = float("inf") if found.high is None else found.high
        held += found.low is not None and found.low <= noise <= high
    assert 0.9 <= held / 200 <= 0.99


def test_more_batches_tell_it_more_exactly() -> None:
    generator = random.Random(2)
    widths = []
    for groups in (8, 128):
        found = batch_noise(*_drawn(generator, groups, 20.0), 8, 32)
        widths.append(found.high - found.low)
    assert widths[1] < widths[0] / 2
