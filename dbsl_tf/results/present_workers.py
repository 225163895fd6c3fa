"""What is said of a plan for the workers that are there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

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
    parts = []
    if small := record.plan.get("small_workers"):
        batches = _batches(record.plan)
        parts.append(f"{small} small with batches of {batches}")
    if large := record.plan.get("large_workers"):
        parts.append(f"{large} large")
    return f"from epoch {record.epoch} on: a plan for {who}: {', '.join(parts)}"


def small_part(plan: Mapping[str, Any]) -> float:
    """Returns which part of those present is small."""
    return plan["small_workers"] / plan["workers"]


def _batches(plan: Mapping[str, Any]) -> str:
    found = [
        worker.get("batch")
        for worker in plan.get("per_worker") or ()
        if isinstance(worker, dict) and worker.get("role") == "small"
    ]
    sizes = sorted({batch for batch in found if isinstance(batch, int)})
    return " to ".join(map(str, dict.fromkeys(sizes[:1] + sizes[-1:]))) or "unknown size"
