"""Outer optimisers on parameter servers, against histories worked out by hand in float64."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest
import tensorflow as tf

from dbsl_tf.shared_model.merge import average
from dbsl_tf.shared_model.merging import AtCommit
from dbsl_tf.shared_model.outer import DelayedNesterov, Delta, Moment, Nesterov, SlowMo
from tests.support.isolation import SHARED_WORKERS, on_shared_cluster

SHAPES = [(3, 2), (2,)]  # of the weights that are trained
STATISTICS = (4,)
N = SHARED_WORKERS
FACTORS = (0.5, 1.0)  # of worker 0 and worker 1
MEAN_FACTOR = 0.75


@dataclass(frozen=True)
class Event:
    """One mini-epoch: which slot it is in, who trained it, and what the schedule said."""

    slot: int
    worker: int
    pulls: bool = True
    at: AtCommit = field(default_factory=lambda: AtCommit(MEAN_FACTOR))


# Slot 1 is filled at the beginning and merged after two commits of the other.
EVENTS = [
    Event(0, 0),
    Event(0, 0, at=AtCommit(MEAN_FACTOR, decay=0.1)),
    Event(1, 1, pulls=False),
    Event(1, 1),
    Event(0, 0, at=AtCommit(MEAN_FACTOR, decay=0.5)),
    Event(1, 1),
    # From here on the plan is for other numbers of workers.
    Event(0, 0, at=AtCommit(MEAN_FACTOR, workers=1)),
    Event(1, 1, at=AtCommit(MEAN_FACTOR, workers=3)),
    Event(0, 0, at=AtCommit(MEAN_FACTOR, workers=3)),
]
# Nothing is in flight then, and the changes are added up that await the next commit.
RESUMED_AFTER = 3


def starting_weights() -> list[np.ndarray]:
    random = np.random.default_rng(1)
    return [random.normal(size=shape).astype(np.float32) for shape in (*SHAPES, STATISTICS)]


def pushed(number: int) -> list[np.ndarray]:
    """What the mini-epoch with this number pushes, whatever it began with."""
    random = np.random.default_rng(100 + number)
    return [random.normal(size=shape).astype(np.float32) for shape in (*SHAPES, STATISTICS)]


def merged_one_by_one(engine, rule, power, transfer_type):
    """The states after every event of EVENTS, with a new model from a state in the middle."""
    from dbsl_tf.shared_model.merging import Merging
    from dbsl_tf.shared_model.shared_model import SharedModel
    from dbsl_tf.shared_model.stored_model import ModelState

    merging = Merging(rule, staleness_power=power, trainable=len(SHAPES))
    dtype = tf.as_dtype(transfer_type)
    model = SharedModel(engine, ModelState(0, starting_weights(), []), merging, dtype)
    slots = [model.new_slot() for _ in range(2)]
    push = pushing(engine, model)
    for slot in slots:
        model.fill(slot)
    states = []
    for number, event in enumerate(EVENTS):
        if number == RESUMED_AFTER:
            model = SharedModel(engine, states[-1], merging, dtype)
            slots = [model.new_slot() for _ in range(2)]
            push = pushing(engine, model)
        slot = slots[event.slot]
        if event.pulls:
            model.fill(slot)
        engine.call(push, slot.variables(), pushed(number))
        model.merge(slot, event.worker, FACTORS[event.worker], event.at)
        states.append(model.state())
    return states


def merged_in_rounds(engine, rule, moments, resumed_after):
    """The states after rounds of all workers, and one more that only takes the mean."""
    from dbsl_tf.shared_model.merging import Merging
    from dbsl_tf.shared_model.shared_model import SharedModel
    from dbsl_tf.shared_model.stored_model import ModelState

    merging = Merging(rule, in_rounds=True, trainable=len(SHAPES))
    states = [ModelState(0, starting_weights(), [])]
    for number, moment in enumerate([*moments, None]):
        if number in (0, resumed_after):
            model = SharedModel(engine, states[-1], merging)
            slots = [model.new_slot() for _ in range(N)]
            push = pushing(engine, model)
        for worker, slot in enumerate(slots):
            model.fill(slot)
            engine.call(push, slot.variables(), pushed(N * number + worker))
        model.merge_round(slots, list(range(N)), FACTORS, moment)
        states.append(model.state())
    return states[1:]


def pushing(engine, model):
    @engine.closure
    def push(variables, weights):
        worker = tf.constant(0, tf.int64)
        pulled = model.exchange.pull(variables, worker)
        pieces = model.exchange.pack(pulled, weights, [])
        with tf.control_dependencies([model.exchange.push(variables, pieces, worker, 1)]):
            return tf.constant(0)

    return push


class ByHand:
    """The same in float64, one weight after another."""

    def __init__(self) -> None:
        self.g = [weight.astype(np.float64) for weight in starting_weights()]
        self.kept = [{"momentum": 0.0, "sum": 0.0, "gradients": 0.0} for _ in SHAPES]
        self.commit = 0

    def commit_one(self, rule, event: Event, number: int, pulled, staleness: int, power: float):
        f = FACTORS[event.worker]
        s = (1 + staleness) ** -power
        omega = f / MEAN_FACTOR
        n = event.at.workers or N
        self.commit += 1
        w = pushed(number)
        for i in range(len(SHAPES)):
            delta = omega * s * (pulled[i] - w[i])
            eta = rule.learning_rate
            self.g[i] = self.g[i] - eta / n * delta
            if isinstance(rule, DelayedNesterov):
                beta = rule.momentum
                kept = self.kept[i]
                kept["momentum"] = event.at.decay * kept["momentum"]
                kept["sum"] = kept["sum"] + delta / n
                if self.commit % n == 0:
                    kept["momentum"] = beta * kept["momentum"] + kept["sum"]
                    self.g[i] = self.g[i] - eta * beta * kept["momentum"]
                    kept["sum"] = 0.0
        mean = (self.g[-1] + f * w[-1]) / (1 + f)
        self.g[-1] = self.g[-1] + s * (mean - self.g[-1])

    def commit_round(self, rule, number: int, moment: AtCommit):
        w = [pushed(N * number + worker) for worker in range(N)]
        mean = [sum(f * mine[i] for f, mine in zip(FACTORS, w)) / sum(FACTORS) for i in range(3)]
        self.g[-1] = mean[-1]
        for i in range(len(SHAPES)):
            kept, change = self.kept[i], self.g[i] - mean[i]
            if isinstance(rule, Nesterov):
                kept["momentum"] = 0.9 * moment.decay * kept["momentum"] + change
                self.g[i] = self.g[i] - 0.7 * (change + 0.9 * kept["momentum"])
            elif isinstance(rule, SlowMo):
                gamma = moment.learning_rate
                kept["gradients"] = 0.2 * kept["gradients"] + change / gamma
                self.g[i] = self.g[i] - gamma * kept["gradients"]
            else:
                self.g[i] = self.g[i] - change * rule.learning_rate


@pytest.mark.cluster
@pytest.mark.xdist_group("shared cluster")
class HistoryTest(tf.test.TestCase):
    def check(self, by_hand, state):
        self.assertEqual(state.commit, by_hand.commit)
        for expected, found in zip(by_hand.g, state.weights, strict=True):
            self.assertAllClose(expected, found, atol=1e-5)
        for name, arrays in state.merge_state.items():
            for i, found in enumerate(arrays):
                expected = np.broadcast_to(by_hand.kept[i][name], SHAPES[i])
                self.assertAllClose(expected, found, atol=1e-5)

    def check_one_by_one(self, rule, power=0.0, transfer_type="float32"):
        states = on_shared_cluster(merged_one_by_one, rule, power, transfer_type)
        by_hand = ByHand()
        history = [list(by_hand.g)]
        pulled, begun = [history[0]] * 2, [0, 0]
        for number, (event, state) in enumerate(zip(EVENTS, states, strict=True)):
            if event.pulls:
                pulled[event.slot], begun[event.slot] = history[-1], number
            staleness = number - begun[event.slot]
            by_hand.commit_one(rule, event, number, pulled[event.slot], staleness, power)
            history.append(list(by_hand.g))
            self.check(by_hand, state)
        self.assertEqual(set(states[-1].merge_state), set(rule.copies))

    def test_average_with_a_weight_for_staleness(self):
        states = on_shared_cluster(merged_one_by_one, average, 1.0, "float32")
        g = [starting_weights()]
        begun = [0, 0]
        for number, (event, state) in enumerate(zip(EVENTS, states, strict=True)):
            if event.pulls:
                begun[event.slot] = number
            f, s = FACTORS[event.worker], 1 / (1 + number - begun[event.slot])
            g.append([a + s * ((a + f * w) / (1 + f) - a) for a, w in zip(g[-1], pushed(number))])
            for expected, found in zip(g[-1], state.weights, strict=True):
                self.assertAllClose(expected, found, atol=1e-5)
            self.assertEqual(state.merge_state, {})

    def test_delta(self):
        self.check_one_by_one(Delta(N, learning_rate=0.8))

    def test_delayed_nesterov(self):
        self.check_one_by_one(DelayedNesterov(N))

    def test_delayed_nesterov_with_numbers_of_its_own_and_a_weight_for_staleness(self):
        self.check_one_by_one(DelayedNesterov(N, 0.9, 0.3), power=0.5)

    def check_rounds(self, rule, moments):
        states = on_shared_cluster(merged_in_rounds, rule, moments, 2)
        by_hand = ByHand()
        for number, (moment, state) in enumerate(zip(moments, states)):
            by_hand.commit += N
            by_hand.commit_round(rule, number, moment)
            self.check(by_hand, state)
        # The last one is a mean, and leaves what is kept as it was.
        by_hand.commit += N
        by_hand.commit_round(Delta(N, learning_rate=1.0), len(moments), AtCommit())
        self.check(by_hand, states[-1])

    def test_delta_in_rounds(self):
        self.check_rounds(Delta(N, learning_rate=0.8), [AtCommit()] * 3)

    def test_nesterov(self):
        decays = [AtCommit(), AtCommit(), AtCommit(decay=0.1), AtCommit()]
        self.check_rounds(Nesterov(N), decays)

    def test_slowmo(self):
        rates = [AtCommit(learning_rate=rate) for rate in (0.2, 0.2, 0.02, 0.02)]
        self.check_rounds(SlowMo(N), rates)


class WithoutServersTest(tf.test.TestCase):
    def test_a_worker_alone_goes_on_from_what_it_has_trained(self):
        # delta with eta = 1 and n = 1: g becomes w.
        moment = Moment(1.0, tf.constant(True), 0.1, 1.0)
        weight, kept = Delta(1).step(tf.constant([3.0]), tf.constant([1.0]), {}, moment)
        self.assertAllClose(weight, [2.0])
        self.assertEqual(kept, {})

    def test_slowmo_takes_no_step_at_a_learning_rate_of_0(self):
        moment = Moment(1.0, tf.constant(True), tf.constant(0.0), 1.0)
        kept = {"gradients": tf.constant([5.0])}
        weight, after = SlowMo(4).step(tf.constant([3.0]), tf.constant([0.0]), kept, moment)
        self.assertAllClose(weight, [3.0])
        self.assertAllClose(after["gradients"], [1.0])


if __name__ == "__main__":
    tf.test.main()
