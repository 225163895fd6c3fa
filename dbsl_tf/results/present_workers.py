"""What is said of a plan for the workers that are there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dbsl_tf.planning.dual_batch import ROLES
from dbsl_tf.results.records import WorkersRecord


def in_words(record: WorkersRecord, workers: int) -> str:
    """Returns the record as a line for people.

    Args:
        record: of a plan, or that there is none.
        workers: number of workers, n.
    """
    named = ", ".join(str(worker) for worker in record.present)
    if len(record.present) == workers:
        who = f"all {workers} workers"
    else:
        who = f"{len(record.present)} of {workers} workers ({named})"
    if record.plan is None:
        return f"epoch {record.epoch}: no plan for {who}, the one before is kept: {record.problem}"
    parts = [
        f"{count} {role}{_batches(record.plan, role)}"
        for role in ROLES
        if (count := record.plan.get(f"{role}_workers"))
    ]
    ratio = record.plan.get("realised_extra_time_ratio")
    k = f"; k = {ratio:.3f}" if isinstance(ratio, float) else ""
    return f"from epoch {record.epoch} on: a plan for {who}: {', '.join(parts)}{k}"


def small_part(plan: Mapping[str, Any]) -> float:
    """Returns which part of those present is small."""
    return plan["small_workers"] / plan["workers"]


def _batches(plan: Mapping[str, Any], role: str) -> str:
    """Returns the batches of a role in words; empty if they are not known."""
    found = [
        worker.get("batch")
        for worker in plan.get("per_worker") or ()
        if isinstance(worker, dict) and worker.get("role") == role
    ]
    sizes = sorted({batch for batch in found if isinstance(batch, int)})
    known = " to ".join(map(str, dict.fromkeys(sizes[:1] + sizes[-1:])))
    return known and f" with batches of {known}"
