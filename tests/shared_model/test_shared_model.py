"""Merging on real parameter servers: nothing lost, nothing counted twice, nothing torn."""

from __future__ import annotations

import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from dbsl_tf.shared_model.outer import DelayedNesterov, Delta
from tests.support.isolation import SHARED_WORKERS, on_cluster, on_shared_cluster, signal_own_worker

ROUNDS, VARIABLES = 30, 12
DIFFERENCE = 1e-4
# Which bfloat16 does not have.
COUNT = 257.0
ATTEMPT = 5


def rounded(weight, transfer_type):
    return tf.cast(tf.cast(weight, transfer_type), tf.float32)


def count(g, w, f):
    return g + f * w


def hammer(engine, killed_after, transfer_type, rule=count):
    """Every worker pushes ones as fast as it can; the merge adds them up, which counts exactly.

    With an outer optimiser it pushes one more than it began with.

    After so many commits as are in `killed_after`, the next worker is killed, from 1 on.
    """
    import tensorflow as tf

    from dbsl_tf.shared_model.shared_model import SharedModel
    from dbsl_tf.shared_model.stored_model import ModelState

    zeros = [np.zeros(50_000, np.float32) for _ in range(VARIABLES)]
    model = SharedModel(
        engine,
        ModelState(0, zeros, []),
        rule,
        tf.as_dtype(transfer_type),
    )

    @engine.closure
    def closure(slot):
        pulled = model.exchange.pull(slot, engine.worker_index())
        weights = pulled.weights
        stacked = tf.stack(weights)
        with tf.control_dependencies(weights):
            base = 0.0 if rule is count else 1.0
            pushed = [tf.ones_like(w) + base * w for w in weights]
            pieces = model.exchange.pack(pulled, pushed, [])
            pushed = model.exchange.push(slot, pieces, engine.worker_index(), ATTEMPT)
        with tf.control_dependencies([pushed]):
            return {
                "first": pulled.first,
                "smallest": tf.reduce_min(stacked),
                "largest": tf.reduce_max(stacked),
                "worker": engine.worker_index(),
            }

    pulls, commits = [], []

    def loop(slot):
        for _ in range(ROUNDS):
            first = False
            while not first:
                commit = model.fill(slot)
                result = engine.call(closure, slot.variables())
                first = bool(result.pop("first"))
                if not first:
                    slot = model.new_slot()
            pulls.append({"commit": commit, **result})
            commits.append(model.merge(slot, 0, 1.0))
            if commits[-1] in killed_after:
                signal_own_worker(1 + killed_after.index(commits[-1]))

    slots = [model.new_slot() for _ in range(engine.workers)]
    threads = [threading.Thread(target=loop, args=(slot,)) for slot in slots]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    snapshot_commit = model.take_snapshot()
    weights = model.read_snapshot()
    pulls = [{key: float(value) for key, value in pull.items()} for pull in pulls]
    return pulls, commits, snapshot_commit, weights, closure.traces


def push_a_small_difference(engine, transfer_type):
    """One worker adds a little to the weights, and pushes that and a state; what came of it."""
    import tensorflow as tf

    from dbsl_tf.shared_model.merge import average
    from dbsl_tf.shared_model.shared_model import SharedModel
    from dbsl_tf.shared_model.stored_model import ModelState

    random = np.random.default_rng(0)
    weights = [random.normal(size=shape).astype(np.float32) for shape in ((40, 5), (7,))]
    state = [np.zeros((engine.workers, *shape), np.float32) for shape in ((), (40, 5))]
    model = SharedModel(engine, ModelState(3, weights, state), average, tf.as_dtype(transfer_type))
    slot = model.new_slot()

    @engine.closure
    def closure(variables):
        worker = tf.constant(0, tf.int64)
        pulled = model.exchange.pull(variables, worker)
        trained = [weight + DIFFERENCE * tf.sign(weight) for weight in pulled.weights]
        count = pulled.optimizer_state[0] + COUNT
        pieces = model.exchange.pack(pulled, trained, [count, pulled.weights[0]])
        pushed = model.exchange.push(variables, pieces, worker, ATTEMPT)
        with tf.control_dependencies([pushed]):
            return {"first": pulled.first, "weight": tf.identity(pulled.weights[0])}

    @engine.closure
    def pull_again(variables):
        pulled = model.exchange.pull(variables, tf.constant(0, tf.int64))
        return {"first": pulled.first, "unmerged": pulled.unmerged}

    start = model.fill(slot)
    result = engine.call(closure, slot.variables())
    # As it is run again after its worker died.
    again = engine.call(pull_again, slot.variables())
    commit = model.merge(slot, 0, 1.0)
    merged = engine.call(pull_again, slot.variables())
    result["first"] = [bool(each["first"]) for each in (result, again, merged)]
    engine.call(closure, slot.variables())
    unmerged = [again, merged]
    for attempt in (ATTEMPT - 1, ATTEMPT, ATTEMPT):
        model.forget(0, attempt)
        unmerged.append(engine.call(pull_again, slot.variables()))
    result["unmerged"] = [int(each["unmerged"]) for each in unmerged]
    elements = sum(int(v.shape.num_elements()) for v in slot.variables() if v.dtype == tf.float32)
    return weights, {"start": start, **result}, commit, model.state(), elements


