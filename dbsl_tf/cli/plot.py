"""Draws a figure of runs: `python -m dbsl_tf.plot RUN... --kind KIND --output FILE`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from dbsl_tf.cli.command_line import CommandParser
from dbsl_tf.common.errors import UserError
from dbsl_tf.common.figure_files import FORMATS, check_figure_path, save_figure
from dbsl_tf.common.files import write_whole_text
from dbsl_tf.reporting.curves import Against
from dbsl_tf.reporting.figures.kinds import CURVES, KINDS, METRIC
from dbsl_tf.reporting.gnuplot import SUFFIX

_DOTS_AN_INCH = 300


def main(arguments: Sequence[str]) -> int:
    """Reads the runs and draws one figure.

    Returns the exit status.

    Raises:
        UserError: a run cannot be read, or has not recorded what the figure shows.
    """
    options = _parser().parse_args(arguments)
    if options.against is not None and options.kind not in CURVES:
        raise UserError(f"--against only applies to --kind {' or '.join(CURVES)}; leave it out")
    if (options.kind == METRIC) != (options.metric is not None):
        raise UserError(
            "--kind metric and --metric NAME go together; give both, or another --kind alone"
        )
    check_figure_path(options.output, "--output", also=(SUFFIX,))
    as_script = options.output.suffix.lower() == SUFFIX
    if as_script and options.kind not in CURVES:
        raise UserError(
            f"--output is {options.output}: scripts for gnuplot draw only --kind "
            f"{', '.join(CURVES)}; give a name that ends with {', '.join(FORMATS)}"
        )
    from dbsl_tf.reporting.comparison import group_runs
    from dbsl_tf.reporting.figures.kinds import draw, drawn
    from dbsl_tf.reporting.figures.style import paper_style
    from dbsl_tf.reporting.gnuplot import gnuplot_script
    from dbsl_tf.reporting.progress import progress_plot
    from dbsl_tf.reporting.reading import read_runs

    groups = group_runs(read_runs(options.runs))
    against: Against = options.against or "epoch"
    if as_script:
        plot = progress_plot(groups, drawn(options.kind, options.metric or ""), against)
        write_whole_text(options.output, gnuplot_script(plot, options.output))
        return 0
    with paper_style():
        figure = draw(options.kind, groups, against, options.metric or "")
        save_figure(figure, options.output, "--output", _DOTS_AN_INCH)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = CommandParser("plot")
    parser.add_argument(
        "runs",
        nargs="+",
        type=Path,
        metavar="RUN",
        help="directory of a run; those that differ only in run.seed become one curve, their "
        "mean and standard deviation",
    )
    parser.add_argument(
        "--kind",
        choices=KINDS,
        required=True,
        help="accuracy, loss, learning-rate, metric (named by --metric): curves; timeline: the "
        "mini-epochs of every worker; time-model: measured and predicted time of a batch; "
        "balance: whether the workers finish together; batch-noise: the batch noise scale of runs "
        "with dual_batch.measure_noise",
    )
    parser.add_argument("--metric", metavar="NAME", help="such as auc, as history.jsonl has it")
    parser.add_argument(
        "--output",
        required=True,
        type=Path,
        metavar="FILE",
        help="file to write: .png, .svg or .pdf, or .gp for a script with its data that gnuplot "
        "draws",
    )
    parser.add_argument(
        "--against",
        choices=("epoch", "time"),
        help="the horizontal axis of curves (default: epoch)",
    )
    return parser
