"""Averages of the weights on real parameter servers, against histories worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tests.support.isolation import on_shared_cluster

WORKERS, EPOCHS = 2, 4
TOTAL = WORKERS * EPOCHS
SHAPES = ((40, 5), (7,))
FACTOR = 0.7


def pushed(commit: int) -> list[np.ndarray]:
    """What a worker pushes for the commit with this number; 0 gives the initial weights."""
    random = np.random.default_rng(commit)
    return [random.normal(size=shape).astype(np.float32) for shape in SHAPES]


def merge(engine, rule, epochs, in_rounds, resumed_at):
    """Every snapshot, the last state and a changed snapshot; resumed once if that is given."""
    import tensorflow as tf

    from dbsl_tf.schedules.averaging import averaging_from
    from dbsl_tf.schedules.calendar import Calendar
    from dbsl_tf.shared_model.merge import average
    from dbsl_tf.shared_model.shared_model import SharedModel
    from dbsl_tf.shared_model.stored_model import ModelState

    calendar = Calendar(workers=WORKERS, epochs=EPOCHS, eval_every=1, checkpoint_every=1)

    def begin(state, begun):
        averaging = averaging_from(rule, epochs, calendar, state.commit, begun)
        model = SharedModel(engine, state, average, tf.float32, in_rounds, averaging)
        model.warm_up([model.new_slot() for _ in range(WORKERS)])

        @engine.closure
        def closure(slot, *weights):
            worker = tf.constant(0, tf.int64)
            pulled = model.exchange.pull(slot, worker)
            pieces = model.exchange.pack(pulled, weights, [])
            with tf.control_dependencies([model.exchange.push(slot, pieces, worker, worker)]):
                return tf.identity(pulled.first)

        return model, closure

    model, closure = begin(ModelState(0, pushed(0), []), None)
    snapshots = {}

    def push(slot, commit):
        model.fill(slot)
        assert engine.call(closure, slot.variables(), *pushed(commit))

    done = 0
    while done < TOTAL:
        if in_rounds:
            slots = [model.new_slot() for _ in range(WORKERS)]
            for number, slot in enumerate(slots, done + 1):
                push(slot, number)
            done = model.merge_round(slots, range(WORKERS), [1.0, FACTOR])
        else:
            slot = model.new_slot()
            push(slot, done + 1)
            done = model.merge(slot, 0, FACTOR)
        assert model.take_snapshot() == done
        snapshots[done] = model.read_snapshot()
        if done == resumed_at:
            model, closure = begin(model.state(), model.averaging.begun)
    model.replace_in_snapshot({1: np.full(7, 5.0, np.float32)})
    return snapshots, model.state(), model.read_snapshot()


def by_hand(rule, epochs, in_rounds):
    """The global weights and their average after each commit, in float64."""
    g = [weight.astype(np.float64) for weight in pushed(0)]
    globals_, averages = [g], {}
    for commit in range(1, TOTAL + 1):
        first = (commit - 1) // WORKERS * WORKERS
        if in_rounds:
            w = [pushed(first + 1), pushed(first + 2)]
            g = [(a + FACTOR * b) / (1 + FACTOR) for a, b in zip(*w)]
        else:
            g = [(a + FACTOR * b) / (1 + FACTOR) for a, b in zip(g, pushed(commit))]
        globals_.append(g)
        history = globals_[1:]
        if rule == "ema":
            kept = 1 - 1 / (epochs * WORKERS)
            e = history[0]
            for each in history[1:]:
                e = [kept * a + (1 - kept) * b for a, b in zip(e, each)]
        elif commit <= TOTAL - epochs * WORKERS:
            e = g
        else:
            e = [np.mean(each, axis=0) for each in zip(*history[int(TOTAL - epochs * WORKERS) :])]
        averages[commit] = e
    return globals_, averages


@pytest.mark.cluster
@pytest.mark.xdist_group("shared cluster")
class AveragedWeightsTest(tf.test.TestCase):
    def check(self, rule, epochs, in_rounds=False, resumed_at=None):
        snapshots, state, replaced = on_shared_cluster(merge, rule, epochs, in_rounds, resumed_at)
        globals_, averages = by_hand(rule, epochs, in_rounds)
        self.assertNotEmpty(snapshots)
        for commit, found in snapshots.items():
            for expected, ours in zip(averages[commit], found, strict=True):
                self.assertAllClose(expected, ours, rtol=1e-5, atol=1e-6)
        for expected, ours in zip(globals_[-1], state.weights, strict=True):
            self.assertAllClose(expected, ours, rtol=1e-5, atol=1e-6)
        for expected, ours in zip(averages[TOTAL], state.average, strict=True):
            self.assertAllClose(expected, ours, rtol=1e-5, atol=1e-6)
        # Estimated statistics change the snapshot, and nothing else.
        self.assertAllEqual(replaced[1], np.full(7, 5.0))
        self.assertAllEqual(replaced[0], state.average[0])
        return state

    def test_an_exponential_average_goes_on_as_it_was(self):
        whole = self.check("ema", 1.5)
        resumed = self.check("ema", 1.5, resumed_at=3)
        for ours, theirs in zip(whole.average, resumed.average, strict=True):
            self.assertAllEqual(ours, theirs)

    def test_the_mean_over_the_last_epochs_goes_on_as_it_was(self):
        whole = self.check("last", 2)
        for commit in (3, 6):
            resumed = self.check("last", 2, resumed_at=commit)
            for ours, theirs in zip(whole.average, resumed.average, strict=True):
                self.assertAllEqual(ours, theirs)

    def test_rounds_count_as_the_commits_they_are(self):
        for rule in ("ema", "last"):
            self.check(rule, 2, in_rounds=True, resumed_at=6)


if __name__ == "__main__":
    tf.test.main()