def push_after_being_given_up(engine, transfer_type):
    """A call goes on though it counts as lost and was run again, and pushes when all is merged.

    Returns:
        Whether others were the first to begin with their slots, and an element of the global
        weights at first, after either of two merges, and once the lost call has pushed too.
    """
    import tensorflow as tf

    from dbsl_tf.shared_model.shared_model import SharedModel
    from dbsl_tf.shared_model.slot_pool import SlotPool
    from dbsl_tf.shared_model.stored_model import ModelState

    state = ModelState(0, [np.zeros((40, 5), np.float32)], [])
    add = lambda g, w, f: g + f * (w - g)  # noqa: E731
    model = SharedModel(engine, state, add, tf.as_dtype(transfer_type))
    pool = SlotPool(model, 1)
    released = Path(tempfile.mkdtemp()) / "released"

    def is_released(looked):
        # What does not depend on how often it was looked would be looked up once.
        nothing = tf.strings.substr(tf.strings.as_string(looked), 0, 0)
        return tf.size(tf.io.matching_files(tf.strings.join([str(released), nothing]))) > 0

    @engine.closure
    def closure(variables, added, wait):
        worker = engine.worker_index()
        pulled = model.exchange.pull(variables, worker)
        with tf.control_dependencies(pulled.weights):
            waited = tf.while_loop(
                lambda looked: wait & ~is_released(looked), lambda looked: looked + 1, [0]
            )
        with tf.control_dependencies(tf.nest.flatten(waited)):
            pieces = model.exchange.pack(pulled, [w + added for w in pulled.weights], [])

        def push():
            attempt = tf.constant(ATTEMPT, tf.int64)
            with tf.control_dependencies([model.exchange.push(variables, pieces, worker, attempt)]):
                return tf.constant(True)

        return tf.cond(pulled.first, push, lambda: tf.constant(False))

    def run(slot, added, wait=False):
        return engine.start(closure, slot.variables(), np.float32(added), np.bool_(wait))

    def element():
        model.take_snapshot()
        return float(model.read_snapshot()[0][0, 0])

    def train():
        """Merge a push of weights that are larger by one, as `MiniEpochs` does."""
        slot = pool.take()
        model.fill(slot)
        first = bool(run(slot, 1).result())
        model.merge(slot, 0, 1.0)
        pool.release(slot)
        return first

    slot = pool.take()
    model.fill(slot)
    lost = run(slot, 100, wait=True)
    while int(slot.begun.numpy()) == 0:
        time.sleep(0.01)
    # As ClusterCoordinator runs it again when its connection to the worker ends.
    firsts, merged = [bool(run(slot, 1).result())], [element()]
    pool.abandon(slot)
    for _ in range(2):
        firsts.append(train())
        merged.append(element())
    last = pool.take()
    model.fill(last)
    released.touch()
    lost.result()
    # What it pushed is not in the way of whoever has a slot meanwhile.
    run(last, 0).result()
    model.merge(last, 0, 1.0)
    return firsts, [*merged, element()]


