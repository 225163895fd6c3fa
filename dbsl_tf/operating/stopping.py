"""stop.json: asks a run to end in order, from any host that sees its folder."""

from __future__ import annotations

import getpass
import socket
import time
from collections.abc import Callable
from contextlib import suppress

from pydantic import BaseModel, ConfigDict, ValidationError

from dbsl_tf.common.errors import ClusterError, UserError
from dbsl_tf.operating.live_state import GOING_ON, LiveState, read_live_state
from dbsl_tf.operating.processes import ProcessIdentity
from dbsl_tf.results.run_directory import RunDirectory
from dbsl_tf.results.stored_objects import read_object

# Seconds between two looks at live.json.
_PERIOD = 0.5


class StopRequest(BaseModel):
    """The content of stop.json.

    Attributes:
        process: the coordinator that is asked; one that resumes the run later is not.
        by: who asks, for people.
    """

    model_config = ConfigDict(frozen=True)

    process: ProcessIdentity
    by: str


def going_on(directory: RunDirectory) -> LiveState | None:
    """Returns live.json of a run that can be asked to stop; None if it has ended.

    Raises:
        UserError: there is no run, or it cannot be asked.
        ClusterError: it is not known whether it goes on.
    """
    directory.check_has_history()
    live = read_live_state(directory)
    if live is None:
        if directory.is_complete:
            return None
        raise UserError(
            f"{directory.path} has no {directory.live.name}: nothing trains it, or an earlier "
            "version does; end that where it runs, with Ctrl-C"
        )
    if live.condition == "silent":
        raise ClusterError(f"{directory.path}: {live.words}; look for that process there")
    return live if live.condition in GOING_ON else None


def ask_to_stop(directory: RunDirectory, live: LiveState) -> None:
    """Asks the process that trains the run to end in order, as a Ctrl-C does.

    Raises:
        UserError: the folder cannot be written.
    """
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a user that the system has no name for
        user = "a user"
    request = StopRequest(process=live.process, by=f"{user} on {socket.gethostname()}")
    directory.write_json(directory.stop_request, request.model_dump())


def wait_for_end(
    directory: RunDirectory, asked: LiveState, show: Callable[[str], None]
) -> LiveState | None:
    """Waits until a run that was asked to stop has ended.

    Args:
        directory: of the run.
        asked: live.json when it was asked.
        show: called with what it is at, over and over.

    Returns:
        live.json at its end, or that of another process which has resumed it since; None if it had
        not begun to train.

    Raises:
        ClusterError: it ended otherwise: it failed, or its process is gone.
    """
    while True:
        live = read_live_state(directory)
        if live is None or live.process != asked.process:
            return live if live and live.began > asked.began else None
        if live.condition in GOING_ON:
            show(live.words)
            time.sleep(_PERIOD)
            continue
        with suppress(OSError):
            directory.stop_request.unlink(missing_ok=True)
        if live.outcome in ("finished", "interrupted"):
            return live
        raise ClusterError(f"{directory.path}: {live.words}")


def take_request(directory: RunDirectory, process: ProcessIdentity) -> StopRequest | None:
    """Removes the request to stop and returns it; None if there is none for this process."""
    if not directory.stop_request.exists():
        return None
    try:
        request = StopRequest.model_validate(read_object(directory, directory.stop_request))
    except (UserError, ValidationError):
        request = None
    with suppress(OSError):
        directory.stop_request.unlink(missing_ok=True)
    return request if request and request.process == process else None
