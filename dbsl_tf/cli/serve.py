"""Runs a server of a cluster: `python -m dbsl_tf.serve`, with TF_CONFIG set.

Workers and parameter servers need nothing else: no configuration, no model, no code of the training
program. The chief sends them what to compute.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from dbsl_tf.cli.command_line import CommandParser
from dbsl_tf.cluster.connections import keep_connections
from dbsl_tf.cluster.gpus import claim_gpu
from dbsl_tf.cluster.probing import check_own_port, is_here, wait_for_names
from dbsl_tf.cluster.task import CHIEF, Task, task_from_environment
from dbsl_tf.common import onednn
from dbsl_tf.common.errors import UserError
from dbsl_tf.common.onednn import OneDnn
from dbsl_tf.common.printing import tell
from dbsl_tf.common.quiet import loading_tensorflow_quietly
from dbsl_tf.config.cluster_sections import ClusterSection

_CONNECT_TIMEOUT: float = ClusterSection.model_fields["connect_timeout"].default


def main(arguments: Sequence[str]) -> int:
    """Runs the server that TF_CONFIG names until the process is asked to end."""
    parser = CommandParser("serve", "TF_CONFIG says which.")
    parser.add_argument(
        "--connect-timeout",
        type=float,
        default=_CONNECT_TIMEOUT,
        metavar="SECONDS",
        help=f"seconds to wait until host names can be resolved (default: {_CONNECT_TIMEOUT:g})",
    )
    options = parser.parse_args(arguments)
    task = task_from_environment(os.environ)
    if task is None:
        raise UserError(
            "TF_CONFIG is not set; it must name the hosts of the cluster and the task of this "
            "process, a worker or a parameter server (ps)"
        )
    if task.role == CHIEF:
        raise UserError(
            "TF_CONFIG makes this process the chief, which is the program that trains; start that "
            "here, or give this process the task of a worker or a parameter server (ps)"
        )
    serve(task, options.connect_timeout)
    return 0


def serve(task: Task, connect_timeout: float, setting: OneDnn = "auto") -> None:
    """Runs a worker or a parameter server until the process is asked to end.

    Args:
        task: the server's task.
        connect_timeout: seconds to wait until host names can be resolved.
        setting: the value of `compute.onednn`.
    """
    from dbsl_tf.cluster.server import serve as serve_task
    from dbsl_tf.cluster.server_library import load_server_library

    wait_for_names(task, connect_timeout)
    gpu = claim_gpu(task)
    check_own_port(task)
    if not is_here(task.address):
        tell(
            f"warning: {task.address} of {task.name} is not an address of this machine; unless "
            "it is forwarded here, TF_CONFIG gives this process another machine's task"
        )
    onednn.apply(setting)
    with loading_tensorflow_quietly():
        load_server_library()
    where = task.address if gpu is None else f"{task.address} with GPU {gpu}"
    print(f"{task.name} serves at {where} until it is stopped (Ctrl-C)", flush=True)
    keep_connections(task)
    serve_task(task)
