"""What errors of the cluster mean: a lost server, a call cancelled with another, or a fault."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import tensorflow as tf

from dbsl_tf.cluster.task import PARAMETER_SERVER
from dbsl_tf.common.errors import ClusterError, ParameterServerLost

_LONGEST_MESSAGE = 300
# What assertions or pipelines find wrong with the data, or opening a file: the message also names
# operations and paths, which may be called anything.
_OF_DATA = re.compile(
    r"assertion failed: \[|transformation with iterator: Iterator::|; (No such file|Is a directory)"
)
_ROLES = {"worker": "worker", "ps": "parameter server"}


@contextmanager
def naming_lost_servers() -> Iterator[None]:
    """Turns TensorFlow's errors inside the context into errors with a one-line message.

    A lost worker causes none: its closure runs elsewhere.

    Raises:
        ParameterServerLost: a parameter server was lost.
        ClusterError: something else failed on a server.
    """
    try:
        yield
    except Exception as error:
        cause = _unwrapped(error)
        if not isinstance(cause, tf.errors.OpError):
            raise
        if server_was_lost(cause):
            raise ParameterServerLost(
                "a parameter server no longer answers, and the weights are lost with it"
            ) from error
        advice = ""
        if isinstance(cause, tf.errors.ResourceExhaustedError):
            advice = (
                ": there is not enough memory; lower dual_batch.large_batch, or "
                "progressive.large_batch where that is given"
            )
        elif isinstance(cause, tf.errors.NotFoundError) and "No such file" in str(cause):
            advice = (
                ": each worker reads the data from its own disk; start workers with dbsl_tf.train "
                "and a data.dir that holds the same data as the chief's, or put the chief's files "
                "at the same paths on every worker"
            )
        who, text = _task(str(cause)), _without_traces(str(cause.message))[:_LONGEST_MESSAGE]
        raise ClusterError(f"{who} failed ({type(cause).__name__}: {text}){advice}") from error


def server_was_lost(error: Exception) -> bool:
    """Returns whether an error means that a server was lost, or restarted without its state."""
    error = _unwrapped(error)
    if isinstance(error, (tf.errors.UnavailableError, tf.errors.AbortedError)):
        return True
    kinds = (
        tf.errors.InvalidArgumentError,
        tf.errors.NotFoundError,
        tf.errors.FailedPreconditionError,
        tf.errors.CancelledError,
    )
    text = str(error)
    if not isinstance(error, kinds) or _OF_DATA.search(text):
        return False
    if any(word in text for word in ("context_id", "uninitialized", "does not exist")):
        return True
    # What an operation refuses, such as a label out of range, also names the parameter servers
    # that then waited for its results in vain.
    refused = not isinstance(error, tf.errors.CancelledError) and "{{node " in text
    return not refused and ("Resource" in text or "/job:ps" in text)


def unreachable_server(error: Exception) -> str | None:
    """Returns the parameter server that a call did not reach, such as ps-0.

    It may be lost, or only out of reach of the worker that ran the call. None: another error.
    """
    error = _unwrapped(error)
    found = re.search(r"remote target /job:ps/replica:\d+/task:(\d+)", str(error))
    if found is None or not isinstance(error, (tf.errors.UnavailableError, tf.errors.AbortedError)):
        return None
    return f"{PARAMETER_SERVER}-{found[1]}"


def is_retriable(error: tf.errors.OpError) -> bool:
    """Returns whether a call failed through no fault of its own.

    When one call fails, ClusterCoordinator cancels all others. While servers come and go, a
    request can also arrive truncated, so that the receiver cannot parse it.
    """
    if server_was_lost(error):
        return False
    return isinstance(error, tf.errors.CancelledError) or (
        isinstance(error, tf.errors.InternalError) and "Unable to parse request" in str(error)
    )


def _unwrapped(error: Exception) -> Exception:
    # Errors of per-worker objects, such as datasets, come wrapped.
    return getattr(error, "original_exception", error)


def _task(message: str) -> str:
    """Returns the server an error came from."""
    found = re.search(r"remote target /job:(worker|ps)/replica:\d+/task:(\d+)", message)
    if found is None:
        return "a worker"
    return f"{_ROLES[found[1]]} {found[2]}"


def _without_traces(message: str) -> str:
    """Returns what happened in one line, without where in the source the graph was built."""
    if found := re.search(r"assertion failed: \[(.*)\]", message):
        # Such as what is wrong with data of a user's own.
        return found[1].replace("] [", " ")
    message = message.partition("Additional GRPC error information")[0]
    message = re.sub(
        r"^(Detected at node |Graph execution error|\s+File ).*$", "", message, flags=re.M
    )
    return " ".join(message.split())
