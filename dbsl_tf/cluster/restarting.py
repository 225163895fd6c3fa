"""Restarts a command in the same process, which clears all state of TensorFlow."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NoReturn

from dbsl_tf.common.program import start_again
from dbsl_tf.common.quiet import remove_generated_files

# Environment variable: how often this command has been restarted.
RESTARTS = "DBSL_TF_RESTARTS"


def restarts_so_far(environment: Mapping[str, str]) -> int:
    """Returns how often the command of this process has been restarted."""
    return int(environment.get(RESTARTS, "0"))


def restart(*arguments: str) -> NoReturn:
    """Replaces this process by its command with more arguments; its children must have ended.

    A process can connect to a cluster only once: there is no other way to clear TensorFlow's state
    of a cluster that lost a parameter server.
    """
    remove_generated_files()
    os.environ[RESTARTS] = str(restarts_so_far(os.environ) + 1)
    start_again(*arguments)
