"""The part of the page that compares several runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean
from textwrap import shorten

from dbsl_tf.reporting.comparison import (
    Group,
    differences,
    recorded_values_differ,
    spread,
    value_text,
)
from dbsl_tf.reporting.curves import ACCURACY, LOSS, has_accuracy, other_metrics
from dbsl_tf.reporting.figures.balance import draw_balance
from dbsl_tf.reporting.figures.time_model import draw_time_model
from dbsl_tf.reporting.measures import Measures, measures, time_against_all_large
from dbsl_tf.reporting.parts import FigurePart, Part, Table, figure_part, progress_parts
from dbsl_tf.reporting.recorded_run import Evaluation
from dbsl_tf.reporting.wording import mean_and_deviation, number

_LONGEST = 120  # of a value, in characters


@dataclass(frozen=True)
class ComparisonSection:
    """A comparison of several runs, as templates/comparison.html shows it."""

    notes: Sequence[str]
    summary: Table
    curves: Sequence[FigurePart]
    figures: Sequence[FigurePart]
    differences: Sequence[Part]


def comparison_section(groups: Sequence[Group]) -> ComparisonSection:
    """Returns summary figures, curves and differences between configurations."""
    return ComparisonSection(
        notes=_notes(groups),
        summary=_summary_table(groups),
        curves=progress_parts(groups, "comparison"),
        figures=[
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
        ],
        differences=_differences(groups),
    )


def _notes(groups: Sequence[Group]) -> list[str]:
    """Returns caveats about the figures."""
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
    lost = [run.name for group in groups for run in group.runs if not run.watched]
    if lost:
        notes.append(f"Not evaluated on the test set yet: {', '.join(lost)}.")
    return notes


def _summary_table(groups: Sequence[Group]) -> Table:
    ratios = time_against_all_large(groups)
    runs = [run for group in groups for run in group.runs]
    first = ACCURACY if has_accuracy(runs) else LOSS
    others = other_metrics(runs)
    columns = [_summary_of(group, ratio, first, others) for group, ratio in zip(groups, ratios)]
    over = {group.spread_over for group in groups if len(group.runs) > 1}
    caption = ""
    if over:
        what = "seeds" if over == {"seeds"} else "runs, some of which have the same seed"
        caption = f"Mean ± sample standard deviation over the {what}. "
    if any("…" in group.label for group in groups):
        caption += "… stands for other keys that differ, see below. "
    caption += (
        f"The best {first} is picked on the test set itself and is therefore optimistic. "
        "Measured k is the time of a run over that of the run without small workers, evaluations "
        "included, if there is such a run among these; estimated k is worked out from one run, at "
        "the speed that its large workers have beside small ones."
    )
    return Table(
        caption,
        ("", *(group.label for group in groups)),
        [[name, *(column[name] for column in columns)] for name in columns[0]],
    )


def _summary_of(
    group: Group, time_ratio: float | None, first: str, others: Sequence[str]
) -> dict[str, object]:
    """Returns the results of a group, in the order of the table's rows.

    Args:
        group: of runs.
        time_ratio: time over that of the group without small workers.
        first: the accuracy, or the loss where no run has one.
        others: names of other metrics.
    """
    finished = [run for run in group.runs if run.finished]
    counted = [measures(run) for run in finished or group.runs]
    done = f"{len(finished)} of {len(group.runs)}"
    if not finished:
        parts = [
            len(run.mini_epochs) / run.asked_commits for run in group.runs if run.asked_commits
        ]
        done += f", at {mean(parts):.0%} of the commits" if parts else ""
    return {
        "runs finished": done,
        "seeds": group.seeds,
        **_results(counted, first, others),
        "time, evaluations included (s)": mean_and_deviation(
            spread(m.wall_seconds for m in counted), 1
        ),
        "images/s": mean_and_deviation(spread(m.images_per_second for m in counted), 0),
        "extra time ratio k, planned": mean_and_deviation(spread(m.planned_ratio for m in counted)),
        "extra time ratio k, measured": number(time_ratio),
        "extra time ratio k, estimated": mean_and_deviation(
            spread(m.realised_ratio for m in counted)
        ),
        "load imbalance, small over large": mean_and_deviation(
            spread(m.load_imbalance for m in counted)
        ),
        "workers busy (%)": mean_and_deviation(spread(m.busy for m in counted), 1, 100),
        "staleness, mean": mean_and_deviation(spread(m.mean_staleness for m in counted), 2),
    }


def _results(
    counted: Sequence[Measures], first: str, others: Sequence[str]
) -> dict[str, str | None]:
    """Returns what came out on the test set, and on samples held out; see `_summary_of`."""
    test = _results_on("test", [m.last for m in counted], [m.best for m in counted], first, others)
    validation = _results_on(
        "validation",
        [m.last_validation for m in counted],
        [m.best_validation for m in counted],
        first,
        others,
    )
    return {**test, **validation}


def _results_on(
    split: str,
    last: Sequence[Evaluation | None],
    best: Sequence[Evaluation | None],
    first: str,
    others: Sequence[str],
) -> dict[str, str | None]:
    lasts = [evaluation for evaluation in last if evaluation is not None]
    bests = [evaluation for evaluation in best if evaluation is not None]
    rows = {}
    if first == ACCURACY:
        for name, found in (("last", lasts), ("best", bests)):
            values = spread(e.test_accuracy for e in found)
            rows[f"{split} accuracy, {name} (%)"] = mean_and_deviation(values, 2, 100)
    rows[f"{split} loss, last"] = mean_and_deviation(spread(e.test_loss for e in lasts), 4)
    if first == LOSS:
        rows[f"{split} loss, best"] = mean_and_deviation(spread(e.test_loss for e in bests), 4)
    for name in others:
        values = spread(e.test_metrics.get(name) for e in lasts)
        rows[f"{split} {name}, last"] = mean_and_deviation(values, 4)
    return rows


def _differences(groups: Sequence[Group]) -> list[Part]:
    """Returns the keys whose recorded values differ, and how many others only some runs have."""
    found = differences(groups)
    if not found:
        return ["None: the runs differ only in run.seed, or repeat it."]
    told = [d for d in found if recorded_values_differ(d)]
    parts: list[Part] = []
    if told:
        parts.append(
            Table(
                "Keys whose values differ. run.dir, run.resume, data.dir and run.seed are left "
                "out.",
                ("key", *(group.label for group in groups)),
                [[d.key, *(shorten(value_text(v), _LONGEST) for v in d.values)] for d in told],
                texts=len(groups) + 1,
                keys=True,
            )
        )
    if len(found) > len(told):
        parts.append(
            f"{len(found) - len(told)} other keys are recorded by only some of the runs, with the "
            "same value in all of them."
        )
    return parts
