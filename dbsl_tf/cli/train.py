"""Trains with dual batch sizes: `python -m dbsl_tf.train --config FILE [key.sub=value ...]`.

With TF_CONFIG set, this process takes the role given there: chief, worker or ps. Without it, a
cluster of server processes is started on this machine and stopped when the run ends. An interrupted
run resumes from its last checkpoint when it is started again with the same run.dir.
"""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from socket import socket

from rich.console import Console

from dbsl_tf.cli.command_line import config_parser, parse_config
from dbsl_tf.cli.serve import serve
from dbsl_tf.cluster.connecting import check_size
from dbsl_tf.cluster.gpus import claim_gpu
from dbsl_tf.cluster.isolation import isolate
from dbsl_tf.cluster.restarting import restart, restarts_so_far
from dbsl_tf.cluster.task import CHIEF, WORKER, Task, task_from_environment
from dbsl_tf.common import onednn
from dbsl_tf.common.errors import ParameterServerLost
from dbsl_tf.common.output import go_on_without_output
from dbsl_tf.common.printing import print_line
from dbsl_tf.common.quiet import import_tensorflow_quietly
from dbsl_tf.common.terminal import Terminal
from dbsl_tf.config import Config
from dbsl_tf.config.overrides import override
from dbsl_tf.config.registries import AUGMENT_FUNCTIONS, MERGE_RULES, MODELS, OPTIMIZERS
from dbsl_tf.data.changed_images import ChangedImages, naming_changed_images
from dbsl_tf.data.configured import (
    leave_out_changed,
    prepare_missing,
    prepare_on_worker,
    training_data,
)
from dbsl_tf.results.run_directory import RunDirectory, release_folder


def main(arguments: Sequence[str]) -> int:
    """Parses the arguments, then serves or coordinates, depending on this process's role."""
    parser = config_parser("train")
    options, config = parse_config(parser, arguments)
    task = task_from_environment(os.environ)
    # Before a module of a user's makes tensors.
    claim_gpu(task)
    if task is not None:
        check_size(config.cluster, task)
        if task.role != CHIEF:
            if task.role == WORKER:
                # Checking image files loads TensorFlow.
                onednn.apply(config.compute.onednn)
                prepare_on_worker(config.data)
            serve(task, config.cluster.connect_timeout, config.compute.onednn)
            return 0
    listening = None
    if config.run.metrics_port is not None:
        from dbsl_tf.operating.metrics import listen

        listening = listen(config.run.metrics_address, config.run.metrics_port, os.environ)
    if task is None:
        isolate(config.cluster.isolation, lambda: prepare_missing(config.data))
    # Training continues even if nobody can read the output any more.
    go_on_without_output()
    console = Terminal()
    directory = RunDirectory.of(config.run.dir, Path(options.config))
    try:
        coordinate(config, options, directory, task, console, listening)
    except (ParameterServerLost, ChangedImages) as error:
        if not begins_again(config, error):
            raise
        if isinstance(error, ChangedImages):
            leave_out_changed(config.data, error)
            what = "images have changed: resuming without them from the last checkpoint"
        else:
            what = f"{error}; resuming from the last checkpoint"
        print_line(console, what)
        restart(override("run.dir", str(directory.path)), "run.resume=auto")
    finally:
        if config.run.dir is None:
            release_folder(directory.path)
    return 0


def begins_again(config: Config, error: BaseException) -> bool:
    """Whether a run that ends with this error is resumed by this process."""
    if restarts_so_far(os.environ) >= config.cluster.max_restarts:
        return False
    # Which samples are held out depends on how many there are.
    without_them = isinstance(error, ChangedImages) and not config.data.validation_samples
    return without_them or isinstance(error, ParameterServerLost)


def check_imported(config: Config) -> None:
    """Finds out what the configuration names that is not built in, before anything is begun.

    Raises:
        UserError: there is no such thing, or it is not what it should be.
    """
    own_optimizer = not OPTIMIZERS.is_builtin(config.optimizer.name)
    own_rule = not MERGE_RULES.is_builtin(config.merge.rule)
    own_steps = [step for step in config.data.augment if not step.is_builtin]
    own_model = not MODELS.is_builtin(config.model.name)
    own_parts = own_model or own_optimizer or own_rule or own_steps
    if not own_parts and config.training.is_default:
        return
    onednn.apply(config.compute.onednn)
    import_tensorflow_quietly()
    from dbsl_tf.shared_model.configured import merge_rule
    from dbsl_tf.training.objective_names import objective_settings_of
    from dbsl_tf.training.optimizers import build_optimizer

    if own_model:
        MODELS.get(config.model.name)
    objective_settings_of(config.training)
    if own_optimizer:
        build_optimizer(config.optimizer)
    if own_rule:
        merge_rule(config.merge, config.cluster.workers, config.sync.in_rounds)
    for step in own_steps:
        AUGMENT_FUNCTIONS.get(step.name)


def check_augmentations(config: Config) -> None:
    """Tries augmentations of a user's own on images of the size that they will get.

    Raises:
        UserError: one of them cannot be used.
    """
    own_steps = [step for step in config.data.augment if not step.is_builtin]
    if not own_steps:
        return
    from dbsl_tf.data.own_augmentation import check_own_augmentation

    for step in own_steps:
        check_own_augmentation(step.name, step.parameters, config.data.resolution)


def coordinate(
    config: Config,
    options: Namespace,
    directory: RunDirectory,
    task: Task | None,
    console: Console,
    listening: socket | None,
) -> None:
    """Runs the chief: begins or resumes the run and trains to its end."""
    from dbsl_tf.operating.live_run import LiveRun
    from dbsl_tf.resolved.images import filled_in, with_images
    from dbsl_tf.results.stored_config import stored_config
    from dbsl_tf.running.begun_run import Source, begin_or_resume
    from dbsl_tf.running.training_run import train

    check_imported(config)
    # Whatever must not be touched is refused before arrays are written there.
    resumes = directory.resumes(config.run.resume)
    asked = config
    config = with_images(asked, stored_config(directory) if resumes else None)
    check_augmentations(config)
    onednn.apply(config.compute.onednn)
    data = training_data(config.data, directory.arrays, config.run.seed)
    source = Source(options.config, [*options.overrides, *filled_in(asked, config)])
    report = partial(print_line, console)
    metrics = None
    if listening:
        from dbsl_tf.operating.metrics import Metrics

        metrics = Metrics(listening)
        report(f"metrics: {metrics.url}")
    live = LiveRun(directory, report, partial(begins_again, config), metrics)
    run = begin_or_resume(config, source, directory, data, console, live)
    with live, naming_changed_images(data):
        train(run, data, task, console, live)
