"""Settles `compute.precision: auto`, by measuring if there is something to gain."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from dbsl_tf.cluster.gpus import visible_gpus
from dbsl_tf.cluster.task import task_from_environment
from dbsl_tf.common.checksums import verified
from dbsl_tf.common.errors import ClusterError
from dbsl_tf.common.files import TABLE, read_text
from dbsl_tf.common.processor import this_processor
from dbsl_tf.common.program import python_module
from dbsl_tf.measuring.precision_comparison import NO_BFLOAT16, NOT_TOGETHER
from dbsl_tf.measuring.profile_cache import precision_path
from dbsl_tf.measuring.profile_cluster import profile_path
from dbsl_tf.profiling.precision_choice import PrecisionChoice, stored_choice, unmeasured
from dbsl_tf.resolved import RunSettings


def settle_precision(
    settings: RunSettings, config_file: str, overrides: Sequence[str], report: Callable[[str], None]
) -> PrecisionChoice:
    """Returns what `compute.precision: auto` chooses for a run, on the workers that will train.

    It is measured once, in a separate process; the result is kept beside the profiles.

    Args:
        settings: the run's settings, with precision auto.
        config_file, overrides: where the settings came from.
        report: called with one line on each thing that happens, and on the choice.

    Raises:
        ClusterError: the measurement failed; its own message has been shown.
    """
    choice = _settle(settings, config_file, overrides, report)
    report(str(choice))
    return choice


def _settle(
    settings: RunSettings, config_file: str, overrides: Sequence[str], report: Callable[[str], None]
) -> PrecisionChoice:
    if not settings.allows_bfloat16:
        return unmeasured("as the images are too small for mixed_bfloat16 with the imagenet stem")
    task = task_from_environment(os.environ)
    if task is None and not (visible_gpus() or this_processor().has_bfloat16):
        return unmeasured(NO_BFLOAT16)
    path = precision_path(profile_path(settings), settings.highest.large_batch)
    kept = _kept(path)
    if kept is not None:
        return kept
    report("compute.precision is auto: measuring float32 and mixed_bfloat16, once")
    command = python_module("dbsl_tf.cli.compare_precisions")
    command += ["--config", config_file, "--output", str(path), *overrides]
    status = subprocess.run(command, check=False).returncode
    kept = _kept(path)
    if status or kept is None:
        raise ClusterError(
            f"the precisions could not be compared (status {status}), see above; give "
            "compute.precision"
        )
    if kept.reason == NOT_TOGETHER:
        # The machine may be less busy next time.
        path.unlink(missing_ok=True)
    return kept


def _kept(path: Path) -> PrecisionChoice | None:
    """Returns the choice that was made before; None if there is none that can be read."""
    try:
        return stored_choice(verified(json.loads(read_text(path, TABLE))))
    except (OSError, ValueError, RecursionError):
        return None
