"""The result of a sweep: one row per point, with mean and standard deviation over its seeds."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import mean, stdev
from typing import Any

from rich.console import Console
from rich.table import Table

from dbsl_tf.config.flat import flat
from dbsl_tf.config.keys import effect_of, tagged
from dbsl_tf.config.tags import Effect, OfSmallWorkers
from dbsl_tf.sweeping.grid import Point
from dbsl_tf.sweeping.planned_run import PlannedRun

_FIGURES: tuple[tuple[str, str, Callable[[float], str]], ...] = (
    ("test accuracy", "test_accuracy", lambda value: f"{100 * value:.2f}"),
    ("test loss", "test_loss", lambda value: f"{value:.4f}"),
    ("seconds", "wall_seconds", lambda value: f"{value:.1f}"),
    ("k estimated", "realised_extra_time_ratio", lambda value: f"{value:.3f}"),
)
_MEASURED = "measured_extra_time_ratio"


@dataclass(frozen=True)
class Row:
    """A point of the grid.

    Attributes:
        point: the point.
        planned: how many runs were planned there.
        summaries: the summaries of the finished runs, see `dbsl_tf.results.summary`.
        measured: the measured extra time ratio k of each run that has a baseline: its time over
            that of the run without small workers with the same seed, evaluations included.
    """

    point: Point
    planned: int
    summaries: tuple[dict[str, Any], ...]
    measured: tuple[float, ...] = ()

    def statistics(self, figure: str) -> tuple[float, float | None] | None:
        """Returns the mean and sample standard deviation over the seeds.

        The deviation is None for a single seed; everything is None if no finished run has the
        figure.
        """
        return self._statistics([summary.get(figure) for summary in self.summaries])

    def metric_statistics(self, metric: str) -> tuple[float, float | None] | None:
        """Returns the same of one of `test_metrics`."""
        return self._statistics([s.get("test_metrics", {}).get(metric) for s in self.summaries])

    @property
    def measured_statistics(self) -> tuple[float, float | None] | None:
        """The same of the measured extra time ratio k."""
        return self._statistics(self.measured)

    @staticmethod
    def _statistics(found: Iterable[float | None]) -> tuple[float, float | None] | None:
        values = [value for value in found if value is not None]
        if not values:
            return None
        return mean(values), stdev(values) if len(values) > 1 else None


def rows_of(runs: Iterable[PlannedRun]) -> list[Row]:
    """Returns a row for each point, in order."""
    planned: Counter[Point] = Counter()
    finished: dict[Point, list[tuple[str, dict[str, Any]]]] = {}
    baselines: dict[str, list[float]] = {}
    for run in runs:
        planned[run.point] += 1
        summary = run.summary()
        if summary is None:
            continue
        work = _work(run)
        finished.setdefault(run.point, []).append((work, summary))
        taken = summary.get("wall_seconds")
        if taken and run.config.dual_batch.small_workers == 0:
            baselines.setdefault(work, []).append(taken)
    rows = []
    for point, count in planned.items():
        found = finished.get(point, [])
        measured = tuple(
            taken / mean(baselines[work])
            for work, summary in found
            if (taken := summary.get("wall_seconds")) and work in baselines
        )
        rows.append(Row(point, count, tuple(summary for _, summary in found), measured))
    return rows


def _work(run: PlannedRun) -> str:
    """Returns what a run has in common with its baseline, as text: all that changes its result.

    But not what is about small workers, of which the baseline has none.
    """
    left_out = {*tagged(OfSmallWorkers), "dual_batch.small_workers"}
    values = flat(run.config.model_dump(mode="json"))
    kept = {
        key: value
        for key, value in values.items()
        if effect_of(key) in (Effect.RESULT, Effect.REPETITION) and key not in left_out
    }
    return json.dumps(kept, sort_keys=True)


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
    headings = [heading for heading, _, _ in figures]
    compared = any(row.measured for row in rows)
    if compared:
        headings.append("k measured")
    headings += [f"test {name}" for name in metrics]
    for heading in ("runs", *headings):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(
            *(value for _, value in row.point.values),
            f"{len(row.summaries)}/{row.planned}",
            *(_text(row.statistics(figure), form) for _, figure, form in figures),
            *([_text(row.measured_statistics, "{:.3f}".format)] if compared else []),
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
        figures[_MEASURED] = _as_json(row.measured_statistics)
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
