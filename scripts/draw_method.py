"""Draws the two halves of the method from the plans of configs/cifar100_hybrid.yaml.

    python -m scripts.draw_method [--output docs] [--format svg]

Writes dual_batch and hybrid; the same plans and version of matplotlib give the same files.
"""

from __future__ import annotations

if not __package__:  # started by its path
    import by_path  # noqa: F401

import argparse
from itertools import accumulate
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from dbsl_tf.common.palette import INK, LIGHT, PALE, ROLE_FILLS, WHITE, shade
from dbsl_tf.config import load_config
from dbsl_tf.planning import (
    DualBatchPlan,
    PlannedSubStage,
    TrainingSchedule,
    WorkerPlan,
)
from dbsl_tf.resolved import resolve

ROOT = Path(__file__).parents[1]

BAR = 0.4  # height of a mini-epoch, where a worker has 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=ROOT / "docs", help="folder (default: docs)")
    parser.add_argument("--format", choices=("svg", "png", "pdf"), default="svg")
    options = parser.parse_args()
    config = load_config(ROOT / "configs" / "cifar100_hybrid.yaml")
    schedule = resolve(config).schedule
    options.output.mkdir(parents=True, exist_ok=True)
    # A fixed salt and no date, so that an unchanged drawing is an unchanged file.
    matplotlib.rcParams.update({"font.size": 9, "svg.hashsalt": "dbsl_tf"})
    metadata = {} if options.format == "png" else {"Date": None}
    for name, figure in (
        ("dual_batch", dual_batch_figure(schedule.plain)),
        ("hybrid", hybrid_figure(schedule)),
    ):
        path = options.output / f"{name}.{options.format}"
        figure.savefig(path, dpi=110, metadata=metadata)
        print(path)


def dual_batch_figure(plan: DualBatchPlan) -> Figure:
    """Draws a mini-epoch of every worker, its way into the global weights, and the baseline."""
    figure = Figure(figsize=(9, 4.6), layout="constrained")
    axes = figure.subplots()
    rows = [-float(index) for index in range(len(plan.workers))]
    for row, worker in zip(rows, plan.workers):
        symbol = worker.role[0].upper()
        text = (
            f"{worker.steps} steps of $B_{symbol}$ = {worker.batch}: "
            f"$d_{symbol}$ = {worker.samples:,} samples"
        )
        _draw_mini_epoch(axes, worker, row, ROLE_FILLS[worker.role]["facecolor"], text)
    _draw_server(axes, plan, rows)
    worker, below = plan.baseline, rows[-1] - 1.45
    text = f"{worker.steps} steps of $B_L$ = {worker.batch}: $d/n$ = {worker.samples:,} samples"
    _draw_mini_epoch(axes, worker, below, WHITE, text)
    _draw_extra_time(axes, plan, below)
    names = [f"worker {worker.index}\n{worker.role} batch" for worker in plan.workers]
    axes.set_yticks([*rows, below], [*names, "each worker, if all\nbatches were large"])
    axes.set(xlim=(0, 1.66 * plan.epoch_seconds), ylim=(below - 0.35, 0.62))
    axes.set_xticks(range(int(plan.epoch_seconds) + 1))
    axes.set_xlabel("seconds, according to the time model", loc="left")
    axes.tick_params(axis="y", length=0)
    axes.spines[:].set_visible(False)
    return figure


def _draw_mini_epoch(axes: Axes, worker: WorkerPlan, row: float, fill: str, text: str) -> None:
    """Draws a bar as long as the mini-epoch, with a box for each step, and `text` above it."""
    batches = [worker.batch] * (worker.steps - 1) + [worker.last_batch]
    ends = list(accumulate(map(worker.time_model.batch_seconds, batches)))
    axes.barh(row, ends[-1], BAR, color=fill, edgecolor=INK, linewidth=0.8)
    axes.vlines(ends[:-1], row - BAR / 2, row + BAR / 2, color=INK, linewidth=0.6)
    axes.text(0, row + BAR / 2 + 0.05, text, va="bottom")


def _draw_server(axes: Axes, plan: DualBatchPlan, rows: list[float]) -> None:
    """Draws the parameter server, and an arrow to it from every worker with its factor."""
    end, left = plan.epoch_seconds, 1.19 * plan.epoch_seconds
    box = FancyBboxPatch(
        (left, rows[-1] - BAR / 2),
        0.46 * end,
        rows[0] - rows[-1] + BAR,
        boxstyle="round,pad=0,rounding_size=0.1",
        facecolor=PALE,
        edgecolor=INK,
    )
    axes.add_patch(box)
    axes.text(
        left + 0.23 * end,
        (rows[0] + rows[-1]) / 2,
        "parameter server\n\n"
        "merges each push at once:\n"
        r"$g \leftarrow (g + f\,w)\;/\;(1 + f)$"
        "\n\n"
        f"large worker: $f$ = 1\n"
        f"small worker: $f = d_S\\,/\\,d_L$ = {plan.update_factor:.3f}\n\n"
        "the worker continues from $g$",
        ha="center",
        va="center",
        linespacing=1.4,
    )
    for row, worker in zip(rows, plan.workers):
        start = worker.predicted_seconds
        arrow = {"arrowstyle": "-|>", "color": INK, "shrinkA": 2, "shrinkB": 0}
        axes.annotate("", (left, row), (start, row), arrowprops=arrow)
        axes.text((start + left) / 2, row + 0.06, "weights $w$", ha="center", va="bottom")


