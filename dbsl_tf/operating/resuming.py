"""How a run is resumed."""

from __future__ import annotations

from dbsl_tf.common.program import typed
from dbsl_tf.config.overrides import override
from dbsl_tf.operating.live_state import LiveState
from dbsl_tf.results.run_directory import RunDirectory


def how_to_resume(directory: RunDirectory) -> str:
    """Returns what to do to resume a run, in words."""
    return f"resume with {resuming_command(directory)}"


def resuming_command(directory: RunDirectory) -> str:
    """Returns the command that resumes a run."""
    run_dir = override("run.dir", str(directory.path))
    return typed("train", "--config", str(directory.configuration), run_dir)


def words_of(directory: RunDirectory, live: LiveState) -> str:
    """Returns whether a run goes on, or how it ended and how it is then resumed, in words."""
    if live.condition in ("gone", "interrupted"):
        return f"{live.words}: {how_to_resume(directory)}"
    return live.words
