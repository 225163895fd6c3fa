"""live.json: what a run is doing now, as far as its history does not say it.

The coordinator renews it every second, whatever the run is at. A process that is gone, or a file
that is no longer renewed, is told from a run that goes on.
"""

from __future__ import annotations

import time
from functools import cached_property
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from dbsl_tf.operating.processes import ProcessIdentity
from dbsl_tf.results.checked_values import damaged
from dbsl_tf.results.run_directory import RunDirectory
from dbsl_tf.results.stored_objects import read_object
from dbsl_tf.results.worker_state import WorkerState

# Seconds between two renewals.
INTERVAL = 1.0
# After so many intervals without a renewal that is told, and after so many it is silence: network
# file systems show another host what is in a folder up to a minute late.
_LATE, _SILENT = 10, 90

Outcome = Literal["finished", "interrupted", "failed"]
# running, or paused (Ctrl-Z); gone: its process ended without a word; silent: not renewed for
# long, and the process cannot be seen from here; or how it ended.
Condition = Literal["running", "paused", "gone", "silent", "finished", "interrupted", "failed"]
GOING_ON: tuple[Condition, ...] = ("running", "paused")


class LiveState(BaseModel):
    """The content of live.json.

    Attributes:
        format: of this file.
        host: name of the coordinator's host.
        process: the coordinator.
        began: when that process took the run over, Unix time of the coordinator's clock.
        renewed: when this was written, likewise.
        interval: seconds between two renewals.
        phase: what the run is at, in a few words.
        outcome: how it ended; None: it has not.
        message: what the run said at its end, such as whether it was saved. How it is resumed
            depends on where its directory is by then.
        workers: what the workers are doing; empty before they have loaded the network.
        metrics: where Prometheus finds the metrics; None: nowhere.
    """

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    format: Literal[1] = 1
    host: str
    process: ProcessIdentity
    began: float
    renewed: float
    interval: float = INTERVAL
    phase: str
    outcome: Outcome | None = None
    message: str = ""
    workers: tuple[WorkerState, ...] = ()
    metrics: str | None = None

    @property
    def age(self) -> float:
        """Seconds since it was renewed, by this machine's clock; at least 0."""
        return max(0.0, time.time() - self.renewed)

    @cached_property
    def condition(self) -> Condition:
        """Whether the run goes on, or how it ended, when this was first asked.

        Later its process may have ended in order, which is in the file alone.
        """
        if self.outcome is not None:
            return self.outcome
        sight = self.process.sight()
        if sight == "unseen":
            return "silent" if self.age > _SILENT * self.interval else "running"
        return "running" if sight == "alive" else sight

    @property
    def words(self) -> str:
        """Whether the run goes on, or how it ended, in words."""
        where = f"process {self.process.number} on {self.host}"
        match self.condition:
            case "running":
                late = self.age > _LATE * self.interval
                return f"{self.phase} ({where}{f'; {self.age:.0f} s ago' if late else ''})"
            case "paused":
                return f"{self.phase}, but paused ({where}; kill -CONT lets it go on)"
            case "gone":
                return f"not going on: {where} has ended without a word, while {self.phase}"
            case "silent":
                return (
                    f"probably not going on: no sign of life for {self.age:.0f} s of {where}, "
                    f"which cannot be seen from here; it was {self.phase}"
                )
            case ended:
                return f"{ended}: {self.message}" if self.message else ended


def read_live_state(directory: RunDirectory) -> LiveState | None:
    """Returns live.json of a run; None if it has none, like those of earlier versions.

    Its `condition` is that of now.

    Raises:
        UserError: it is damaged.
    """
    state = _read(directory)
    # It may have told its end after it was read, and before its process was looked for.
    if state is not None and state.condition == "gone":
        return _read(directory)
    return state


def _read(directory: RunDirectory) -> LiveState | None:
    if not directory.live.exists():
        return None
    content = read_object(directory, directory.live)
    try:
        return LiveState.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "its content"
        raise damaged(directory.live, f"{place}: {first['msg']}") from error


def write_live_state(directory: RunDirectory, state: LiveState) -> None:
    """Writes live.json whole; nothing waits for the disk.

    Raises:
        UserError: it cannot be written.
    """
    directory.write_json(directory.live, state.model_dump(mode="json"), durable=False)
