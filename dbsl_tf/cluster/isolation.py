"""Isolates a local cluster from the network.

TensorFlow's servers, and the coordinator, listen on every interface and run whatever anyone sends
them. Only a network of their own keeps others out.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from dbsl_tf.cluster import namespaces
from dbsl_tf.common.errors import UserError
from dbsl_tf.common.printing import tell
from dbsl_tf.common.program import is_a_command, python_module, start_again
from dbsl_tf.config.names import Isolation

# Environment variable, set once the command has been restarted.
_STARTED_AGAIN = "DBSL_TF_STARTED_AGAIN"


def isolate(mode: Isolation, prepare: Callable[[], object]) -> None:
    """Gives this process, and all it starts from now on, a network without a way in or out.

    Call it early, before numpy or TensorFlow start threads. If threads are running already, or
    `prepare` starts some, the command is restarted within this process.

    Args:
        mode: `cluster.isolation`.
        prepare: does what needs the network, if anything. Called only if isolation is possible;
            when the command is restarted it should find its work done.

    Raises:
        UserError: the system offers no such network, and `mode` requires it.
    """
    if mode == "off" or namespaces.settled():
        return
    try:
        way = namespaces.usable_way()
        prepare()
        if namespaces.has_threads():
            _start_again()
        namespaces.enter(way)
    except namespaces.Refused as refusal:
        if mode == "require":
            raise UserError(
                "cluster.isolation=require, but the system refuses a network namespace "
                f"({refusal}): have it allowed, or give auto or off and protect this machine with "
                "a firewall"
            ) from refusal
        tell(
            "warning: anyone who can reach this machine over the network can run code in this "
            f"run, as the system refuses it a network namespace ({refusal}): protect the machine "
            "with a firewall; cluster.isolation=off confirms that you have"
        )
        namespaces.settle()


def _start_again() -> None:
    """Replaces this process by the same command, isolated before it imports anything."""
    # A process of another program must not be replaced, and a restart does not get rid of threads
    # that Python itself starts.
    if not is_a_command() or _STARTED_AGAIN in os.environ:
        raise namespaces.Refused(namespaces.THREADS)
    os.environ[_STARTED_AGAIN] = "1"
    start_again(through=(*python_module(namespaces.__spec__.name), namespaces.TRY))
