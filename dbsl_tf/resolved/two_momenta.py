"""Whether the momentum of the workers and that of the merge rule get in each other's way."""

from __future__ import annotations

from dbsl_tf.common.printing import tell
from dbsl_tf.planning import DualBatchPlan
from dbsl_tf.resolved.settings import RunSettings

# What an optimiser calls the share of earlier gradients that it keeps.
_OWN_MOMENTUM = {"sgd": "momentum", "lars": "momentum", "adamw": "beta_1"}


def warn_of_two_momenta(settings: RunSettings, plan: DualBatchPlan) -> None:
    """Warns on standard error of mini-epochs that are too short for two momenta, one on the other.

    A momentum μ that is kept from one mini-epoch to the next remembers 1/(1 − μ) steps. If a
    mini-epoch has fewer, the momentum of the merge rule acts on what is momentum already, and the
    training oscillates at learning rates far below those that either of them allows alone
    (docs/method.md has figures).
    """
    key = _OWN_MOMENTUM.get(settings.optimizer.name)
    outer = settings.merge.settled(settings.cluster.workers).momentum
    if key is None or not outer or not settings.keeps_optimizer_state:
        return
    own = getattr(settings.optimizer, key)
    steps = min(worker.steps for worker in plan.workers)
    # Rounded, as 1/(1 − 0.9) is a little more than 10.
    if steps < round(1 / (1 - own), 6):
        tell(
            f"warning: merge.rule={settings.merge.rule} has a momentum ({outer:.4g}), and so have "
            f"the workers (optimizer.{key}={own:.4g}), who keep it over mini-epochs of only "
            f"{steps} step(s): training may diverge; give optimizer.state=reset, or merge less "
            "often (schedule.mini_epochs_per_epoch)"
        )
