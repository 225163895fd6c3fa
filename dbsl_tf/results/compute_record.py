"""Records what a run computed with: the settings, and what was found on the workers."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from dbsl_tf.common.onednn import Decision, decide
from dbsl_tf.common.processor import WorkerProcessor, onednn_of_all
from dbsl_tf.config.training_sections import ComputeSection
from dbsl_tf.profiling.precision_choice import PrecisionChoice


def compute_record(
    section: ComputeSection,
    workers: Sequence[WorkerProcessor],
    precision_choice: PrecisionChoice | None,
    winograd: bool,
) -> dict[str, Any]:
    """Returns the entry `compute` of summary.json.

    Args:
        section: the section of the run's configuration, with the precision it trained in.
        workers: the workers' processors; those of workers that did not answer are missing.
        precision_choice: how auto chose that precision; None: it was given.
        winograd: whether convolutions were computed by Winograd's filtering where it is faster.
    """
    return {
        "precision": section.precision,
        "precision_choice": precision_choice and precision_choice.as_dict(),
        "xla": section.xla,
        "winograd": winograd,
        # True or false if it is the same in all workers, else null.
        "onednn": onednn_of_all(workers),
        "onednn_reason": decide(section.onednn, os.environ).reason,
        "workers": [worker.as_dict() for worker in workers],
    }


def onednn_remark(section: ComputeSection, workers: Sequence[WorkerProcessor]) -> str | None:
    """Returns a line if workers differ from this process in whether oneDNN is on; else None."""
    decision = decide(section.onednn, os.environ)
    other = [worker.worker for worker in workers if decision.on not in (None, worker.onednn)]
    if not other:
        return None
    names = ", ".join(f"worker-{index}" for index in other)
    wanted, held = ("on", "without") if decision.on else ("off", "with")
    return (
        f"computing {held} oneDNN: {names}, though {_because(decision)} turns it {wanted} here; "
        "the processor or TensorFlow differs there, or TF_ENABLE_ONEDNN_OPTS is set there"
    )


def _because(decision: Decision) -> str:
    if decision.reason == "environment":
        return "TF_ENABLE_ONEDNN_OPTS"
    return "compute.onednn"
