"""When a worker begins a mini-epoch that it is given, and when it trains nothing."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.isolation import SHARED_WORKERS, on_shared_cluster
from tests.support.softmax_regression import batches


def give_one_worker_everything(engine, in_rounds, keep):
    """Give one worker mini-epochs one after another, the second before the first is merged.

    Returns:
        Of its first mini-epoch, the second, the second where it may train another all the same, and
        one after the first was merged: whether it was trained, and what of it was not merged.
    """
    import tensorflow as tf

    from dbsl_tf.coordinator.closures import Assignments, mini_epoch_closure
    from dbsl_tf.shared_model.merge import average
    from dbsl_tf.shared_model.shared_model import SharedModel
    from dbsl_tf.shared_model.slot_pool import SlotPool
    from dbsl_tf.shared_model.stored_model import ModelState
    from dbsl_tf.training.objective import Objective
    from dbsl_tf.training.optimizers import SGD
    from tests.support.softmax_regression import build_network

    network = build_network()
    weights = network.initial_weights()
    velocity = [np.zeros((engine.workers, *weight.shape), np.float32) for weight in weights]
    state = ModelState(0, weights, velocity if keep else [])
    model = SharedModel(engine, state, average, in_rounds=in_rounds)
    pool = SlotPool(model, 3)
    closure = mini_epoch_closure(engine, model.exchange, network, Objective(), SGD(momentum=0.9))
    ((images, labels),) = batches([4])
    data = engine.worker_datasets(
        lambda: tf.data.Dataset.from_tensors((tf.constant(images), tf.constant(labels))).repeat()
    )
    iterator = data.iterator()
    workers = range(engine.workers)
    only = [worker == 1 for worker in workers]

    def give(again=False):
        """A mini-epoch that only worker 1 may begin, whichever takes it."""
        while True:
            slot = pool.take()
            model.fill(slot)
            given = Assignments.of(
                *([each] * len(workers) for each in (1, 4, 0.1, 0)), only, again, slot.attempt
            )  # fmt: skip
            result = engine.call(closure, iterator, slot.variables(), given)
            if int(result.worker) == 1:
                return slot, (bool(result.trained), int(result.unmerged))
            pool.release(slot)

    first, of_first = give()
    _, of_second = give()
    _, of_another = give(again=True)
    if in_rounds:
        model.merge_round([first], [1], [1.0])
    else:
        model.merge(first, 1, 1.0)
    _, of_later = give()
    return first.attempt, [of_first, of_second, of_another, of_later]


@pytest.mark.cluster
@pytest.mark.xdist_group("shared cluster")
class TestSecondMiniEpoch:
    @pytest.mark.slow
    def test_in_a_round_nobody_trains_a_second_one_unless_told_to(self) -> None:
        assert SHARED_WORKERS > 1
        attempt, given = on_shared_cluster(give_one_worker_everything, True, False)
        assert given == [(True, 0), (False, attempt), (True, attempt), (True, 0)]

    def test_without_a_kept_state_it_need_not_be_merged(self) -> None:
        _, given = on_shared_cluster(give_one_worker_everything, False, False)
        assert given == [(True, 0)] * 4

    def test_with_a_kept_state_it_must_be(self) -> None:
        attempt, given = on_shared_cluster(give_one_worker_everything, False, True)
        assert given == [(True, 0), (False, attempt), (True, attempt), (True, 0)]
