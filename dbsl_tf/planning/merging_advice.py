"""How often the workers are best merged in an epoch, as far as it is known."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from dbsl_tf.common.errors import UserError
from dbsl_tf.planning.dual_batch import DualBatchPlan, WorkerPlan

# Merges in an epoch that were measured.
_MOST = 16
_FEWEST_STEPS = 2
# A short last batch has the fixed cost of a full one. What it lacks may be so large a part of all
# batches of a mini-epoch, and what a merge takes so large a part of its time.
_LITTLE = 0.05
# Fewer times as many are not worth a sentence.
_WORTH_SAYING = 2


def merging_advice(
    plan: DualBatchPlan, replanned: Callable[[Fraction], DualBatchPlan]
) -> str | None:
    """Returns a sentence where merging more often leaves every worker whole batches; else None.

    Source: docs/results.md, "How often to merge".

    Args:
        plan: of the run.
        replanned: the same for another number of mini-epochs in an epoch, M.
    """
    if len(plan.workers) == 1:
        return None
    advised = most_merges(replanned)
    if advised is None or advised.mini_epochs < _WORTH_SAYING * plan.mini_epochs:
        return None
    fewest = min(worker.steps for worker in advised.workers)
    return (
        "Merging more often gained more than anything else that was measured (docs/results.md): "
        f"with schedule.mini_epochs_per_epoch={advised.mini_epochs} each worker takes {fewest} "
        "steps or more between merges, nearly all in whole batches. Each merge costs a pull and a "
        "push, see dbsl simulate; merging in whole rounds (sync.mode=bsp) gained most."
    )


def most_merges(replanned: Callable[[Fraction], DualBatchPlan]) -> DualBatchPlan | None:
    """Returns the plan with the most merges in an epoch that leaves every worker whole batches.

    A mini-epoch has two batches or more, its last one lacks a twentieth of them at most, and a
    twentieth of its time at most is overhead. There are no more than 16 merges.

    Args:
        replanned: see `merging_advice`; UserError: there is no plan.
    """
    for often in range(_MOST, 1, -1):
        try:
            plan = replanned(Fraction(often))
        except UserError:
            continue
        if all(map(_suits, plan.workers)):
            return plan
    return None


def _suits(worker: WorkerPlan) -> bool:
    lacking = 1 - worker.samples / (worker.steps * worker.batch)
    return (
        worker.steps >= _FEWEST_STEPS
        and lacking <= _LITTLE
        and worker.overhead_seconds <= _LITTLE * worker.predicted_seconds
    )