@pytest.mark.cluster
@pytest.mark.xdist_group("shared cluster")
class TransferTest(tf.test.TestCase):
    def check_one_push(self, transfer_type, digits):
        weights, result, commit, state, stored = on_shared_cluster(
            push_a_small_difference, transfer_type
        )
        self.assertEqual((result["start"], commit, state.commit), (3, 4, 4))
        # A slot that was merged is filled anew.
        self.assertEqual(result["first"], [True, False, True])
        # What was pushed last stays marked if an earlier attempt is forgotten.
        self.assertEqual(result["unmerged"], [ATTEMPT, 0, ATTEMPT, 0, 0])
        self.assertAllEqual(result["weight"], rounded(weights[0], transfer_type))
        for before, after in zip(weights, state.weights, strict=True):
            # Half of it, as the journal's rule with f = 1 takes the mean.
            self.assertAllClose(
                after - before, 0.5 * DIFFERENCE * np.sign(before), rtol=0.01 + digits, atol=2e-7
            )
        self.assertAllEqual(state.optimizer_state[0], [COUNT] + [0] * (SHARED_WORKERS - 1))
        self.assertAllEqual(state.optimizer_state[1][0], rounded(weights[0], transfer_type))
        return stored

    def test_float32_is_sent_as_it_is(self):
        self.assertEqual(self.check_one_push("float32", digits=0), 207 + 201)

    def test_a_difference_far_below_the_digits_of_bfloat16_arrives(self):
        self.assertEqual(self.check_one_push("bfloat16", digits=2**-8), 207 + 201 + 207)

    def test_a_push_of_a_worker_that_was_given_up_goes_nowhere(self):
        for transfer_type in ("float32", "bfloat16"):
            with self.subTest(transfer_type):
                firsts, merged = on_shared_cluster(push_after_being_given_up, transfer_type)
                self.assertEqual(firsts, [False, True, True])
                # One from the call that was run again, and one from a later one.
                self.assertAllEqual(merged, [0.0, 1.0, 2.0, 2.0])


def counted(rule, workers, total) -> list[float]:
    """The weights after every number of commits, each of which adds one to what it began with."""
    g = [0.0]
    momentum = added = 0.0
    for commit in range(1, total + 1):
        g.append(g[-1] + 1.0)
        added += 1.0
        if isinstance(rule, DelayedNesterov) and commit % workers == 0:
            momentum = 0.5 * momentum + added / workers
            g[-1] += rule.learning_rate * 0.5 * momentum
            added = 0.0
    return g


class HammeredModelTest(tf.test.TestCase):
    def check(self, hammered, workers, rule=count, killed=frozenset()):
        pulls, commits, snapshot_commit, weights, traces = hammered
        total = workers * ROUNDS
        after = counted(rule, workers, total)
        self.assertEqual(sorted(commits), list(range(1, total + 1)))
        self.assertEqual(snapshot_commit, total)
        self.assertLen(weights, VARIABLES)
        for weight in weights:
            self.assertAllClose(weight, np.full_like(weight, after[-1]), rtol=1e-4)
        for pull in pulls:
            # A commit more or less would make a difference of one.
            for found in (pull["smallest"], pull["largest"]):
                self.assertAllClose(found, after[int(pull["commit"])], rtol=1e-4)
        # Those killed may have begun nothing that they could end, nor be back in time.
        self.assertEqual({pull["worker"] for pull in pulls} | killed, set(range(workers)))
        self.assertEqual(traces, 1)


@pytest.mark.cluster
@pytest.mark.xdist_group("shared cluster")
class HammeringTest(HammeredModelTest):
    def test_what_workers_push_at_full_speed_is_merged_once(self):
        self.check(on_shared_cluster(hammer, (), "float32"), SHARED_WORKERS)


@pytest.mark.cluster
class LostWorkersTest(HammeredModelTest):
    def check_with_kills(self, transfer_type, rule=count):
        sizes = dict(workers=3, parameter_servers=2)
        hammered = on_cluster(hammer, (20, 50), transfer_type, rule, **sizes)
        self.check(hammered, workers=3, rule=rule, killed={1, 2})

    @pytest.mark.slow
    def test_workers_killed_at_full_speed_cost_no_update_and_count_none_twice(self):
        self.check_with_kills("float32")

    @pytest.mark.slow
    def test_so_it_is_with_differences(self):
        # Whole numbers below 256 are exact in bfloat16.
        self.check_with_kills("bfloat16")

    @pytest.mark.slow
    def test_so_it_is_with_what_workers_add(self):
        # A commit adds the third part of three times one.
        self.check_with_kills("float32", Delta(3, learning_rate=3.0))

    @pytest.mark.slow
    def test_so_it_is_with_what_a_rule_keeps(self):
        self.check_with_kills("float32", DelayedNesterov(3, learning_rate=3.0))


if __name__ == "__main__":
    tf.test.main()