def _draw_extra_time(axes: Axes, plan: DualBatchPlan, row: float) -> None:
    """Marks the ends of the baseline and of the plan, k apart."""
    baseline, end = plan.baseline_seconds, plan.epoch_seconds
    for seconds in (baseline, end):
        axes.plot([seconds, seconds], [row - 0.3, 0.3], color=INK, linewidth=0.8, linestyle=":")
    axes.text(
        end + 0.02 * plan.epoch_seconds,
        row,
        f"dual-batch: {end:.2f} s per epoch,\n"
        f"{plan.realised_extra_time_ratio:.2f} times (k) the {baseline:.2f} s of large batches",
        va="center",
    )


def hybrid_figure(schedule: TrainingSchedule) -> Figure:
    """Draws learning rate, resolution with dropout, batches and time over the epochs."""
    figure = Figure(figsize=(9, 6.6), layout="constrained")
    rate, resolution, batch, seconds = figure.subplots(
        4, 1, sharex=True, gridspec_kw={"height_ratios": (0.75, 1.1, 1.15, 1.25)}
    )
    _draw_rates(rate, schedule)
    _draw_resolutions(resolution, schedule)
    _draw_batches(batch, schedule)
    _draw_seconds(seconds, schedule)
    for axes in (rate, resolution, batch, seconds):
        axes.spines[["top", "right"]].set_visible(False)
        axes.margins(x=0)
        axes.yaxis.set_label_coords(-0.065, 0.5)
    ends = [part.sub_stage.last_epoch for part in schedule.sub_stages]
    seconds.set_xticks([0, *ends])
    seconds.set_xlabel("epochs")
    return figure


def _spans(schedule: TrainingSchedule) -> list[tuple[float, float, PlannedSubStage]]:
    """Returns where each sub-stage begins and ends on the axis of epochs."""
    return [
        (part.sub_stage.first_epoch - 1, part.sub_stage.last_epoch, part)
        for part in schedule.sub_stages
    ]


def _shade(schedule: TrainingSchedule, part: PlannedSubStage) -> str:
    """Returns a grey that is darker for higher resolutions."""
    resolutions = list(schedule.plans)
    return shade(resolutions.index(part.sub_stage.resolution), len(resolutions))


def _draw_rates(axes: Axes, schedule: TrainingSchedule) -> None:
    stages: dict[float, list[float]] = {}
    for start, end, part in _spans(schedule):
        stages.setdefault(part.sub_stage.learning_rate, []).extend((start, end))
    for (rate, epochs), following in zip(stages.items(), [*list(stages)[1:], None]):
        axes.plot([epochs[0], epochs[-1]], [rate, rate], color=INK, linewidth=2)
        axes.text((epochs[0] + epochs[-1]) / 2, rate * 1.3, f"{rate:g}", ha="center", va="bottom")
        if following is not None:
            axes.plot([epochs[-1]] * 2, [rate, following], color=INK, linewidth=0.8, linestyle=":")
    axes.set(yscale="log", ylabel="learning\nrate", ylim=(min(stages) / 2, max(stages) * 6))
    axes.set_yticks([])
    axes.minorticks_off()


def _draw_resolutions(axes: Axes, schedule: TrainingSchedule) -> None:
    for start, end, part in _spans(schedule):
        sub_stage = part.sub_stage
        _draw_block(axes, start, end, sub_stage.resolution, _shade(schedule, part))
        text = f"{sub_stage.resolution} px\ndropout\n{sub_stage.dropout:g}"
        axes.text(
            (start + end) / 2, sub_stage.resolution / 2, text, ha="center", va="center", size=8
        )
    axes.set(ylabel="resolution,\npixels", ylim=(0, 1.1 * schedule.highest_resolution))
    axes.set_yticks([0, *schedule.plans])


def _draw_batches(axes: Axes, schedule: TrainingSchedule) -> None:
    for start, end, part in _spans(schedule):
        plan, middle = part.plan, (start + end) / 2
        for symbol, size, style in (("L", plan.large_batch, "-"), ("S", plan.small_batch, "--")):
            if size is None:
                continue
            axes.plot([start, end], [size, size], color=INK, linewidth=2, linestyle=style)
            axes.text(middle, size + 18, f"$B_{symbol}$\n{size}", ha="center", va="bottom")
        axes.axvline(end, color=LIGHT, linewidth=0.8, zorder=0)
    axes.set(ylabel="samples\nin a batch", ylim=(0, 880))


def _draw_seconds(axes: Axes, schedule: TrainingSchedule) -> None:
    for start, end, part in _spans(schedule):
        height = part.plan.epoch_seconds
        _draw_block(axes, start, end, height, _shade(schedule, part))
        axes.text((start + end) / 2, height / 2, f"{height:.2f} s", ha="center", va="center")
    plain, large = schedule.plain.epoch_seconds, schedule.plain.baseline_seconds
    throughout = f"{schedule.highest_resolution} px throughout"
    for height, name, style, total in (
        (plain, f"dual-batch, {throughout}", "--", schedule.plain_seconds),
        (large, f"large batches, {throughout}", ":", schedule.all_large_seconds),
    ):
        saved = 1 - schedule.predicted_seconds / total
        label = f"{name}: the run takes {saved:.1%} less"
        axes.axhline(height, color=INK, linestyle=style, linewidth=1.2, zorder=3, label=label)
    axes.legend(loc="upper left", frameon=False, borderaxespad=0, handlelength=2.5)
    axes.set(ylabel="seconds\nan epoch", ylim=(0, 1.5 * plain), yticks=(0, 2, 4, 6))


def _draw_block(axes: Axes, start: float, end: float, height: float, fill: str) -> None:
    axes.bar(start, height, end - start, align="edge", color=fill, edgecolor=INK, linewidth=0.8)


if __name__ == "__main__":
    main()
