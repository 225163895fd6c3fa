"""Published beside measured, as people and programs read it."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from dbsl_tf.reproducing.comparison import (
    as_json,
    compare,
    print_comparisons,
    verdict_lines,
)
from dbsl_tf.reproducing.published import Grid, PublishedRow, published
from dbsl_tf.sweeping.table import Row

GRID = Grid(
    title="three rows",
    config="quickstart.yaml",
    set=(),
    source="somewhere",
    keys=("dual_batch.small_workers", "dual_batch.extra_time_ratio"),
    headings=("n_S", "k"),
    rows=(
        PublishedRow(at=(0,), accuracy=60.0, loss=2.0, seconds=100.0),
        PublishedRow(at=(1, 1.05), accuracy=62.5, loss=1.5, seconds=90.0),
        PublishedRow(at=(2, 1.05), accuracy=61.0, loss=1.75, seconds=95.0),
    ),
)


def row(index: int, accuracies: list[float], seconds: float = 50.0) -> Row:
    return Row(
        GRID.points[index],
        2,
        tuple(
            {"test_accuracy": value, "test_loss": 1.0, "wall_seconds": seconds}
            for value in accuracies
        ),
    )


ROWS = [row(0, [0.50, 0.51]), row(1, [0.55, 0.56], 40.0), row(2, [0.40, 0.41], 60.0)]


def printed(rows: list[Row], grid: Grid = GRID) -> list[str]:
    console = Console(file=io.StringIO(), width=80)
    print_comparisons(compare(grid, rows), grid, rows, console)
    return console.file.getvalue().splitlines()


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("│").split("│")]


class TestCompare:
    def test_figures_that_were_not_published_are_left_out(self):
        names = [comparison.figure.name for comparison in compare(GRID, ROWS)]
        assert names == ["accuracy in %", "loss", "time in s"]

    def test_units_are_those_of_the_publication(self):
        accuracy, _, time = compare(GRID, ROWS)
        assert accuracy.measured[0] == pytest.approx((50.0, 51.0))
        assert time.measured[1] == (40.0, 40.0)
        assert accuracy.published == (60.0, 62.5, 61.0)


class TestPrinted:
    def test_a_row_has_both_and_their_distance_from_the_first(self):
        lines = [cells(line) for line in printed(ROWS) if line.startswith("│ 1")]
        assert lines[0] == ["1", "1.05", "2/2", "62.50", "+2.50", "55.50 ± 0.71", "+5.00"]
        # A time is compared by its ratio.
        assert lines[2] == ["1", "1.05", "2/2", "90", "-10.0 %", "40 ± 0", "-20.0 %"]

    @pytest.mark.parametrize("grid", published().grids.values(), ids=published().grids)
    def test_every_grid_fits_into_80_columns(self, grid):
        summaries = [
            {"test_accuracy": accuracy, "test_loss": 1.0, "wall_seconds": seconds}
            for accuracy, seconds in ((0.500, 1000.0), (0.512, 2000.0))
        ]
        rows = [Row(point, 2, tuple(summaries)) for point in grid.points]
        text = "\n".join(printed(rows, grid))
        assert "…" not in text
        assert "50.60 ± 0.85" in text

    def test_a_row_that_is_not_trained_yet_has_dashes(self):
        lines = [cells(line) for line in printed([*ROWS[:2], row(2, [])]) if "│ 2 " in line]
        assert lines[0] == ["2", "1.05", "0/2", "61.00", "+1.00", "-", "-"]

    def test_a_row_without_a_value_of_the_last_key_has_a_gap_there(self):
        (line,) = [cells(line) for line in printed(ROWS) if "60.00" in line]
        assert line[:3] == ["0", "", "2/2"]

    def test_it_fits_into_eighty_columns(self):
        assert not any("…" in line for line in printed(ROWS))

    def test_the_verdict_names_what_is_reversed(self):
        comparison = compare(GRID, ROWS)[0]
        assert verdict_lines(comparison, GRID) == [
            "accuracy: the published order in part",
            "  rank correlation over 3 rows: +0.33",
            "  of 3 pairs of rows: 2 in the published order, 1 reversed, 0 not told apart "
            "(standard deviation of a run: 0.71)",
            "  reversed: n_S=2 k=1.05 against n_S=0, published +1.00, measured -10.00",
        ]

    def test_of_many_reversed_pairs_the_first_are_named(self):
        rows = tuple(PublishedRow(at=(n,), accuracy=float(n), loss=1.0) for n in range(6))
        grid = GRID.model_copy(update={"rows": rows})
        measured = [
            Row(point, 2, tuple({"test_accuracy": -n + d} for d in (0, 0.01)))
            for n, point in enumerate(grid.points)
        ]
        lines = verdict_lines(compare(grid, measured)[0], grid)
        assert len([line for line in lines if line.startswith("  reversed: ")]) == 5
        assert lines[-1] == "  and 10 more"

    def test_nothing_is_said_of_what_is_not_there(self):
        nothing = [row(index, []) for index in range(3)]
        assert verdict_lines(compare(GRID, nothing)[0], GRID) == [
            "accuracy: nothing to compare yet"
        ]


def test_as_json():
    content = json.loads(json.dumps(as_json(compare(GRID, ROWS), ROWS)))
    assert content["rows"][1] == {
        "point": {"dual_batch.small_workers": "1", "dual_batch.extra_time_ratio": "1.05"},
        "planned": 2,
        "finished": 2,
    }
    accuracy = content["figures"]["accuracy in %"]
    assert accuracy["conclusion"] == "the published order in part"
    assert [pair["order"] for pair in accuracy["pairs"]] == ["same", "reversed", "same"]
    assert content["figures"]["loss"]["rank_correlation"] is None
