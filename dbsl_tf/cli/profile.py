"""Measures the hardware and fits the time model: `python -m dbsl_tf.profile --config FILE`.

With `--from-csv FILE` it fits times from a file instead.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from dbsl_tf.cli.command_line import CLUSTER_ERROR_STATUS, config_parser, parse_config
from dbsl_tf.common.errors import ClusterError
from dbsl_tf.common.printing import print_line

if TYPE_CHECKING:
    from dbsl_tf.profiling.profile_file import Profile

DEFAULT_OUTPUT = Path("profile.json")


def main(arguments: Sequence[str]) -> int:
    """Measures or reads step times, fits them, prints and saves the profile.

    A profile that no plan may rest on is not saved. Returns the exit status.

    Raises:
        UserError: the command line, the configuration or the CSV file is wrong, or a file
            cannot be written.
        ClusterError: servers were lost, or what was measured leaves the time model in doubt.
    """
    parser = _parser()
    options = parser.parse_intermixed_args(arguments)
    if options.plot is not None:
        from dbsl_tf.common.figure_files import check_figure_path

        check_figure_path(options.plot)
    doubt = ""
    if options.from_csv is None:
        profile, doubt = _measured(parser, arguments, options)
        output = None if doubt else options.output or DEFAULT_OUTPUT
    else:
        if options.config is not None or options.overrides or options.print_config:
            parser.error(
                "--from-csv fits a file and needs no configuration; leave out --config, "
                "--print-config and key=value, or leave out --from-csv"
            )
        from dbsl_tf.profiling.batch_times_file import profile_batch_times

        profile, output = profile_batch_times(options.from_csv, options.method), options.output
    if doubt and options.for_training:
        return CLUSTER_ERROR_STATUS
    if profile is None:
        raise ClusterError(doubt)
    if output is not None:
        profile.save(output)
    if options.plot is not None:
        from dbsl_tf.profiling.figures import plot_profile

        plot_profile(profile, options.plot)
    _show(profile, output, doubt, options)
    if doubt:
        raise ClusterError(doubt)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = config_parser(
        "profile",
        "It runs the steps on the cluster of a configuration, or reads their times from a file.",
        config_required=False,
    )
    parser.add_argument(
        "--from-csv",
        type=Path,
        metavar="FILE",
        help="fit the times in this file instead of measuring: columns batch_size, "
        "seconds_per_batch and, optionally, host and resolution",
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help=f"profile to write (default: {DEFAULT_OUTPUT}; with --from-csv none)",
    )
    parser.add_argument(
        "--method",
        choices=("robust", "ols"),
        default="robust",
        help="fit that is robust against outliers, or ordinary least squares (default: robust)",
    )
    parser.add_argument(
        "--plot",
        type=Path,
        metavar="FILE",
        help="draw points and fits to a .png, .svg or .pdf file",
    )
    # The training command measures with it: only what a plan needs, and it tells of a doubt itself.
    parser.add_argument("--for-training", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--json", action="store_true", help="print only one JSON object")
    return parser


def _measured(
    parser: argparse.ArgumentParser, arguments: Sequence[str], options: argparse.Namespace
) -> tuple[Profile | None, str]:
    """Returns the profile, if there is one, and why no plan may rest on it; empty: one may."""
    _, config = parse_config(parser, arguments)
    from dbsl_tf.cluster.crowding import warn_of_crowding
    from dbsl_tf.cluster.gpus import claim_gpu
    from dbsl_tf.cluster.isolation import isolate
    from dbsl_tf.cluster.task import task_from_environment
    from dbsl_tf.common.files import check_writable
    from dbsl_tf.common.terminal import Terminal
    from dbsl_tf.data.configured import prepare_missing

    check_writable(options.output or DEFAULT_OUTPUT)
    task = task_from_environment(os.environ)
    claim_gpu(task)
    if task is None:
        isolate(config.cluster.isolation, lambda: prepare_missing(config.data))
    warn_of_crowding(config.cluster.workers)
    from dbsl_tf.measuring.profile_cluster import profile_cluster
    from dbsl_tf.resolved import settings_of

    report = partial(print_line, Terminal(stderr=options.json))
    settings = settings_of(config)
    if settings.compute.precision == "auto":
        from dbsl_tf.measuring.precision import settle_precision

        choice = settle_precision(settings, options.config, options.overrides, report)
        settings = settings.with_precision(choice.precision)
    outcome = profile_cluster(settings, report, options.method, options.for_training)
    if outcome.doubt is None:
        return outcome.profile, ""
    return outcome.profile, (
        f"no profile is written: {outcome.doubt}; what was measured is kept in {outcome.kept}, and "
        "the next measurement goes on from it: measure on an idle machine, or for longer "
        "(profile.seconds). Training without a time model begins with equal shares"
    )


def _show(profile: Profile, output: Path | None, doubt: str, options: argparse.Namespace) -> None:
    if options.json:
        print(profile.to_json(), end="")
        return

    from dbsl_tf.common.terminal import Terminal
    from dbsl_tf.profiling.report import print_profile

    console = Terminal()
    print_profile(profile, console)
    if options.plot is not None:
        print_line(console, f"figure: {options.plot}")
    if doubt:
        return
    if output is None:
        advice = "to use it in a configuration, add --output profile.json"
    else:
        print_line(console, f"profile: {output}")
        advice = f"to use it, set time_model.profile: {output} in a configuration"
    print_line(console, advice)
