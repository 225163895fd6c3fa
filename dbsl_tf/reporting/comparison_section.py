"""The part of the page that sets several runs beside each other."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import mean

from dbsl_tf.reporting.comparison import Group, differences, spread, value_text
from dbsl_tf.reporting.figure_parts import figure_part, progress_parts, side_by_side
from dbsl_tf.reporting.figures.balance import draw_balance
from dbsl_tf.reporting.figures.time_model import draw_time_model
from dbsl_tf.reporting.markup import Markup, element, table, with_symbols
from dbsl_tf.reporting.measures import measures, time_against_all_large
from dbsl_tf.reporting.wording import mean_and_deviation, number


def comparison_section(groups: Sequence[Group]) -> Markup:
    """Summary figures, curves, differences of configuration."""
    return element(
        "section",
        element("h2", "Comparison"),
        _notes(groups),
        _summary_table(groups),
        progress_parts(groups, "comparison"),
        side_by_side(
            figure_part(
                lambda: draw_balance(groups),
                "comparison-balance",
                "Time of mini-epochs by role: middle half, median, 5 to 95 %",
            ),
            figure_part(
                lambda: draw_time_model(groups),
                "comparison-time-model",
                "Time of a batch, measured (median, 10 to 90 %) and predicted",
            ),
        ),
        element("h3", "Differences of configuration"),
        _differences(groups),
    )


def _notes(groups: Sequence[Group]) -> Markup:
    """What must be known before the figures are believed."""
    notes = [
        f"{run.name}: {run.status}." for group in groups for run in group.runs if not run.finished
    ]
    for group in groups:
        missing = sum(not run.finished for run in group.runs)
        if 0 < missing < len(group.runs):
            notes.append(
                f"{group.label}: the figures in the table are of the "
                f"{len(group.runs) - missing} finished runs only; its curves end where the "
                "shortest run ends."
            )
    lost = [run.name for group in groups for run in group.runs if not run.evaluations]
    if lost:
        notes.append(f"Not evaluated on the test set yet: {', '.join(lost)}.")
    if not notes:
        return Markup("")
    return element("ul", *(element("li", with_symbols(note)) for note in notes), class_="notes")


def _summary_table(groups: Sequence[Group]) -> Markup:
    ratios = time_against_all_large(groups)
    rows = [_summary_row(group, ratio) for group, ratio in zip(groups, ratios)]
    spreads = any(len(group.runs) > 1 for group in groups)
    caption = "Mean" + (" ± sample standard deviation over the seeds" if spreads else "")
    caption += (
        ". The best accuracy is picked by the test set itself, which flatters it. Realised k is at "
        "the large workers' speed; time over all-large compares whole runs."
    )
    return table(
        caption,
        (
            "runs",
            "seeds",
            "finished",
            "test accuracy, last (%)",
            "test accuracy, best (%)",
            "test loss, last",
            "time (s)",
            "time over all-large",
            "images/s",
            "k planned",
            "k realised",
            "small over large",
            "staleness, mean",
        ),
        rows,
        texts=3,
    )


def _summary_row(group: Group, time_ratio: float | None) -> list[object]:
    finished = [run for run in group.runs if run.finished]
    counted = [measures(run) for run in finished or group.runs]
    done = f"{len(finished)} of {len(group.runs)}"
    if not finished:
        parts = [
            len(run.mini_epochs) / run.asked_commits for run in group.runs if run.asked_commits
        ]
        done += f", at {mean(parts):.0%} of the commits" if parts else ""
    lasts = [m.last for m in counted if m.last is not None]
    bests = [m.best for m in counted if m.best is not None]
    return [
        with_symbols(group.label),
        group.seeds,
        done,
        mean_and_deviation(spread(e.test_accuracy for e in lasts), 2, 100),
        mean_and_deviation(spread(e.test_accuracy for e in bests), 2, 100),
        mean_and_deviation(spread(e.test_loss for e in lasts), 4),
        mean_and_deviation(spread(m.wall_seconds for m in counted), 1),
        number(time_ratio),
        mean_and_deviation(spread(m.images_per_second for m in counted), 0),
        mean_and_deviation(spread(m.planned_ratio for m in counted)),
        mean_and_deviation(spread(m.realised_ratio for m in counted)),
        mean_and_deviation(spread(m.load_imbalance for m in counted)),
        mean_and_deviation(spread(m.mean_staleness for m in counted), 2),
    ]


def _differences(groups: Sequence[Group]) -> Markup:
    found = differences(groups)
    if not found:
        return element("p", "None: the runs differ in run.seed only.")
    rows = [[element("code", d.key), *(value_text(value) for value in d.values)] for d in found]
    return table(
        "Keys whose values are not the same. run.dir, run.resume, data.dir and run.seed are left "
        "out.",
        ("key", *(with_symbols(group.label) for group in groups)),
        rows,
        texts=len(groups) + 1,
    )
