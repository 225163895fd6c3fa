"""How a run is resumed."""

from __future__ import annotations

from dbsl_tf.common.program import typed
from dbsl_tf.config.overrides import override
from dbsl_tf.results.run_directory import RunDirectory


def how_to_resume(directory: RunDirectory) -> str:
    """Returns what to do to resume a run, in words."""
    run_dir = override("run.dir", str(directory.path))
    return f"resume with {typed('train', '--config', str(directory.configuration), run_dir)}"
