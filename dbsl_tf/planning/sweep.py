"""Plans for many n_S and k side by side, to choose from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from dbsl_tf.common.errors import UserError
from dbsl_tf.planning.advice import LEAST_ADVISED_BATCH
from dbsl_tf.planning.dual_batch import DualBatchPlan
from dbsl_tf.planning.request import PlanRequest
from dbsl_tf.planning.shares import exact
from dbsl_tf.planning.solving import largest_extra_time_ratio, plan_dual_batch, solvable
from dbsl_tf.schedules.calendar import as_number

RATIOS = (1.01, 1.02, 1.05, 1.1, 1.15, 1.2, 1.3)


@dataclass(frozen=True)
class SweepCell:
    """The plan for one number of small workers and one k.

    Attributes:
        small_workers: n_S.
        extra_time_ratio: k.
        largest_extra_time_ratio: the largest k with a plan for this n_S, to four decimals.
        plan: the plan; None where there is none.
    """

    small_workers: int
    extra_time_ratio: float
    largest_extra_time_ratio: float
    plan: DualBatchPlan | None

    @property
    def small_batches(self) -> tuple[int, int] | None:
        """Smallest and largest B_S, which differ where workers do; None without a plan."""
        return None if self.plan is None else self.plan.small_batches

    @property
    def problem(self) -> str | None:
        """Why there is no plan, in a few words."""
        if self.plan is not None:
            return None
        return f"no B_S: k ≤ {self.largest_extra_time_ratio:g}"

    def as_dict(self) -> dict[str, Any]:
        """Returns the cell as JSON values, null where there is no plan; time in seconds.

        `small_batch` and `update_factor` are those of the first small worker.
        """
        plan = self.plan
        return {
            "small_workers": self.small_workers,
            "extra_time_ratio": self.extra_time_ratio,
            "small_batch": plan and plan.small_batch,
            "update_factor": plan and plan.update_factor,
            "small_fraction": plan and plan.small_fraction,
            "epoch_seconds": plan and plan.epoch_seconds,
            "realised_extra_time_ratio": plan and plan.realised_extra_time_ratio,
            "largest_extra_time_ratio": self.largest_extra_time_ratio,
            "mini_epochs_per_epoch": plan and as_number(plan.mini_epochs),
            "problem": self.problem,
        }


def sweep(
    request: PlanRequest,
    ratios: Sequence[float] = RATIOS,
    update_factor: str = "linear",
    also: Mapping[int, float] | None = None,
) -> tuple[SweepCell, ...]:
    """Plans for every n_S from 1 to n and every k of `ratios`, n_S by n_S.

    Args:
        request: what the plans are for; its `small_workers` has no effect.
        ratios: values of k, each at least 1.
        update_factor: as in `plan_dual_batch`.
        also: one more k for some n_S.

    Raises:
        UserError: no n_S and k could have a plan; as `plan_dual_batch`.
    """
    added = defaultdict(list, {number: [ratio] for number, ratio in (also or {}).items()})
    cells = []
    for small_workers in range(1, request.workers + 1):
        split = replace(request, small_workers=small_workers)
        plan_dual_batch(split, 1.0)  # refuses what no k can solve
        largest = float(largest_extra_time_ratio(split))
        for ratio in sorted({*ratios, *added[small_workers]}):
            works = solvable(split, exact(ratio))
            plan = plan_dual_batch(split, ratio, update_factor) if works else None
            cells.append(SweepCell(small_workers, ratio, largest, plan))
    return tuple(cells)


def parse_ratios(text: str) -> tuple[float, ...]:
    """Returns the values of k in a text such as 1.01,1.05, rising and each once.

    Raises:
        UserError: one of them is not a number from 1.
    """
    ratios = set()
    for part in text.split(","):
        try:
            ratio = float(part)
        except ValueError:
            ratio = 0.0
        if not 1 <= ratio < float("inf"):
            raise UserError(
                f"--sweep-ratios has {part.strip()!r}; give numbers of at least 1 with commas "
                "between them, such as 1.01,1.05,1.1"
            )
        ratios.add(ratio)
    return tuple(sorted(ratios))


def advised(cells: Sequence[SweepCell], small_workers: int) -> SweepCell | None:
    """Returns the plan with the largest k whose small batch is not below `LEAST_ADVISED_BATCH`.

    Args:
        cells: of one `sweep`.
        small_workers: n_S of the configuration; with 0 it is one with n_S = 1.

    Returns:
        The plan; None if there is none.
    """
    enough = [
        cell
        for cell in cells
        if cell.small_workers == max(1, small_workers)
        and cell.small_batches is not None
        and cell.small_batches[0] >= LEAST_ADVISED_BATCH
    ]
    return max(enough, key=lambda cell: cell.extra_time_ratio, default=None)


def advice(cells: Sequence[SweepCell], small_workers: int) -> str:
    """Returns one sentence that helps to choose k; see `advised`."""
    cell = advised(cells, small_workers)
    where = f"With dual_batch.small_workers {max(1, small_workers)}"
    if cell is None or (plan := cell.plan) is None:
        return (
            f"{where} every k of the sweep gives a small batch below {LEAST_ADVISED_BATCH}, whose "
            "steps are mostly fixed cost and whose batch statistics are noisy: try a k closer to "
            "1, or more small workers."
        )
    return (
        f"{where} the largest k of the sweep that keeps the small batch at "
        f"{LEAST_ADVISED_BATCH} or more is {cell.extra_time_ratio:g}: batch "
        f"{plan.small_batches[0]}, {plan.small_fraction:.0%} of the data in small batches, "
        f"{plan.realised_extra_time_ratio - 1:.1%} more time."
    )
