"""The result of a sweep: one row per point, with mean and standard deviation over its seeds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import mean, stdev
from typing import Any

from rich.console import Console
from rich.table import Table

from dbsl_tf.sweeping.grid import Point
from dbsl_tf.sweeping.planned_run import PlannedRun

_FIGURES: tuple[tuple[str, str, Callable[[float], str]], ...] = (
    ("test accuracy", "test_accuracy", lambda value: f"{100 * value:.2f}"),
    ("test loss", "test_loss", lambda value: f"{value:.4f}"),
    ("seconds", "wall_seconds", lambda value: f"{value:.1f}"),
    ("k realised", "realised_extra_time_ratio", lambda value: f"{value:.3f}"),
)


@dataclass(frozen=True)
class Row:
    """A point of the grid.

    Attributes:
        point: the point.
        planned: how many runs were planned there.
        summaries: the summaries of the finished runs, see `dbsl_tf.results.summary`.
    """

    point: Point
    planned: int
    summaries: tuple[dict[str, Any], ...]

    def statistics(self, figure: str) -> tuple[float, float | None] | None:
        """Returns the mean and sample standard deviation over the seeds.

        The deviation is None for a single seed; everything is None if no finished run has the
        figure.
        """
        return self._statistics([summary.get(figure) for summary in self.summaries])

    def metric_statistics(self, metric: str) -> tuple[float, float | None] | None:
        """Returns the same of one of `test_metrics`."""
        return self._statistics([s.get("test_metrics", {}).get(metric) for s in self.summaries])

    @staticmethod
    def _statistics(found: Iterable[float | None]) -> tuple[float, float | None] | None:
        values = [value for value in found if value is not None]
        if not values:
            return None
        return mean(values), stdev(values) if len(values) > 1 else None


def rows_of(runs: Iterable[PlannedRun]) -> list[Row]:
    """Returns a row for each point, in order."""
    by_point: dict[Point, list[PlannedRun]] = {}
    for run in runs:
        by_point.setdefault(run.point, []).append(run)
    return [
        Row(point, len(group), tuple(s for run in group if (s := run.summary()) is not None))
        for point, group in by_point.items()
    ]


def print_rows(rows: Sequence[Row], console: Console) -> None:
    """Prints the table; accuracies in percent.

    The column of accuracies is left out where finished runs have none.
    """
    summaries = [summary for row in rows for summary in row.summaries]
    counted = not summaries or any(s.get("test_accuracy") is not None for s in summaries)
    figures = [f for f in _FIGURES if counted or f[1] != "test_accuracy"]
    metrics = _metrics(rows)
    table = Table(title="mean ± standard deviation over the seeds")
    for key, _ in rows[0].point.values:
        table.add_column(key.rpartition(".")[2])
    headings = [*(heading for heading, _, _ in figures), *(f"test {name}" for name in metrics)]
    for heading in ("runs", *headings):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(
            *(value for _, value in row.point.values),
            f"{len(row.summaries)}/{row.planned}",
            *(_text(row.statistics(figure), form) for _, figure, form in figures),
            *(_text(row.metric_statistics(name), "{:.4g}".format) for name in metrics),
        )
    console.print(table)


def rows_as_json(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Returns the table as JSON values."""
    content = []
    for row in rows:
        figures: dict[str, Any] = {
            figure: _as_json(row.statistics(figure)) for _, figure, _ in _FIGURES
        }
        if metrics := _metrics(rows):
            figures["test_metrics"] = {
                name: _as_json(row.metric_statistics(name)) for name in metrics
            }
        content.append(
            {
                "point": dict(row.point.values),
                "planned": row.planned,
                "finished": len(row.summaries),
                **figures,
            }
        )
    return content


def _metrics(rows: Iterable[Row]) -> list[str]:
    """Returns the names in any `test_metrics`, in order."""
    return list(
        dict.fromkeys(
            name
            for row in rows
            for summary in row.summaries
            for name in summary.get("test_metrics", {})
        )
    )


def _as_json(found: tuple[float, float | None] | None) -> dict[str, float | None] | None:
    return found and {"mean": found[0], "standard_deviation": found[1]}


def _text(found: tuple[float, float | None] | None, form: Callable[[float], str]) -> str:
    if found is None:
        return "-"
    average, deviation = found
    return form(average) if deviation is None else f"{form(average)} ± {form(deviation)}"
