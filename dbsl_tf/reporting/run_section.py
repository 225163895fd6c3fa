"""The part of the page that tells of one run."""

from __future__ import annotations

from dbsl_tf.reporting.comparison import Group
from dbsl_tf.reporting.figure_parts import figure_part, progress_parts, side_by_side
from dbsl_tf.reporting.figures.balance import draw_balance
from dbsl_tf.reporting.figures.staleness import draw_staleness
from dbsl_tf.reporting.figures.style import PAGE
from dbsl_tf.reporting.figures.time_model import draw_time_model
from dbsl_tf.reporting.figures.timeline import draw_timeline
from dbsl_tf.reporting.markup import Markup, element, table, together, with_symbols
from dbsl_tf.reporting.measures import measures
from dbsl_tf.reporting.recorded_run import RecordedRun
from dbsl_tf.reporting.run_tables import (
    compute_table,
    event_table,
    happened_table,
    plan_tables,
    settings_part,
    versions_table,
)
from dbsl_tf.reporting.wording import number, percent, seconds


def run_section(run: RecordedRun, group: Group, name: str, single: bool) -> Markup:
    """Everything known of a run.

    Args:
        run: to tell of.
        group: it belongs to.
        name: of the section, unique in the page.
        single: whether the page is of this run alone; else the section can be opened.
    """
    alone = (Group(run.name, (run,)),)
    content = together(
        _notes(run),
        _summary(run),
        element("h3", "The plan"),
        plan_tables(run),
        element("h3", "What happened"),
        happened_table(run),
        figure_part(
            lambda: draw_timeline(alone, PAGE),
            f"{name}-timeline",
            "Mini-epochs of every worker by role, evaluations, faults and resumptions.",
            "wide",
        ),
        event_table(run),
        element("h3", "Loss and accuracy"),
        progress_parts(alone, name),
        element("h3", "Staleness, load balance and time model"),
        side_by_side(
            figure_part(
                lambda: draw_staleness(run), f"{name}-staleness", "Staleness of what was merged"
            ),
            figure_part(
                lambda: draw_balance(alone),
                f"{name}-balance",
                "Time of mini-epochs: middle half, median, 5 to 95 %",
            ),
            figure_part(
                lambda: draw_time_model(alone),
                f"{name}-time-model",
                "Time of a batch, measured (median, 10 to 90 %) and predicted",
            ),
        ),
        element("h3", "Configuration and versions"),
        settings_part(run),
        compute_table(run),
        versions_table(run),
    )
    if single:
        return element("section", content, id=name)
    seed = "" if run.seed is None else f", seed {run.seed}"
    label = with_symbols(f"{group.label}{seed}")
    heading = element("summary", run.name, " (", label, f"): {run.status}")
    return element("details", heading, content, id=name)


def _notes(run: RecordedRun) -> Markup:
    """What must be known before the figures are believed."""
    notes = []
    if run.imported_from:
        notes.append(
            f"Imported from {run.imported_from}: what that file does not tell is not known here."
        )
    if not run.finished:
        notes.append(f"This run is not complete ({run.status}): all figures are of what is there.")
    for resumption in run.resumptions:
        pause = "" if resumption.pause is None else f", {seconds(resumption.pause)} after it"
        notes.append(
            f"Resumed from the checkpoint of commit {resumption.commit}{pause}; commits after it "
            f"that were lost: {resumption.discarded}. Times leave out the pause and what was lost."
        )
    if not run.evaluations:
        notes.append("No evaluation on the test set yet.")
    if not run.plan:
        notes.append("There is no plan.json: the plan is not known.")
    if run.mini_epochs and not run.time_models:
        notes.append(
            "The configuration has no time model, or its profile cannot be read here: nothing is "
            "compared with a prediction."
        )
    adopted = [str(drift.commit) for drift in run.drifts if drift.adopted]
    if adopted:
        notes.append(f"The plan was made anew after commit {', '.join(adopted)}.")
    if not notes:
        return Markup("")
    return element("ul", *(element("li", note) for note in notes), class_="notes")


def _summary(run: RecordedRun) -> Markup:
    found = measures(run)
    last, best = found.last, found.best
    rows = [
        ("status", run.status),
        ("test accuracy, last", last and f"{percent(last.test_accuracy)} (epoch {last.epochs:g})"),
        ("test loss, last", last and number(last.test_loss, 4)),
        (
            "test accuracy, best",
            best
            and f"{percent(best.test_accuracy)} (epoch {best.epochs:g}; picked by the test "
            "set itself, which flatters it)",
        ),
        ("time, evaluations included", seconds(found.wall_seconds)),
        ("images/s", number(found.images_per_second, 0)),
        ("extra time ratio k, planned", number(found.planned_ratio)),
        ("extra time ratio k, realised at the large workers' speed", number(found.realised_ratio)),
        ("load imbalance, small over large", number(found.load_imbalance)),
        ("workers busy with mini-epochs", percent(found.busy)),
        ("staleness, mean", number(found.mean_staleness, 2)),
    ]
    return table("In short", ("", ""), rows, texts=2)
