"""Measures in which precision a run is faster: `python -m dbsl_tf.cli.compare_precisions`.

Nobody types this command. `compute.precision: auto` starts it, because a process can connect to a
cluster only once.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from dbsl_tf.cli.command_line import config_parser, parse_config, run
from dbsl_tf.cluster.connecting import check_size, ready_cluster
from dbsl_tf.cluster.gpus import claim_gpu
from dbsl_tf.cluster.task import task_from_environment
from dbsl_tf.common.checksums import with_checksum
from dbsl_tf.common.files import write_whole_text
from dbsl_tf.common.kept_logs import Report, logs_until_named
from dbsl_tf.common.printing import print_line
from dbsl_tf.data.changed_images import naming_changed_images
from dbsl_tf.data.configured import training_data
from dbsl_tf.measuring.precision_comparison import choose_on_cluster
from dbsl_tf.resolved import settings_of


def main(arguments: Sequence[str]) -> int:
    """Measures on the workers of a configuration and writes the choice as JSON."""
    parser = config_parser("cli.compare_precisions", "Measure in which precision a run is faster.")
    parser.add_argument("--output", type=Path, required=True, metavar="FILE")
    options, config = parse_config(parser, arguments)
    from dbsl_tf.common.terminal import Terminal

    task = task_from_environment(os.environ)
    claim_gpu(task)
    if task is not None:
        check_size(config.cluster, task)
    data = training_data(config.data, seed=config.run.seed)
    settings = settings_of(config, data.train_samples)
    # Standard output belongs to the command that started this one.
    report: Report = partial(print_line, Terminal(stderr=True))
    with (
        naming_changed_images(data),
        logs_until_named(report) as (logs, report),
        ready_cluster(
            settings.cluster.of_all_workers, settings.compute.onednn, task, logs
        ) as cluster,
    ):
        from dbsl_tf.engine.watched_run import run_watched

        choice = run_watched(
            partial(choose_on_cluster, settings, data, cluster, report),
            cluster.watch(report),
        )
    write_whole_text(options.output, json.dumps(with_checksum(choice.as_dict()), indent=2) + "\n")
    return 0


if __name__ == "__main__":
    run(main)
