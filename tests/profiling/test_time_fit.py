"""Lines through synthetic times, whose a and b are known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbsl_tf.profiling.time_fit import METHODS, fit_time_model

SIZES = np.array([4, 8, 16, 32, 64, 128, 256, 512])
A, B = 4e-4, 0.015  # near those of a GTX 1080 in arXiv 2509.26092

lines = st.tuples(st.floats(1e-6, 1e-2), st.floats(1e-4, 1.0))


def _noisy(seed: int, noise: float, repeats: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Times whose noise grows with them."""
    batches = np.repeat(SIZES, repeats)
    spread = np.random.default_rng(seed).standard_normal(len(batches))
    return batches, (A * batches + B) * (1 + noise * spread)


def _disturbed(seed: int, times: np.ndarray, share: float) -> np.ndarray:
    """The same with some times 1.5 to 5 times as long, as when another process has the core."""
    generator = np.random.default_rng(seed + 10_000)
    hit = generator.permutation(len(times))[: int(share * len(times))]
    times = times.copy()
    times[hit] *= generator.uniform(1.5, 5, len(hit))
    return times


@pytest.mark.parametrize("method", METHODS)
@given(line=lines)
@settings(max_examples=25)
def test_an_exact_line_is_found(method: str, line: tuple[float, float]) -> None:
    a, b = line
    fit = fit_time_model(SIZES, a * SIZES + b, method)
    # The smaller of the two only counts for its part of the whole time.
    np.testing.assert_allclose(fit.a * 512 + fit.b, a * 512 + b, rtol=1e-6)
    np.testing.assert_allclose(fit.a * 4 + fit.b, a * 4 + b, rtol=1e-6)
    assert fit.r2 > 1 - 1e-6
    assert fit.linear_range == (4, 512)
    assert max(map(abs, fit.residuals)) < 1e-6


@given(seed=st.integers(0, 2**16), share=st.sampled_from([0.1, 0.15, 0.2]))
@settings(max_examples=60)
def test_outliers_do_not_move_the_robust_fit(seed: int, share: float) -> None:
    batches, times = _noisy(seed, noise=0.01)
    fit = fit_time_model(batches, _disturbed(seed, times, share))
    assert fit.a == pytest.approx(A, rel=0.03)
    assert fit.b == pytest.approx(B, rel=0.03)


def test_the_outliers_would_move_least_squares() -> None:
    errors = [
        abs(fit_time_model(batches, _disturbed(seed, times, 0.2), "ols").a / A - 1)
        for seed in range(10)
        for batches, times in [_noisy(seed, noise=0.01)]
    ]
    assert np.median(errors) > 0.1


def test_times_that_are_too_short_do_not_move_the_robust_fit() -> None:
    batches, times = _noisy(1, noise=0.01)
    times[[2, 9, 20, 23]] *= 0.3
    fit = fit_time_model(batches, times)
    assert fit.a == pytest.approx(A, rel=0.02)
    assert fit.b == pytest.approx(B, rel=0.02)


def test_noise_that_grows_with_the_time_leaves_no_bias() -> None:
    fits = [fit_time_model(*_noisy(seed, noise=0.1)) for seed in range(100)]
    assert np.mean([fit.a for fit in fits]) == pytest.approx(A, rel=0.02)
    assert np.mean([fit.b for fit in fits]) == pytest.approx(B, rel=0.02)


@pytest.mark.parametrize("share", [0.0, 0.15])
def test_the_robust_intervals_hold_the_truth_nineteen_times_of_twenty(share: float) -> None:
    fits = [
        fit_time_model(batches, _disturbed(seed, times, share))
        for seed in range(200)
        for batches, times in [_noisy(seed, noise=0.02)]
    ]
    for name, truth in (("a", A), ("b", B)):
        intervals = [getattr(fit, f"{name}_interval") for fit in fits]
        covered = np.mean([low <= truth <= high for low, high in intervals])
        assert 0.89 <= covered <= 0.99


def test_ols_is_ordinary_least_squares() -> None:
    batches, times = _noisy(3, noise=0.05)
    fit = fit_time_model(batches, times, "ols")
    np.testing.assert_allclose((fit.a, fit.b), np.polyfit(batches, times, 1), rtol=1e-9)
    assert fit.r2 == pytest.approx(np.corrcoef(batches, times)[0, 1] ** 2)


def test_ols_intervals_against_a_published_example() -> None:
    # Height and mass of 15 women, a textbook example: mass = 61.272 height - 39.062 with standard
    # errors 1.776 and 2.938. Heights are in centimetres here, as sizes are at least 1.
    heights = np.array([147, 150, 152, 155, 157, 160, 163, 165, 168, 170, 173, 175, 178, 180, 183])
    masses = np.array(
        [52.21, 53.12, 54.48, 55.84, 57.20, 58.57, 59.93, 61.29, 63.11, 64.47, 66.28, 68.10]
        + [69.92, 72.19, 74.46]
    )
    fit = fit_time_model(heights, masses, "ols")
    assert 100 * fit.a == pytest.approx(61.272, abs=0.001)
    assert fit.b == pytest.approx(-39.062, abs=0.001)
    # Student's t for 13 degrees of freedom is 2.1604.
    assert 100 * (fit.a_interval[1] - fit.a) == pytest.approx(2.1604 * 1.776, abs=0.002)
    assert fit.b - fit.b_interval[0] == pytest.approx(2.1604 * 2.938, abs=0.002)


