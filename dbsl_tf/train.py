"""Train with dual batch sizes: python -m dbsl_tf.train --config FILE [key.sub=value ...]

With TF_CONFIG set, this process takes the role it gives: chief, worker or ps. Without it, a
cluster of server processes is started on this machine and ended with the run.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from dbsl_tf.cluster.connecting import check_size, ready_cluster
from dbsl_tf.cluster.task import CHIEF, Task, task_from_environment
from dbsl_tf.command_line import config_parser, parse_config, run
from dbsl_tf.config import Config
from dbsl_tf.data.prepare import PreparedData, prepare
from dbsl_tf.planning import DualBatchPlan, plan_from_config
from dbsl_tf.quiet import import_tensorflow_quietly
from dbsl_tf.results.display import Display
from dbsl_tf.results.outcome import print_outcome
from dbsl_tf.results.run_directory import History, RunDirectory
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
    data = prepare(config.data.name, config.data.dir)
    plan = plan_from_config(config, config.data.epoch_samples)
    directory = RunDirectory.create(config.run.dir, Path(options.config))
    directory.write_text(directory.configuration, config.to_yaml())
    directory.write_json(directory.plan, plan.as_dict())
    coordinate(config, plan, data, directory, task, Console())
    return 0


def serve(config: Config, task: Task) -> None:
    """Be a worker or a parameter server until the process is ended."""
    from dbsl_tf.cluster.server import serve as serve_task

    prepare(config.data.name, config.data.dir)
    import_tensorflow_quietly()
    serve_task(task, compute_threads=0)


def coordinate(
    config: Config,
    plan: DualBatchPlan,
    data: PreparedData,
    directory: RunDirectory,
    task: Task | None,
    console: Console,
) -> None:
    """Train as the chief, and leave the results in `directory`."""
    console.print(_introduction(config, task), highlight=False, soft_wrap=True)
    with (
        ready_cluster(config, task, directory.logs) as ready,
        open(directory.history, "a", encoding="utf-8") as history_file,
    ):
        import_tensorflow_quietly()
        from dbsl_tf.coordinator.assembly import assemble
        from dbsl_tf.models.export import save_keras3

        history = History(history_file)
        display = Display(console, plan, config.schedule.epochs)
        session = assemble(config, plan, data, ready, [history, display])
        began = time.monotonic()
        with display:
            session.trainer.run()
        wall_seconds = time.monotonic() - began
        summary = summarize(plan, history.commits, history.evaluations, wall_seconds)
        directory.write_json(directory.summary, summary)
        save_keras3(
            directory.model,
            name=config.model.name,
            classes=data.spec.classes,
            dropout=config.model.dropout,
            weights=session.final_weights(),
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
