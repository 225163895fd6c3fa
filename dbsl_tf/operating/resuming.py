"""How a run is resumed."""

from __future__ import annotations

from dbsl_tf.common.program import typed
from dbsl_tf.config.overrides import override
from dbsl_tf.operating.live_state import LiveState
from dbsl_tf.results.run_directory import RunDirectory


def how_to_resume(directory: RunDirectory) -> str:
    """Returns what to do to resume a run, in words."""
    return " ".join(resuming_words(directory))


def resuming_words(directory: RunDirectory) -> tuple[str, str]:
    """Returns what to do to resume a run, in words, and the command or argument that does it."""
    if directory.program.exists():
        # The command would do without the program's callbacks.
        return "to resume, call fit again with", f"run_dir={str(directory.path)!r}"
    run_dir = override("run.dir", str(directory.path))
    return "resume with", typed("train", "--config", str(directory.configuration), run_dir)


def words_of(directory: RunDirectory, live: LiveState) -> str:
    """Returns whether a run goes on, or how it ended and how it is then resumed, in words."""
    if live.condition in ("gone", "interrupted"):
        return f"{live.words}: {how_to_resume(directory)}"
    return live.words
