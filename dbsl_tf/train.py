"""Train with dual batch sizes: python -m dbsl_tf.train --config FILE [key.sub=value ...]

With TF_CONFIG set, this process takes the role it gives: chief, worker or ps. Without it, a
cluster of server processes is started on this machine and ended with the run.
"""

from __future__ import annotations

import os
import time
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from dbsl_tf.cluster.connecting import check_size, ready_cluster
from dbsl_tf.cluster.task import CHIEF, WORKER, Task, task_from_environment
from dbsl_tf.command_line import config_parser, parse_config, run
from dbsl_tf.config import Config
from dbsl_tf.data.prepare import prepare_data
from dbsl_tf.planning import DualBatchPlan, TimeModel, plan_from_config
from dbsl_tf.profiling.time_models import time_models_from_config
from dbsl_tf.quiet import import_tensorflow_quietly
from dbsl_tf.results.display import Display
from dbsl_tf.results.history import History
from dbsl_tf.results.outcome import print_outcome
from dbsl_tf.results.run_directory import RunDirectory
from dbsl_tf.results.summary import summarize


def main(arguments: Sequence[str]) -> int:
    """Parse, then serve or coordinate as the role of this process asks."""
    parser = config_parser("dbsl_tf.train", "Train with small- and large-batch workers.")
    options, config = parse_config(parser, arguments)
    task = task_from_environment(os.environ)
    if task is not None:
        check_size(config, task)
        if task.role != CHIEF:
            serve(config, task)
            return 0
    console = Console()
    config = with_time_model(config, options, console)
    time_models = time_models_from_config(config)
    plan = plan_from_config(config, config.data.epoch_samples, time_models)
    directory = RunDirectory.create(config.run.dir, Path(options.config))
    directory.write_text(directory.configuration, config.to_yaml())
    directory.write_json(directory.plan, plan.as_dict())
    coordinate(config, plan, time_models, directory, task, console)
    return 0


def serve(config: Config, task: Task) -> None:
    """Be a worker or a parameter server until the process is ended."""
    from dbsl_tf.cluster.server import serve as serve_task

    if task.role == WORKER:
        prepare_data(config.data)
    import_tensorflow_quietly()
    print(f"{task.name} serves at {task.address} until it is ended (Ctrl-C)", flush=True)
    serve_task(task)


def with_time_model(config: Config, options: Namespace, console: Console) -> Config:
    """The configuration with a profile of this hardware where it has no time model."""
    section = config.time_model
    if section.a is not None or section.profile is not None:
        return config
    from dbsl_tf.coordinator.profile_cluster import cached_profile

    def report(line: str) -> None:
        console.print(line, highlight=False, soft_wrap=True)

    path = cached_profile(config, options.config, options.overrides, report)
    return config.model_copy(update={"time_model": section.model_copy(update={"profile": path})})


def coordinate(
    config: Config,
    plan: DualBatchPlan,
    time_models: Sequence[TimeModel],
    directory: RunDirectory,
    task: Task | None,
    console: Console,
) -> None:
    """Train as the chief, and leave the results in `directory`."""

    def report(line: str) -> None:
        console.print(line, highlight=False, soft_wrap=True)

    data = prepare_data(config.data)
    report(_introduction(config, task))
    with (
        ready_cluster(config, task, directory.logs) as cluster,
        open(directory.history, "a", encoding="utf-8") as history_file,
    ):
        from dbsl_tf.coordinator.assembly import build_trainer
        from dbsl_tf.models.export import save_keras3

        history = History(history_file)
        display = Display(console, plan, config.schedule.epochs)
        trainer = build_trainer(
            config,
            plan,
            time_models,
            data,
            cluster,
            observers=[history, display],
            check=lambda: cluster.check(report),
        )
        trainer.warm_up()
        began = time.monotonic()
        with display:
            trainer.run()
        wall_seconds = time.monotonic() - began
        summary = summarize(plan, history.commits, history.evaluations, wall_seconds)
        summary["compute"] = config.compute.model_dump()
        directory.write_json(directory.summary, summary)
        save_keras3(
            directory.model,
            name=config.model.name,
            stem=config.stem,
            classes=data.spec.classes,
            dropout=config.model.dropout,
            weights=trainer.final_weights(),
            mean=data.spec.mean,
            standard_deviation=data.spec.standard_deviation,
        )
    print_outcome(console, plan, summary, directory)


def _introduction(config: Config, task: Task | None) -> str:
    servers = config.cluster
    where = "starting on this machine" if task is None else "of TF_CONFIG"
    return (
        f"{config.model.name} on {config.data.name}: {servers.workers} worker(s) and "
        f"{servers.parameter_servers} parameter server(s) {where}"
    )


if __name__ == "__main__":
    run(main)
