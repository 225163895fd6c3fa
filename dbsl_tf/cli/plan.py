"""Prints the dual-batch plan of a configuration: `python -m dbsl_tf.plan --config FILE`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dbsl_tf.cli.command_line import config_parser, parse_config
from dbsl_tf.cluster.crowding import warn_of_crowding
from dbsl_tf.common.errors import UserError
from dbsl_tf.resolved import resolve, settings_of, time_models_of
from dbsl_tf.resolved.suitability import warn_of_unsuitable_profile
from dbsl_tf.resolved.two_momenta import warn_of_two_momenta

if TYPE_CHECKING:
    from dbsl_tf.config import Config
    from dbsl_tf.planning import DualBatchPlan, TimeModel, TrainingSchedule
    from dbsl_tf.planning.within import Choice
    from dbsl_tf.resolved.settings import RunSettings


def main(arguments: Sequence[str]) -> int:
    """Prints the plan, or a sweep over plans, as a table or as one JSON object.

    Returns the exit status.

    Raises:
        UserError: the command line or the configuration is wrong, or no plan satisfies it.
    """
    options, config = parse_config(_parser(), arguments)
    if options.sweep or options.sweep_ratios is not None or options.plot is not None:
        _sweep(options, config)
    elif options.within is not None:
        _plan_within(options, config)
    else:
        _plan(options, config)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = config_parser("plan")
    parser.add_argument("--json", action="store_true", help="print only one JSON object")
    parser.add_argument(
        "--sweep",
        action="store_true",
        help="print plans for every number of small workers and several extra time ratios k, to "
        "choose from",
    )
    parser.add_argument(
        "--sweep-ratios",
        metavar="K,K,...",
        help="the values of k to sweep over, such as 1.01,1.05 (implies --sweep)",
    )
    parser.add_argument(
        "--within",
        metavar="TIME",
        help="choose the largest k with which all epochs take at most so long, such as 2h, 90m, "
        "1h30m or 5400 (seconds); with --sweep, the number of small workers too",
    )
    parser.add_argument(
        "--plot",
        metavar="FILE",
        type=Path,
        help="draw the sweep to a .png, .svg or .pdf file (implies --sweep)",
    )
    return parser


def _plan(options: argparse.Namespace, config: Config) -> None:
    run = resolve(config)
    _print_schedule(options, run.settings, run.schedule)


def _plan_within(options: argparse.Namespace, config: Config) -> None:
    from dbsl_tf.resolved.within import choices_within

    settings = settings_of(config)
    small_workers = settings.dual_batch.small_workers
    if small_workers == 0:
        raise UserError(
            "--within chooses k for small workers, but dual_batch.small_workers is 0; set it, or "
            "add --sweep, which chooses it too"
        )
    choice = choices_within(settings, time_models_of(settings), [small_workers], options.within)[
        small_workers
    ]
    _print_schedule(options, settings, choice.schedule, choice)


def _print_schedule(
    options: argparse.Namespace,
    settings: RunSettings,
    schedule: TrainingSchedule,
    choice: Choice | None = None,
) -> None:
    warn_of_crowding(settings.cluster.workers)
    warn_of_unsuitable_profile(settings)
    warn_of_two_momenta(settings, schedule.plain)
    if options.json:
        _print_json({**schedule.plain.as_dict(), **schedule.as_dict(), **_as_values(choice)})
        return
    if settings.progressive:
        from dbsl_tf.planning.schedule_report import print_schedule

        print_schedule(schedule)
    else:
        from dbsl_tf.planning.report import print_plan

        print_plan(schedule.plain)
        if not settings.calendar.is_uniform:
            from dbsl_tf.planning.schedule_report import print_sub_stages

            print_sub_stages(schedule)
    _print_merging_advice(settings, schedule.plain)
    if choice is not None:
        _print_choice(choice, options.within)


def _print_merging_advice(settings: RunSettings, plan: DualBatchPlan) -> None:
    from dbsl_tf.common.terminal import narrow
    from dbsl_tf.planning.merging_advice import merging_advice

    # With --within, k is not that of the configuration.
    split = settings.with_split(settings.dual_batch.small_workers, plan.extra_time_ratio)
    models = [worker.time_model for worker in plan.workers]
    sentence = merging_advice(plan, lambda often: split.plan(models, mini_epochs=often))
    if sentence is not None:
        narrow().print(sentence)


def _sweep(options: argparse.Namespace, config: Config) -> None:
    from dbsl_tf.common.figure_files import check_figure_path
    from dbsl_tf.planning import plan_dual_batch
    from dbsl_tf.planning.sweep import RATIOS, parse_ratios, sweep
    from dbsl_tf.planning.sweep_plot import plot_sweep

    if options.plot is not None:
        check_figure_path(options.plot)
    ratios = RATIOS if options.sweep_ratios is None else parse_ratios(options.sweep_ratios)
    settings = settings_of(config)
    time_models = time_models_of(settings)
    request = settings.plan_request(time_models[settings.highest.resolution])
    section = settings.dual_batch
    choices, choice = _choose(options.within, settings, time_models)
    cells = sweep(
        request,
        ratios,
        section.update_factor,
        {number: each.extra_time_ratio for number, each in choices.items()},
    )
    warn_of_crowding(settings.cluster.workers)
    warn_of_unsuitable_profile(settings)
    if options.json:
        # A sweep is for configurations, too, that have no plan of their own.
        try:
            plan = plan_dual_batch(
                request, section.extra_time_ratio, section.update_factor
            ).as_dict()
        except UserError as error:
            plan = {"problem": str(error)}
        _print_json({**plan, "sweep": [cell.as_dict() for cell in cells], **_as_values(choice)})
    else:
        from dbsl_tf.planning.sweep_report import print_sweep

        print_sweep(cells, request.small_workers, choice)
        if choice is not None:
            _print_choice(choice, options.within)
    if options.plot is not None:
        plot_sweep(cells, options.plot)


def _choose(
    within: str | None, settings: RunSettings, time_models: Mapping[int, Sequence[TimeModel]]
) -> tuple[dict[int, Choice], Choice | None]:
    """Returns the largest k that fits for each n_S, and which to take; none if not asked for."""
    if within is None:
        return {}, None
    from dbsl_tf.planning.within import best_of
    from dbsl_tf.resolved.within import choices_within

    workers = settings.cluster.workers
    choices = choices_within(settings, time_models, range(1, workers + 1), within)
    return choices, best_of(choices, workers)


def _as_values(choice: Choice | None) -> dict[str, Any]:
    return {} if choice is None else {"within": choice.as_dict()}


def _print_choice(choice: Choice, asked: str) -> None:
    from dbsl_tf.common.printing import print_command
    from dbsl_tf.common.terminal import narrow
    from dbsl_tf.planning.within import choice_sentence

    console = narrow()
    console.print(choice_sentence(choice, asked))
    print_command(console, "Keys to set:", choice.keys)


def _print_json(values: dict[str, Any]) -> None:
    print(json.dumps(values, indent=2))
