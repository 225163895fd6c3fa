"""What the parameter servers hold when a run begins, or goes on from a checkpoint."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from dbsl_tf.common.errors import UserError
from dbsl_tf.common.printing import tell
from dbsl_tf.models import check_weights_fit
from dbsl_tf.resolved import RunSettings
from dbsl_tf.results.checkpoints import Checkpoint
from dbsl_tf.schedules.averaging import Averaging, averaging_from
from dbsl_tf.shared_model.merging import Merging
from dbsl_tf.shared_model.stored_model import ModelState
from dbsl_tf.training.network import Network
from dbsl_tf.training.optimizers import Optimizer


def initial_state(
    settings: RunSettings,
    network: Network,
    optimizer: Optimizer,
    merging: Merging,
    checkpoint: Checkpoint | None,
) -> ModelState:
    """Returns the state on the parameter servers that a run begins or goes on with.

    Args:
        settings: of the run.
        network: what is trained.
        optimizer: of the workers.
        merging: how updates enter the weights.
        checkpoint: where to resume; None: at the beginning.

    Raises:
        UserError: the checkpoint is of another network or optimiser.
    """
    weights = network.initial_weights()
    if checkpoint:
        check_weights_fit(weights, checkpoint.weights)
        weights = checkpoint.weights
    optimizer_state: list[np.ndarray] = []
    if settings.keeps_optimizer_state:
        trainable, _ = network.split(weights)
        optimizer_state = _state_of_workers(optimizer, trainable, settings.cluster.workers)
        if checkpoint and checkpoint.optimizer_state:
            optimizer_state = _resumed(optimizer_state, checkpoint.optimizer_state)
    if not checkpoint:
        return ModelState(0, list(weights), optimizer_state)
    kept = _resumed_merge_state(settings.merge.rule, merging, weights, checkpoint)
    averaging = averaging_of(settings, checkpoint)
    goes_on = averaging is not None and averaging.has_begun(checkpoint.commit)
    average = checkpoint.average if goes_on else []
    return ModelState(checkpoint.commit, list(weights), optimizer_state, kept, average)


def averaging_of(settings: RunSettings, checkpoint: Checkpoint | None) -> Averaging | None:
    """Returns how a run averages its weights for evaluation; None: it does not.

    Args:
        settings: of the run.
        checkpoint: where to resume; None: at the beginning.
    """
    section = settings.evaluation
    if section.average == "none":
        return None
    commit, begun = (checkpoint.commit, checkpoint.averaging) if checkpoint else (0, None)
    return averaging_from(section.average, section.average_epochs, settings.calendar, commit, begun)


def _resumed_merge_state(
    rule: str, merging: Merging, weights: Sequence[np.ndarray], checkpoint: Checkpoint
) -> dict[str, list[np.ndarray]]:
    """What the merge rule kept; nothing where that was another rule."""
    saved = checkpoint.merge_state
    if not saved:
        return {}
    shapes = [weight.shape for weight in weights[: merging.trainable]]
    fits = all([array.shape for array in arrays] == shapes for arrays in saved.values())
    same_rule = checkpoint.merge_rule == rule and set(saved) == set(merging.keeping.copies)
    if fits and same_rule:
        return saved
    tell(
        f"merge.rule is {rule}: what {checkpoint.merge_rule or 'another rule'} kept of the merges "
        "before is dropped"
    )
    return {}


def _state_of_workers(
    optimizer: Optimizer, trainable: Sequence[np.ndarray], workers: int
) -> list[np.ndarray]:
    """The initial state of every worker, [workers, ...] each."""
    state = optimizer.initial_state([tf.constant(weight) for weight in trainable])
    arrays = [np.asarray(tensor, np.float32) for tensor in state]
    return [np.repeat(array[np.newaxis], workers, axis=0) for array in arrays]


def _resumed(initial: list[np.ndarray], saved: list[np.ndarray]) -> list[np.ndarray]:
    """The saved state; none where the optimiser has none any more."""
    if not initial:
        return []
    if [array.shape for array in initial] != [array.shape for array in saved]:
        raise UserError(
            "optimizer.state is keep, but the state in the checkpoint is that of another "
            "optimiser; change optimizer.name and its options back, or give optimizer.state=reset"
        )
    return saved
