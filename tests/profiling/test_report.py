"""What a person reads of a profile."""

from __future__ import annotations

import io

from rich.console import Console

from dbsl_tf.profiling.fitting import profile_measurements
from dbsl_tf.profiling.measurement import Measurement, MemorySample, OverheadSample, StepSample
from dbsl_tf.profiling.profile_file import Profile
from dbsl_tf.profiling.report import print_profile, profile_sentences

SIZES = (4, 8, 16, 32, 64)
MIB = 2**20


def _profile(workers: int = 2, bend: float = 1.0, free_bytes: int | None = 300 * MIB) -> Profile:
    """Workers w with t(B) = (w + 1) B + 10 ms; the last one's smallest batch is `bend` slower."""
    measured = Measurement(
        steps=tuple(
            StepSample(
                worker,
                size,
                ((worker + 1) * 1e-3 * size + 0.01)
                * (bend if (worker, size) == (workers - 1, 4) else 1),
            )
            for worker in range(workers)
            for size in SIZES
        ),
        overheads=tuple(OverheadSample(worker, 0.0255) for worker in range(workers)),
        memory=tuple(MemorySample(0, size, (100 + 2 * size) * MIB) for size in SIZES),
        free_bytes=free_bytes,
        evaluation_seconds=0.5,
        merge_seconds=0.01,
    )
    return profile_measurements({32: measured}, {}, {})


def _printed(profile: Profile) -> list[str]:
    file = io.StringIO()
    print_profile(profile, Console(file=file, width=200))
    return file.getvalue().splitlines()


def _cells(lines: list[str]) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines if "│" in line]


def test_the_table_has_the_mean_and_each_worker() -> None:
    lines = _printed(_profile())
    assert max(map(len, lines)) <= 100
    cells = _cells(lines)
    assert [row[:2] for row in cells] == [["32", "mean"], ["", "0"], ["", "1"]]
    assert [row[2].split(" ± ")[0] for row in cells] == ["1.5", "1", "2"]
    assert {row[5] for row in cells} == {"25.5"}


def test_a_single_worker_has_one_line() -> None:
    assert [row[:2] for row in _cells(_printed(_profile(workers=1)))] == [["32", "0"]]


def test_sentences_say_range_memory_and_costs() -> None:
    text = " ".join(profile_sentences(_profile()))
    assert "within 5% for batches of 4 to 64" in text
    assert "2 MiB per sample plus 100 MiB" in text
    assert "the largest batch that fits 300 MiB is" in text
    assert "An evaluation takes 0.5 s, a merge takes 0.01 s." in text
    assert "warning" not in text


def test_without_a_budget_there_is_no_largest_batch() -> None:
    text = " ".join(profile_sentences(_profile(free_bytes=None)))
    assert "MiB per sample" in text
    assert "largest batch" not in text


def test_the_warning_of_one_worker_names_it() -> None:
    # 8 % for one worker are less than 5 % for the mean of both.
    text = " ".join(profile_sentences(_profile(bend=1.08)))
    assert "warning: resolution 32: worker 1: t(B) is not linear" in text
    assert "worker 0" not in text


def test_the_warning_of_the_mean_stands_for_all() -> None:
    sentences = profile_sentences(_profile(bend=1.5))
    assert [line for line in sentences if "warning" in line] == [
        "warning: resolution 32: t(B) is not linear over the sizes that the line is for (4 to 64): "
        "it stays within 5% of the line from 8 to 64."
    ]


def test_a_line_through_sizes_in_use_says_so() -> None:
    rounds = tuple(
        tuple(StepSample(0, size, 1e-3 * size + 0.01) for size in (16, 64)) for _ in range(3)
    )
    steps = tuple(StepSample(0, size, 1e-3 * size + 0.01) for size in SIZES)
    profile = profile_measurements({None: Measurement(steps, operating=rounds)}, {}, {})
    assert profile_sentences(profile) == [
        "t(B) = a B + b, fitted to batches of 16 to 64 as they will be used, holds within 5% for "
        "batches of 4 to 64."
    ]
