"""The part of the page about one run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dbsl_tf.reporting.comparison import Group
from dbsl_tf.reporting.curves import LEARNING_RATE, has_accuracy, other_metrics
from dbsl_tf.reporting.figures.balance import draw_balance
from dbsl_tf.reporting.figures.batch_noise import draw_batch_noise
from dbsl_tf.reporting.figures.progress_curves import draw_progress
from dbsl_tf.reporting.figures.staleness import draw_staleness
from dbsl_tf.reporting.figures.style import PAGE
from dbsl_tf.reporting.figures.time_model import draw_time_model
from dbsl_tf.reporting.figures.timeline import draw_timeline
from dbsl_tf.reporting.measures import Measures, measures
from dbsl_tf.reporting.noise import noise_parts
from dbsl_tf.reporting.origin_tables import (
    accuracy_table,
    class_table,
    compute_part,
    data_table,
    start_table,
    versions_part,
)
from dbsl_tf.reporting.parts import FigurePart, Part, Table, figure_part, progress_parts
from dbsl_tf.reporting.recorded_run import Evaluation, RecordedRun
from dbsl_tf.reporting.run_tables import event_table, happened_part, plan_parts
from dbsl_tf.reporting.wording import merge_in_words, number, percent, seconds
from dbsl_tf.results.records import GLOBAL_WEIGHTS

_OPTIMISTIC = "; picked on the test set itself and therefore optimistic"
_PICKED = "; picked on the samples held out"


@dataclass(frozen=True)
class RunSection:
    """Everything known about a run, as templates/run.html shows it.

    Attributes:
        identifier: an identifier unique in the page.
        label: the label of its group, with its seed.
        config_text: the configuration as it was written; empty if there is none.
    """

    identifier: str
    name: str
    label: str
    status: str
    notes: Sequence[str]
    summary: Table
    plan: Sequence[Part]
    happened: Part
    timeline: FigurePart
    events: Table | None
    curves: Sequence[FigurePart]
    noise: Sequence[Part]
    noise_curve: Sequence[FigurePart]
    accuracies: Table | None
    figures: Sequence[FigurePart]
    config_text: str
    starts: Table | None
    data: Table | None
    classes: Table | None
    compute: Part
    versions: Part


def run_section(run: RecordedRun, group: Group, identifier: str) -> RunSection:
    """Returns everything known about a run.

    Args:
        run: the run.
        group: the group it belongs to.
        identifier: the section's identifier, unique in the page.
    """
    alone = (Group(run.name, (run,)),)
    seed = "" if run.seed is None else f", seed {run.seed}"
    return RunSection(
        identifier,
        run.name,
        f"{group.label}{seed}",
        run.status,
        notes=_notes(run),
        summary=_summary(run),
        plan=plan_parts(run),
        happened=happened_part(run),
        timeline=figure_part(
            lambda: draw_timeline(alone, PAGE),
            f"{identifier}-timeline",
            "Mini-epochs of every worker by role, evaluations, faults and resumptions.",
            wide=True,
        ),
        events=event_table(run),
        curves=[*progress_parts(alone, identifier), _learning_rate(alone, identifier)],
        noise=noise_parts(run),
        noise_curve=_noise_curve(run, alone, identifier),
        accuracies=accuracy_table(run),
        figures=[
            figure_part(
                lambda: draw_staleness(run),
                f"{identifier}-staleness",
                "Staleness of what was merged",
            ),
            figure_part(
                lambda: draw_balance(alone),
                f"{identifier}-balance",
                "Time of mini-epochs: middle half, median, 5 to 95 %",
            ),
            figure_part(
                lambda: draw_time_model(alone),
                f"{identifier}-time-model",
                "Time of a batch, measured (median, 10 to 90 %) and predicted",
            ),
        ],
        config_text=run.config_text,
        starts=start_table(run),
        data=data_table(run) if run.config_text else None,
        classes=class_table(run),
        compute=compute_part(run),
        versions=versions_part(run),
    )


def _learning_rate(alone: Sequence[Group], identifier: str) -> FigurePart:
    return figure_part(
        lambda: draw_progress(alone, LEARNING_RATE, "time"),
        f"{identifier}-learning-rate-time",
        "Learning rate over training time",
    )


def _noise_curve(run: RecordedRun, alone: Sequence[Group], identifier: str) -> Sequence[FigurePart]:
    """Returns the figure of the batch noise; none if it was not measured."""
    if not run.noises:
        return []
    return [
        figure_part(
            lambda: draw_batch_noise(alone),
            f"{identifier}-batch-noise",
            "Batch noise scale over epochs, and the batches trained last",
        )
    ]


def _notes(run: RecordedRun) -> list[str]:
    """Returns caveats about the figures."""
    notes = []
    if run.imported_from:
        notes.append(
            f"Imported from {run.imported_from}: facts that the file does not contain are unknown."
        )
    if not run.finished:
        notes.append(
            f"This run is not complete ({run.status}): all figures cover only what has "
            "been recorded."
        )
    for resumption in run.resumptions:
        pause = "" if resumption.pause is None else f", {seconds(resumption.pause)} after it"
        notes.append(
            f"Resumed from the checkpoint of commit {resumption.commit}{pause}; commits after it "
            f"that were lost: {resumption.discarded}. Times exclude the pause and what was lost."
        )
    if not run.watched:
        notes.append("No evaluation on the test set yet.")
    elif not run.evaluations:
        notes.append("The test set is evaluated at the end of the run.")
    if not run.plan:
        notes.append("There is no plan.json, so the plan is not known.")
    if run.mini_epochs and not run.time_models:
        notes.append(
            "The configuration has no time model, or its profile cannot be read here: nothing is "
            "compared with a prediction."
        )
    adopted = [str(drift.commit) for drift in run.drifts if drift.adopted]
    if adopted:
        notes.append(f"A new plan was adopted after commit {', '.join(adopted)}.")
    return notes


def _summary(run: RecordedRun) -> Table:
    found = measures(run)
    rows = [
        ("status", run.status),
        ("merge", merge_in_words(run.config)),
        *_results(run, found),
        *_weights(found),
        ("time, evaluations included", seconds(found.wall_seconds)),
        ("images/s", number(found.images_per_second, 0)),
        ("extra time ratio k, planned", number(found.planned_ratio)),
        ("extra time ratio k, estimated at the large workers' speed", number(found.realised_ratio)),
        ("load imbalance, small over large", number(found.load_imbalance)),
        ("workers busy with mini-epochs", percent(found.busy)),
        ("staleness, mean", number(found.mean_staleness, 2)),
    ]
    return Table("In short", (), rows, texts=2)


def _weights(found: Measures) -> list[tuple[str, str | None]]:
    """Returns which weights were evaluated, if they were not the global ones."""
    last = found.last or found.last_validation
    if last is None or last.weights == GLOBAL_WEIGHTS:
        return []
    return [("evaluated weights", last.weights)]


def _results(run: RecordedRun, found: Measures) -> list[tuple[str, str | None]]:
    """Returns what came out on the test set, and before that on samples held out, if there are."""
    if not run.validations:
        return _results_on("test", run, found.last, found.best, _OPTIMISTIC)
    return [
        *_results_on("validation", run, found.last_validation, found.best_validation, _PICKED),
        *_results_on("test", run, found.last, None, ""),
    ]


def _results_on(
    split: str, run: RecordedRun, last: Evaluation | None, best: Evaluation | None, remark: str
) -> list[tuple[str, str | None]]:
    """Returns what came out on a split; the loss comes first where there is no accuracy."""
    loss = number(last.test_loss, 4) if last else None
    first: list[tuple[str, str | None]]
    if has_accuracy([run]):
        first = [
            (f"{split} accuracy, last", _at(percent(last.test_accuracy), last) if last else None),
            (f"{split} loss, last", loss),
        ]
        if best or not run.validations:
            shown = _at(percent(best.test_accuracy), best, remark) if best else None
            first.append((f"{split} accuracy, best", shown))
    else:
        first = [(f"{split} loss, last", _at(loss, last) if last else None)]
        if best or not run.validations:
            shown = _at(number(best.test_loss, 4), best, remark) if best else None
            first.append((f"{split} loss, best", shown))
    metrics = last.test_metrics if last else {}
    return first + [
        (f"{split} {name}, last", number(metrics.get(name), 4)) for name in other_metrics([run])
    ]


def _at(value: str | None, evaluation: Evaluation, remark: str = "") -> str:
    return f"{value} (epoch {evaluation.epochs:g}{remark})"