def test_residuals_are_relative_and_in_the_order_given() -> None:
    times = A * SIZES + B
    times[5] *= 1.25
    residuals = fit_time_model(SIZES, times).residuals
    assert residuals[5] == pytest.approx(1 / 1.25 - 1, abs=1e-3)
    assert max(abs(r) for i, r in enumerate(residuals) if i != 5) < 1e-3


def test_a_line_that_bends_is_reported_with_the_range_it_holds_over() -> None:
    times = A * SIZES + B
    times[:2] *= (1.5, 1.2)
    fit = fit_time_model(SIZES, times)
    assert fit.linear_range == (16, 512)
    assert "(4 to 512)" in fit.warning
    assert "from 16 to 512" in fit.warning


def test_one_disturbed_size_does_not_end_the_range() -> None:
    times = A * SIZES + B
    times[4] *= 2
    fit = fit_time_model(SIZES, times)
    assert (fit.linear_range, fit.warning) == ((4, 512), None)


@pytest.mark.parametrize(
    ("batches", "times", "expected"),
    [
        ([4, 8, 16, 32], [0.4, 0.3, 0.2, 0.1], "a is -"),
        ([4, 8, 16, 32], [0.03, 0.07, 0.15, 0.31], "b is -0.01,"),
        ([4, 8, 16], [0.04, 0.05, 0.07], "3 batch sizes"),
        ([4, 8, 16, 32, 64, 128], [0.017, 0.014, 0.031, 0.034, 0.089, 0.11], "not linear"),
    ],
)
def test_what_cannot_be_trusted_is_said(batches: list, times: list, expected: str) -> None:
    warning = fit_time_model(batches, times, "ols").warning
    assert expected in warning
    assert "\n" not in warning


def test_an_uncertain_b_is_said() -> None:
    batches = np.array([400, 420, 440, 460, 480, 500])
    times = (A * batches + B) * (1 + np.array([0.02, -0.02, 0.01, -0.01, 0.02, -0.01]))
    assert "b may be anything" in fit_time_model(batches, times).warning


@pytest.mark.parametrize("method", METHODS)
def test_two_points_have_a_line_but_no_interval(method: str) -> None:
    fit = fit_time_model([10, 20], [0.03, 0.04], method)
    assert (fit.a, fit.b) == (pytest.approx(0.001), pytest.approx(0.02))
    assert fit.a_interval is None and fit.b_interval is None
    assert "2 batch sizes" in fit.warning


@pytest.mark.parametrize(
    ("batches", "times"),
    [
        ([8, 8], [0.1, 0.1]),
        ([], []),
        ([4, 8], [0.1, 0.0]),
        ([4, 8], [0.1, float("nan")]),
        ([0, 8], [0.1, 0.2]),
        ([4, 8, 16], [0.1, 0.2]),
    ],
)
def test_points_without_a_line_are_refused(batches: list, times: list) -> None:
    with pytest.raises(ValueError):
        fit_time_model(batches, times)


def test_an_unknown_method_is_refused() -> None:
    with pytest.raises(ValueError, match="method"):
        fit_time_model([4, 8], [0.1, 0.2], "lasso")


def test_a_line_goes_through_the_points_that_it_is_fitted_to() -> None:
    # A curve that bends by some percent: the line is a chord of it.
    curve = A * SIZES + B + 2e-3 * np.log2(SIZES)
    fitted = np.isin(SIZES, (32, 512))
    for method in METHODS:
        fit = fit_time_model(SIZES, curve, method, fitted)
        for size in (32, 512):
            (time,) = curve[size == SIZES]
            assert fit.batch_seconds(size) == pytest.approx(time, rel=1e-6)
        assert fit.fitted_range == (32, 512)
        # Below 32 the curve leaves the chord, which is not what the line is for.
        assert fit.residuals[0] > 0.05
        assert fit.linear_range[0] > 4
        assert fit.warning is None


def test_a_line_that_leaves_the_times_between_its_ends_is_warned_of() -> None:
    times = A * SIZES + B
    times[(32 < SIZES) & (SIZES < 512)] *= 1.1
    fit = fit_time_model(SIZES, times, fitted=np.isin(SIZES, (32, 512)))
    assert "not linear over the sizes that the line is for (32 to 512)" in fit.warning


def test_two_sizes_have_an_r2_and_intervals_of_their_own() -> None:
    generator = np.random.default_rng(0)
    batches = np.repeat([4, 8, 16, 32, 512], [1, 1, 1, 40, 40])
    times = (A * batches + B) * generator.normal(1, 0.02, len(batches))
    fit = fit_time_model(batches, times, fitted=batches > 16)
    assert fit.a_interval[0] < A < fit.a_interval[1]
    assert fit.b_interval[0] < B < fit.b_interval[1]
    assert 0.99 < fit.r2 < 1


@pytest.mark.parametrize("method", METHODS)
def test_the_reach_of_the_line_covers_the_truth(method: str) -> None:
    inside = 0
    for seed in range(200):
        batches, times = _noisy(seed, noise=0.02)
        fit = fit_time_model(batches, times, method)
        inside += abs(fit.batch_seconds(128) - (A * 128 + B)) < fit.reach(128)
    # "ols" takes the noise of the large sizes for that of all.
    assert 180 <= inside <= (200 if method == "ols" else 198)


def test_two_points_have_no_reach() -> None:
    assert fit_time_model([4, 8], [0.1, 0.2]).reach(4) is None


@pytest.mark.parametrize("fitted", [[True, True, False], [True, False]])
def test_the_fitted_points_need_two_sizes(fitted: list[bool]) -> None:
    with pytest.raises(ValueError):
        fit_time_model([4, 4, 8], [0.1, 0.1, 0.2], fitted=fitted)
