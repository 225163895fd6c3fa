"""Published beside measured: the figures of a grid, their verdicts, as tables and as JSON."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import mean, stdev
from typing import Any

from rich.console import Console
from rich.table import Table

from dbsl_tf.common.printing import print_line
from dbsl_tf.reproducing.published import Grid, PublishedRow
from dbsl_tf.reproducing.verdict import Pair, Verdict, judge
from dbsl_tf.sweeping.table import Row

_MOST_REVERSED = 5


@dataclass(frozen=True)
class Figure:
    """What is compared of every row.

    Attributes:
        name: its name, with the unit.
        published: its value in a published row; None: not known.
        summary_key: its key in summary.json.
        factor: what turns the latter's unit into that of the former.
        digits: after the point.
        relative: whether rows are compared by their ratio, in percent, and not their difference.
    """

    name: str
    published: Callable[[PublishedRow], float | None]
    summary_key: str
    factor: float = 1.0
    digits: int = 2
    relative: bool = False

    def measured(self, row: Row) -> list[float]:
        """Returns the values of a row's finished runs."""
        values = [summary.get(self.summary_key) for summary in row.summaries]
        return [self.factor * value for value in values if value is not None]

    def text(self, value: float | None) -> str:
        """Formats a value; None is a dash."""
        return "-" if value is None else f"{value:.{self.digits}f}"

    def against(self, value: float | None, first: float | None) -> str:
        """Formats what a value differs by from that of the first row."""
        if value is None or first is None:
            return "-"
        if self.relative:
            return f"{100 * (value / first - 1):+.1f} %"
        return f"{value - first:+.{self.digits}f}"


FIGURES = (
    Figure("accuracy in %", lambda row: row.accuracy, "test_accuracy", 100),
    Figure("best accuracy in %", lambda row: row.best, "best_test_accuracy", 100),
    Figure("loss", lambda row: row.loss, "test_loss", digits=3),
    Figure("time in s", lambda row: row.seconds, "wall_seconds", digits=0, relative=True),
)


@dataclass(frozen=True)
class Comparison:
    """One figure of all rows of a grid.

    Attributes:
        figure: the figure.
        published: its published values, by row.
        measured: its values in the finished runs, by row.
        verdict: on the order of the rows.
    """

    figure: Figure
    published: tuple[float | None, ...]
    measured: tuple[tuple[float, ...], ...]
    verdict: Verdict


def compare(grid: Grid, rows: Sequence[Row]) -> list[Comparison]:
    """Returns the comparison of every figure that the grid has.

    Args:
        grid: the grid.
        rows: its rows as they were trained, in the grid's order.
    """
    comparisons = []
    for figure in FIGURES:
        published = tuple(figure.published(row) for row in grid.rows)
        if any(value is not None for value in published):
            measured = tuple(tuple(figure.measured(row)) for row in rows)
            comparisons.append(Comparison(figure, published, measured, judge(published, measured)))
    return comparisons


def print_comparisons(
    comparisons: Sequence[Comparison], grid: Grid, rows: Sequence[Row], console: Console
) -> None:
    """Prints a table for each figure, and under it the verdict on the order of the rows."""
    for comparison in comparisons:
        console.print(_table(comparison, grid, rows))
        for line in verdict_lines(comparison, grid):
            print_line(console, line)
        console.print()


def _table(comparison: Comparison, grid: Grid, rows: Sequence[Row]) -> Table:
    figure = comparison.figure
    table = Table(title=f"{figure.name}: mean ± standard deviation over the seeds")
    for heading in grid.headings:
        table.add_column(heading, no_wrap=True)
    table.add_column("runs", justify="right", no_wrap=True)
    for heading in ("published", "measured"):
        table.add_column(heading, justify="right", no_wrap=True)
        table.add_column("against the first", justify="right")
    averages = [mean(seeds) if seeds else None for seeds in comparison.measured]
    for row, value, seeds, average in zip(
        rows, comparison.published, comparison.measured, averages, strict=True
    ):
        values = [value for _, value in row.point.values]
        deviation = f" ± {figure.text(stdev(seeds))}" if len(seeds) > 1 else ""
        table.add_row(
            *values,
            *[""] * (len(grid.headings) - len(values)),
            f"{len(row.summaries)}/{row.planned}",
            figure.text(value),
            figure.against(value, comparison.published[0]),
            figure.text(average) + deviation,
            figure.against(average, averages[0]),
        )
    return table


def verdict_lines(comparison: Comparison, grid: Grid) -> list[str]:
    """Returns the verdict in words: the conclusion, the counts, and the reversed pairs."""
    verdict, figure = comparison.verdict, comparison.figure
    name = figure.name.partition(" in ")[0]
    lines = [f"{name}: {verdict.conclusion}"]
    if not verdict.pairs:
        return lines
    if verdict.correlation is not None:
        lines.append(f"  rank correlation over {verdict.rows} rows: {verdict.correlation:+.2f}")
    counts = [
        f"{len(verdict.of('same'))} in the published order",
        f"{len(verdict.of('reversed'))} reversed",
        f"{len(verdict.of('not told apart'))} not told apart",
    ]
    lines.append(f"  of {len(verdict.pairs)} pairs of rows: {', '.join(counts)}")
    if verdict.deviation is not None:
        lines[-1] += f" (standard deviation of a run: {figure.text(verdict.deviation)})"
    reversed_pairs = verdict.of("reversed")
    for pair in reversed_pairs[:_MOST_REVERSED]:
        lines.append(f"  reversed: {_names(pair, grid)}, {_differences(pair, figure)}")
    if len(reversed_pairs) > _MOST_REVERSED:
        lines.append(f"  and {len(reversed_pairs) - _MOST_REVERSED} more")
    return lines


def _names(pair: Pair, grid: Grid) -> str:
    return f"{grid.label(pair.second)} against {grid.label(pair.first)}"


def _differences(pair: Pair, figure: Figure) -> str:
    return (
        f"published {pair.published:+.{figure.digits}f}, measured "
        f"{pair.measured:+.{figure.digits}f}"
    )


def as_json(comparisons: Sequence[Comparison], rows: Sequence[Row]) -> dict[str, Any]:
    """Returns all of it as JSON values; indices of rows count from 0."""
    return {
        "rows": [
            {
                "point": dict(row.point.values),
                "planned": row.planned,
                "finished": len(row.summaries),
            }
            for row in rows
        ],
        "figures": {
            comparison.figure.name: {
                "published": list(comparison.published),
                "measured": [list(seeds) for seeds in comparison.measured],
                "conclusion": comparison.verdict.conclusion,
                "rank_correlation": comparison.verdict.correlation,
                "standard_deviation": comparison.verdict.deviation,
                "pairs": [
                    {
                        "first": pair.first,
                        "second": pair.second,
                        "published": pair.published,
                        "measured": pair.measured,
                        "spread": pair.spread,
                        "order": pair.order,
                    }
                    for pair in comparison.verdict.pairs
                ],
            }
            for comparison in comparisons
        },
    }
