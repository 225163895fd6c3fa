"""Whether the momentum of the workers and that of the merge rule get in each other's way."""

from __future__ import annotations

from dbsl_tf.common.printing import tell
from dbsl_tf.planning import DualBatchPlan
from dbsl_tf.planning.stability import Momentum, largest_stable_rate
from dbsl_tf.resolved.settings import RunSettings

# What an optimiser calls the share of earlier gradients that it keeps.
_OWN_MOMENTUM = {"sgd": "momentum", "lars": "momentum", "adamw": "beta_1"}
# Less than this part of the stable learning rate is worth a warning.
_LITTLE = 0.1


def warn_of_two_momenta(settings: RunSettings, plan: DualBatchPlan) -> None:
    """Warns on standard error of mini-epochs that are too short for two momenta, one on the other.

    The momentum of the merge rule then acts on what is momentum already, and training is unstable
    at learning rates far below those that are stable where workers begin without momentum.
    """
    key = _OWN_MOMENTUM.get(settings.optimizer.name)
    merge = settings.merge.settled(settings.cluster.workers)
    if key is None or not merge.momentum or not settings.keeps_optimizer_state:
        return
    share = getattr(settings.optimizer, key)
    steps = min(worker.steps for worker in plan.workers)
    kept, reset = (
        largest_stable_rate(
            steps,
            Momentum(share, settings.optimizer.nesterov),
            Momentum(merge.momentum, merge.rule != "slowmo"),
            merge.learning_rate or 1.0,
            kept,
        )
        for kept in (True, False)
    )
    if kept < _LITTLE * reset:
        tell(
            f"warning: merge.rule={merge.rule} has a momentum ({merge.momentum:.4g}), and so have "
            f"the workers (optimizer.{key}={share:.4g}), who keep it over mini-epochs of only "
            f"{steps} step(s): training is unstable from 1/{reset / kept:.0f} of the learning rate "
            "that is stable with optimizer.state=reset; give that, or merge less often "
            "(schedule.mini_epochs_per_epoch)"
        )
