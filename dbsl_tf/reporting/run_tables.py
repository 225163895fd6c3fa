"""Tables about one run: plan, observed times, events, configuration, versions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dbsl_tf.reporting.comparison import value_text
from dbsl_tf.reporting.measures import worker_times
from dbsl_tf.reporting.parts import Part, Table
from dbsl_tf.reporting.recorded_run import RecordedRun
from dbsl_tf.reporting.wording import median_and_range, number
from dbsl_tf.results.records import DriftRecord

# What data.json has for every class.
_BY_CLASS = ("class_names", "class_counts")
_CLASSES_SHOWN = 50


def plan_parts(run: RecordedRun) -> list[Part]:
    """Returns the plan of every worker and the schedule, as plan.json has them."""
    workers = run.plan.get("per_worker")
    if not workers:
        return ["Not recorded."]
    highest = max(run.resolutions, default=None) if len(run.resolutions) > 1 else None
    caption = "What every worker trains in an epoch"
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
    columns = (
        ("learning_rate", "learning rate"),
        ("resolution", "resolution"),
        ("dropout", "dropout"),
        ("small_batch", "small batch"),
        ("large_batch", "large batch"),
        ("small_samples", "samples, small"),
        ("large_samples", "samples, large"),
        ("predicted_seconds", "predicted s"),
    )
    rows = [
        [
            f"{part.get('first_epoch')} to {part.get('last_epoch')}",
            *(_cell(part.get(key)) for key, _ in columns),
        ]
        for part in sub_stages
    ]
    headings = ("epochs", *(heading for _, heading in columns))
    return Table("Schedule; evaluations are not in the predicted time", headings, rows)


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
    """Returns faults, resumptions and drifts in the order of their commits; None if none."""
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


def data_table(run: RecordedRun) -> Table | None:
    """Returns a description of the data; None if it is not recorded."""
    # A thousand names would crowd out everything else.
    told = {key: value for key, value in run.data.items() if key not in _BY_CLASS}
    transform = told.pop("transform", None)
    if isinstance(transform, Mapping):
        told |= {f"test images: {key}": value for key, value in transform.items()}
    data = [(key, value_text(value)) for key, value in told.items()]
    return Table("The data", (), data, texts=2) if data else None


def class_table(run: RecordedRun) -> Table | None:
    """Returns how many images the classes have, those with the fewest first; None if unknown."""
    counts = run.data.get("class_counts")
    if not isinstance(counts, Mapping):
        return None
    rows = [(name, *found) for name, found in counts.items() if _are_two_numbers(found)]
    rows.sort(key=lambda row: row[1])
    shown = rows[:_CLASSES_SHOWN]
    fewest = f"; the {len(shown)} of {len(rows)} with the fewest" if len(shown) < len(rows) else ""
    caption = f"Images of each class{fewest}"
    return Table(caption, ("class", "training", "test"), shown) if shown else None


def _are_two_numbers(value: Any) -> bool:
    return isinstance(value, list) and [type(number) for number in value] == [int, int]


def compute_part(run: RecordedRun) -> Part:
    """Returns what the workers computed with, which is known for finished runs."""
    compute = run.summary.get("compute")
    if not isinstance(compute, Mapping) or "onednn" not in compute:
        text = "is not recorded" if run.finished else "is recorded when a run is finished"
        return f"What the workers computed with {text}."
    rows = [
        ("precision", str(compute.get("precision"))),
        ("XLA", _on(compute.get("xla"))),
        ("oneDNN", f"{_on(compute['onednn'])} ({_reason(compute.get('onednn_reason'))})"),
    ]
    workers = compute.get("workers")
    for worker in workers if isinstance(workers, list) else ():
        if isinstance(worker, Mapping):
            facts = (worker.get("processor"), worker.get("instructions"))
            text = ", ".join(str(fact) for fact in facts if fact) or "not known"
            if compute["onednn"] is None:
                text += f", oneDNN {_on(worker.get('onednn'))}"
            rows.append((f"processor of worker {worker.get('worker')}", text))
    return Table("Computing", (), rows, texts=2)


def _on(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return "not the same on all workers"


def _reason(reason: Any) -> str:
    """Returns why, in words; see `dbsl_tf.common.onednn.Decision`."""
    known = {
        "key": "compute.onednn",
        "environment": "TF_ENABLE_ONEDNN_OPTS",
        "auto": "automatic choice",
    }
    return known.get(str(reason), "TensorFlow's choice")


def versions_part(run: RecordedRun) -> Part:
    """Returns the versions of the software, which are known for finished runs."""
    versions = run.summary.get("versions")
    if not isinstance(versions, Mapping):
        return "Versions are recorded when a run is finished."
    return Table("Versions", ("package", "version"), list(versions.items()), texts=2)


def _cell(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"


def _thousandths(value: float | None) -> str | None:
    return None if value is None else number(1000 * value, 2)
