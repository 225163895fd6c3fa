"""Predicts a run on a cluster of any size: `python -m dbsl_tf.simulate --config FILE`.

A discrete-event simulation applies the coordinator's rules; no server is started.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dbsl_tf.cli.command_line import config_parser, parse_config
from dbsl_tf.resolved.suitability import warn_of_unsuitable_profile

if TYPE_CHECKING:
    from dbsl_tf.config import Config


def main(arguments: Sequence[str]) -> int:
    """Simulates a run and prints a table or one JSON object.

    Returns the exit status.

    Raises:
        UserError: the command line or the configuration is wrong, there is no time model or no
            plan, or the figure cannot be written.
    """
    options, config = parse_config(_parser(), arguments)
    if options.workers is not None or options.plot is not None:
        _scale(options, config)
    else:
        _simulate(options, config)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = config_parser(
        "simulate",
        "It simulates the run: time of an epoch, commits, staleness, balance and what limits "
        "them. It uses the keys of time_model and simulate, and those that the plan needs.",
    )
    parser.add_argument("--json", action="store_true", help="print only one JSON object")
    parser.add_argument(
        "--workers",
        metavar="N,N,...",
        help="simulate clusters of these sizes, small workers in proportion, and find out where "
        "the parameter servers saturate",
    )
    parser.add_argument(
        "--plot",
        metavar="FILE",
        type=Path,
        help="draw time of an epoch and staleness over the number of workers to a .png, .svg or "
        ".pdf file (without --workers: 4 to 1024)",
    )
    return parser


def _simulate(options: argparse.Namespace, config: Config) -> None:
    from dbsl_tf.common.progress import LateProgress
    from dbsl_tf.simulation.scenario import scenario_of, simulated_settings
    from dbsl_tf.simulation.simulator import simulate

    settings = simulated_settings(config)
    scenario, _ = scenario_of(settings, config.simulate)
    warn_of_unsuitable_profile(settings)
    with LateProgress("commits", lines=True) as progress:
        outcome = simulate(scenario, progress.of("simulating", scenario.calendar.total))
    if options.json:
        print(json.dumps(outcome.as_dict(), indent=2))
        return
    from dbsl_tf.simulation.report import print_outcome

    print_outcome(outcome)


def _scale(options: argparse.Namespace, config: Config) -> None:
    from dbsl_tf.common.figure_files import check_figure_path
    from dbsl_tf.common.progress import LateProgress
    from dbsl_tf.config import load_config
    from dbsl_tf.simulation.scaling import (
        WORKERS,
        parse_sizes,
        saturation,
        scale,
        scaled_small_workers,
    )

    if options.plot is not None:
        check_figure_path(options.plot)
    sizes = WORKERS if options.workers is None else parse_sizes(options.workers)

    def config_of(size: int) -> Config:
        small = scaled_small_workers(config.dual_batch.small_workers, config.cluster.workers, size)
        changes = [f"cluster.workers={size}", f"dual_batch.small_workers={small}"]
        return load_config(options.config, [*options.overrides, *changes])

    with LateProgress("commits", lines=True) as progress:
        points = scale(
            sizes,
            config_of,
            lambda size, commits: progress.of(f"{size:,} workers", commits),
        )
    if options.json:
        values = {
            "scaling": [point.as_dict() for point in points],
            "saturation_workers": saturation(points),
        }
        print(json.dumps(values, indent=2))
    else:
        from dbsl_tf.simulation.report import print_scaling

        print_scaling(points)
    if options.plot is not None:
        from dbsl_tf.simulation.scaling_plot import plot_scaling

        plot_scaling(points, options.plot)
