"""origin.json: how, where and from which configuration a run was started, each time it was."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from dbsl_tf.common.errors import UserError
from dbsl_tf.common.processor import this_processor
from dbsl_tf.common.program import command_line
from dbsl_tf.common.version_control import git_state
from dbsl_tf.results.run_directory import RunDirectory
from dbsl_tf.results.stored_objects import read_object

_STARTS_KEPT = 100


def add_start(directory: RunDirectory, config_file: Path, commit: int) -> None:
    """Adds this start of a run to its origin.json.

    Args:
        directory: of the run.
        config_file: the file of the configuration.
        commit: after which the run is resumed; 0: it begins.
    """
    before: Sequence[dict[str, Any]] = []
    with suppress(UserError):  # A run needs nothing of this file to go on.
        before = read_starts(directory) if commit else []
    starts = [*before, _this_start(config_file, commit)]
    # The first one, and the latest of the others.
    kept = [*starts[:1], *starts[1:][-_STARTS_KEPT + 1 :]]
    directory.write_json(directory.origin, {"starts": kept})


def read_starts(directory: RunDirectory) -> Sequence[dict[str, Any]]:
    """Returns the starts of a run, first to last; none where they are not recorded.

    Raises:
        UserError: the file is damaged.
    """
    if not directory.origin.exists():
        return []
    starts = read_object(directory, directory.origin).get("starts")
    return (
        [start for start in starts if isinstance(start, dict)] if isinstance(starts, list) else []
    )


def _this_start(config_file: Path, commit: int) -> dict[str, Any]:
    git = git_state(config_file)
    processor = this_processor()
    return {
        "time": time.time(),
        "commit": commit,
        "command": command_line(),
        "git": git and git.as_dict(),
        "host": socket.gethostname(),
        "processor": processor.name,
        "instructions": processor.instructions,
        "cores": os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
    }
