"""Tables about one run: its plan, observed times and events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from dbsl_tf.reporting.measures import worker_times
from dbsl_tf.reporting.parts import Part, Table
from dbsl_tf.reporting.recorded_run import RecordedRun
from dbsl_tf.reporting.wording import median_and_range, number
from dbsl_tf.results.present_workers import in_words
from dbsl_tf.results.records import DriftRecord


def plan_parts(run: RecordedRun) -> list[Part]:
    """Returns the plan of every worker and the schedule, as plan.json has them."""
    workers = run.plan.get("per_worker")
    if not workers:
        return ["Not recorded."]
    highest = max(run.resolutions, default=None) if len(run.resolutions) > 1 else None
    often = run.plan.get("mini_epochs_per_epoch") or 1
    caption = "What every worker trains in an epoch"
    if often > 1:
        caption = f"What every worker trains in a mini-epoch, {often:g} of which are an epoch"
    elif often < 1:
        caption = f"What every worker trains in a mini-epoch of {1 / often:.0f} epochs"
    caption += f", at {highest} pixels" if highest else ""
    ratio = run.plan.get("realised_extra_time_ratio")
    if ratio is not None:
        caption += f"; extra time ratio k with whole steps {number(ratio)}"
    columns = ("role", "batch", "samples", "steps", "update_factor", "predicted_seconds")
    plan = Table(
        caption,
        ("worker", "role", "batch", "samples", "steps", "update factor f", "predicted s"),
        [[w.get("worker"), *(_cell(w.get(column)) for column in columns)] for w in workers],
        texts=2,
    )
    schedule = _schedule_table(run.plan.get("schedule") or ())
    return [plan, schedule] if schedule.rows else [plan]


def _schedule_table(sub_stages: Sequence[Mapping[str, Any]]) -> Table:
    columns: tuple[tuple[str, str], ...] = (
        ("learning_rate", "learning rate"),
        ("resolution", "resolution"),
        ("dropout", "dropout"),
        ("small_batch", "small batch"),
        ("large_batch", "large batch"),
        ("small_samples", "samples, small"),
        ("large_samples", "samples, large"),
        ("predicted_seconds", "predicted s"),
    )
    if any(_merges(part) not in (None, 1) for part in sub_stages):
        columns = (("mini_epochs", "mini-epochs of a worker"), *columns)
    rows = [
        [
            f"{part.get('first_epoch')} to {part.get('last_epoch')}",
            *(_cell(part.get(key)) for key, _ in columns),
        ]
        for part in sub_stages
    ]
    headings = ("epochs", *(heading for _, heading in columns))
    return Table("Schedule; evaluations are not in the predicted time", headings, rows)


def _merges(part: Mapping[str, Any]) -> Fraction | None:
    """Returns how many mini-epochs a worker has in each epoch of a sub-stage."""
    first, last, merges = (part.get(key) for key in ("first_epoch", "last_epoch", "mini_epochs"))
    if not first or not last or not merges or last < first:
        return None
    return Fraction(merges, last - first + 1)


def happened_part(run: RecordedRun) -> Part:
    """Returns the times of every worker's mini-epochs beside the time model's predictions."""
    found = worker_times(run)
    if not found:
        return "No mini-epoch has finished yet."
    return Table(
        "Median (10 to 90 %). A worker's first mini-epoch at a resolution includes preparation "
        "and is left out of the times if there are more. Predicted: a B + b for a batch, and the "
        "overhead for a mini-epoch.",
        (
            "worker",
            "role",
            "resolution",
            "batch",
            "mini-epochs",
            "samples each",
            "ms per batch",
            "predicted",
            "ratio",
            "s per mini-epoch",
            "predicted",
        ),
        [
            [
                times.worker,
                times.role,
                times.resolution,
                times.batch,
                times.mini_epochs,
                number(times.samples, 0),
                median_and_range(times.batch_seconds, 2, 1000),
                _thousandths(times.predicted_batch_seconds),
                number(times.ratio),
                median_and_range(times.seconds),
                number(times.predicted_seconds),
            ]
            for times in found
        ],
        texts=2,
    )


def event_table(run: RecordedRun) -> Table | None:
    """Returns faults, resumptions, drifts and plans for the workers that were there, by commit.

    None if there are none.
    """
    events: list[tuple[int, float | None, str]] = [
        (fault.commit, fault.seconds, f"worker {fault.worker}: {fault.message}")
        for fault in run.faults
    ]
    events += [
        (
            resumption.commit,
            resumption.seconds,
            "; ".join(
                (
                    f"resumed from the checkpoint; commits lost: {resumption.discarded}",
                    *resumption.changes,
                )
            ),
        )
        for resumption in run.resumptions
    ]
    events += [(drift.commit, None, _drift_text(drift)) for drift in run.drifts]
    events += [
        (record.commit, None, in_words(record, run.workers)) for record in run.plans_for_present
    ]
    if not events:
        return None
    rows = [
        [text, commit, number(at, 1)]
        for commit, at, text in sorted(events, key=lambda event: event[0])
    ]
    return Table("Events", ("event", "after commit", "at s"), rows)


def _drift_text(drift: DriftRecord) -> str:
    told = ", ".join(f"worker {w} {f:.2f}" for w, f in enumerate(drift.factors))
    what = "planned anew" if drift.adopted else "the plan was kept"
    if drift.fits:
        what = "the plan fits again"
    return f"step times relative to the time model: {told}; {what}"


def _cell(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"


def _thousandths(value: float | None) -> str | None:
    return None if value is None else number(1000 * value, 2)
