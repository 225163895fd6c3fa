"""Whole mini-epochs on a real cluster against a parameter history worked out by hand."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from dbsl_tf.config import load_config
from dbsl_tf.planning import PlanRequest, TimeModel, plan_dual_batch
from dbsl_tf.resolved import ResolvedRun, settings_of
from dbsl_tf.shared_model.configured import merge_rule
from dbsl_tf.shared_model.merging import Merging
from tests.support.isolation import on_shared_cluster
from tests.support.schedules import constant_schedule
from tests.support.softmax_regression import batches, logits_and_losses, train_by_hand

MODEL = TimeModel(0.001, 0.004)
MOMENTUM, DECAY, SAMPLES = 0.9, 0.01, 40
RESOLUTION, LARGE_BATCH = 8, 8
OUTER = ("delta", "delayed_nesterov")
RATE = 0.5  # learning rate of the large worker, before it is halved after the first epoch


@dataclass(frozen=True)
class Case:
    """What differs between the runs of this module.

    Attributes:
        replan: the shares follow what is observed.
        slow: worker 1 takes several times as long as worker 0.
        merge_seconds: by how much every fill and every merge is slowed down; the worker that has
            been free for longest is then kept busy, so that one whose result is being merged gets
            the next mini-epoch.
        overrides: of the configuration, whose plan k = 1.1 then has.
    """

    merge: str = "average"
    epochs: int = 3
    replan: bool = False
    mode: str = "asp"
    staleness: int | None = None
    keep_momentum: bool = False
    slow: bool = False
    merge_seconds: float = 0.0
    overrides: tuple[str, ...] = ()


def plan(extra_time_ratio: float = 1.1):
    request = PlanRequest(
        MODEL,
        samples=SAMPLES,
        workers=2,
        small_workers=1,
        large_batch=LARGE_BATCH,
        rounding="nearest",
    )
    return plan_dual_batch(request, extra_time_ratio)


def worker_batches(mine) -> list[tuple[np.ndarray, np.ndarray]]:
    """The batches of every mini-epoch of a worker: the first d_i samples, in batches of B_i."""
    ((images, labels),) = batches([2 * SAMPLES])
    starts = range(0, mine.samples, mine.batch)
    stops = [min(start + mine.batch, mine.samples) for start in starts]
    return [(images[i:j], labels[i:j]) for i, j in zip(starts, stops, strict=True)]


RATES = {mine.index: RATE * (mine.batch / LARGE_BATCH) for mine in plan().workers}


def resolved(case: Case) -> ResolvedRun:
    """The run of a case."""
    config = load_config(
        "quickstart.yaml",
        [
            f"data.image_size={RESOLUTION}",
            f"dual_batch.large_batch={LARGE_BATCH}",
            f"dual_batch.replan={str(case.replan).lower()}",
            f"optimizer.base_lr={RATE}",
            "optimizer.lr_scaling=linear",
            f"schedule.epochs={case.epochs}",
            f"schedule.eval_every={case.epochs}",
            "schedule.milestones=[1]",
            "schedule.gamma=0.5",
            f"merge.rule={case.merge}",
            "checkpoint.every=1",
            f"sync.mode={case.mode}",
            f"sync.staleness={'null' if case.staleness is None else case.staleness}",
            f"optimizer.state={'keep' if case.keep_momentum else 'reset'}",
            *case.overrides,
        ],
    )
    settings = settings_of(config, SAMPLES)
    schedule = constant_schedule(plan(), case.epochs, RESOLUTION)
    if case.overrides:
        schedule = settings.schedule({RESOLUTION: [MODEL] * 2})
    return ResolvedRun(settings, {RESOLUTION: [MODEL] * 2}, schedule)


def train(engine, case: Case):
    """Train for real: the records, every merged model from the initial one on, what was saved."""
    import tensorflow as tf

    from dbsl_tf.coordinator.closures import evaluation_closure, mini_epoch_closure
    from dbsl_tf.coordinator.components import Components
    from dbsl_tf.coordinator.evaluator import EvaluatedSplit, Evaluator
    from dbsl_tf.coordinator.trainer import Trainer
    from dbsl_tf.results.checkpoints import Checkpoints
    from dbsl_tf.results.records import TEST
    from dbsl_tf.shared_model.shared_model import SharedModel
    from dbsl_tf.shared_model.stored_model import ModelState
    from dbsl_tf.training.objective import Objective
    from dbsl_tf.training.optimizers import SGD
    from tests.support.softmax_regression import build_network

    network = build_network()
    initial = network.initial_weights()
    records, models = [], [initial]

    @engine.closure
    def wait():
        end = tf.timestamp() + 2 * case.merge_seconds
        tf.while_loop(lambda now: now < end, lambda now: tf.timestamp(), [tf.timestamp()])
        return end

    waiting = []

    class NotedModel(SharedModel):
        """Keeps the weights of every commit."""

        def fill(self, slot):
            before = slot.filled
            commit = super().fill(slot)
            records.append({"event": "fill", "copied": before != commit})
            if case.merge_seconds:
                time.sleep(case.merge_seconds)
                waiting.append(engine.start(wait))
            return commit

        def merge(self, *arguments):
            time.sleep(case.merge_seconds)
            commit = super().merge(*arguments)
            self.note(1)
            return commit

        def merge_round(self, slots, *arguments):
            commit = super().merge_round(slots, *arguments)
            self.note(len(slots))
            return commit

        def note(self, commits):
            self.take_snapshot()
            models.extend(self.read_snapshot() for _ in range(commits))

    class FirstSamples:
        """Batches of the same first samples in every mini-epoch of a worker."""

        def iterator(self, sizes, samples_before):
            ends = tf.constant(np.cumsum([0, *map(len, sizes)]))
            all_sizes = tf.constant(np.concatenate(sizes), tf.int64)

            def dataset_fn():
                worker = engine.worker_index()
                mine = all_sizes[ends[worker] : ends[worker + 1]]
                ((images, labels),) = batches([2 * SAMPLES])
                samples = tf.reduce_sum(mine)
                mini_epoch = tf.data.Dataset.from_tensors(
                    (tf.constant(images)[:samples], tf.constant(labels)[:samples])
                )
                data = mini_epoch.repeat().rebatch(mine)
                if case.slow:
                    data = data.map(
                        lambda x, y: tf.cond(worker == 1, lambda: hesitate(x, y), lambda: (x, y))
                    )
                return data

            return engine.worker_datasets(dataset_fn).iterator()

    def hesitate(images, labels):
        work = tf.random.uniform([700, 700])
        for _ in range(15):
            work = tf.linalg.matmul(work, work) / 700.0
        return images + 0.0 * tf.reduce_mean(work), labels

    class CheckpointsNoted(Checkpoints):
        """Says after which records each was written."""

        def save(self, checkpoint):
            records.append({"event": "checkpoint", "commit": checkpoint.commit})
            return super().save(checkpoint)

    class Recorder:
        def committed(self, record):
            time.sleep(0.02)  # a slow disk: a checkpoint could be faster
            records.append(record.as_dict())

        def evaluated(self, record):
            records.append(record.as_dict())

        def drifted(self, record):
            records.append(record.as_dict())

        def faulted(self, record):
            records.append(record.as_dict())

    tests = [tf.constant(part) for part in batches([7], seed=9)[0]]

    def test_dataset(start, stop):
        return tf.data.Dataset.from_tensors((tests[0][start:stop], tests[1][start:stop]))

    velocity = [np.zeros((2, *weight.shape), np.float32) for weight in initial]
    state = ModelState(0, initial, velocity if case.keep_momentum else [])
    settings = resolved(case).settings
    in_rounds = settings.synchronization.in_rounds
    merging = Merging(merge_rule(settings.merge, 2, in_rounds), in_rounds, trainable=len(initial))
    shared = NotedModel(engine, state, merging, in_rounds=settings.some_in_rounds)
    optimizer = SGD(momentum=MOMENTUM, weight_decay=DECAY)
    objective = Objective()
    evaluation = evaluation_closure(engine, shared.exchange, network, objective, test_dataset)
    mini_epoch = mini_epoch_closure(engine, shared.exchange, network, objective, optimizer)
    components = Components(
        engine=engine,
        shared_model=shared,
        objective=objective,
        mini_epochs={RESOLUTION: mini_epoch},
        evaluator=Evaluator(
            engine, shared, objective, {TEST: EvaluatedSplit({RESOLUTION: evaluation}, 7)}
        ),
        batches={RESOLUTION: FirstSamples()},
    )
    checkpoints = CheckpointsNoted(Path(tempfile.mkdtemp()), keep=1)
    trainer = Trainer(resolved(case), components, checkpoints, observers=[Recorder()])
    trainer.warm_up()
    trainer.run()
    for call in waiting:
        call.result()
    saved = checkpoints.latest(print)
    return records, models, (saved.commit, saved.clocks, saved.samples, saved.weights)


def by_hand(rule: str, g, w, f):
    """A global weight after a merge that depends on nothing else."""
    if rule == "average":
        return (g + f * w) / (1 + f)
    if rule == "interpolate":
        return ((2 - f) * g + f * w) / 2
    return g + np.clip(f * (w - g), -0.01, 0.01)


class OuterByHand:
    """The weights after merges by delta or delayed_nesterov, with two workers."""

    def __init__(self, rule: str, count: int) -> None:
        self.momentum = 0.5 if rule == "delayed_nesterov" else 0.0
        self.m, self.sum = [0.0] * count, [0.0] * count
        mean = np.mean([mine.update_factor for mine in plan().workers])
        self.omega = [mine.update_factor / mean for mine in plan().workers]

    def merge(self, commit, g, pulled, w):
        decay = 0.5 if commit["commit"] == 3 else 1.0  # the first after epoch 1
        changes = [self.omega[commit["worker"]] * (p - new) for p, new in zip(pulled, w)]
        g = [old - change / 2 for old, change in zip(g, changes)]
        self.sum = [before + change for before, change in zip(self.sum, changes)]
        self.m = [decay * m for m in self.m]
        if commit["commit"] % 2 == 0:
            self.m = [self.momentum * m + change / 2 for m, change in zip(self.m, self.sum)]
            g = [old - self.momentum * m for old, m in zip(g, self.m)]
            self.sum = [0.0] * len(g)
        return g


def commits_of(records) -> list[dict]:
    return [record for record in records if record["event"] == "commit"]


def spread(commits) -> int:
    """The most mini-epochs that one worker was ahead of the other."""
    clocks, most = [0, 0], 0
    for commit in commits:
        clocks[commit["worker"]] += 1
        most = max(most, abs(clocks[0] - clocks[1]))
    return most


@pytest.mark.cluster
@pytest.mark.xdist_group("shared cluster")
class TrainerTest(tf.test.TestCase):
    def check_history(self, case: Case):
        records, models, saved = on_shared_cluster(train, case)
        commits = commits_of(records)
        total = 2 * case.epochs
        self.assertEqual([c["commit"] for c in commits], list(range(1, total + 1)))
        g, velocities = [models[0]], [None, None]
        outer = OuterByHand(case.merge, len(models[0])) if case.merge in OUTER else None
        for commit in commits:
            mine = plan().workers[commit["worker"]]
            self.assertEqual((commit["role"], commit["samples"]), (mine.role, mine.samples))
            pulled = g[commit["commit"] - 1 - commit["staleness"]]
            before = velocities[mine.index] if case.keep_momentum else None
            w, velocities[mine.index], loss = train_by_hand(
                pulled,
                worker_batches(mine),
                mine.batch,
                commit["learning_rate"],
                MOMENTUM,
                DECAY,
                before,
            )
            f = mine.update_factor
            if outer is not None:
                g.append(outer.merge(commit, g[-1], pulled, w))
            else:
                g.append([by_hand(case.merge, old, new, f) for old, new in zip(g[-1], w)])
            self.assertAllClose(commit["train_loss"], loss / mine.samples, rtol=1e-4)
            for expected, merged in zip(g[-1], models[commit["commit"]], strict=True):
                self.assertAllClose(expected, merged, atol=1e-5)
        self.check_learning_rates(commits, case.epochs)
        self.check_evaluation(records, total, g[-1])
        self.check_checkpoint(saved, commits, g[-1])
        self.check_no_checkpoint_is_ahead_of_the_records(records)
        return records

    def check_no_checkpoint_is_ahead_of_the_records(self, records):
        written = [n for n, record in enumerate(records) if record["event"] == "checkpoint"]
        self.assertNotEmpty(written)
        for n in written:
            self.assertGreaterEqual(len(commits_of(records[:n])), records[n]["commit"])

    def check_learning_rates(self, commits, epochs):
        """The two mini-epochs of epoch 0 have the full rate, whoever trained them."""
        full = [c for c in commits if c["learning_rate"] == RATES[c["worker"]]]
        halved = [c for c in commits if c["learning_rate"] == RATES[c["worker"]] / 2]
        self.assertEqual((len(full), len(halved)), (2, 2 * epochs - 2))

    def check_evaluation(self, records, total, weights):
        (evaluation,) = [record for record in records if record["event"] == "evaluation"]
        images, labels = batches([7], seed=9)[0]
        _, logits, _, losses = logits_and_losses(weights, images, labels)
        self.assertEqual(evaluation["commit"], total)
        self.assertEqual(evaluation["samples"], 7)
        self.assertAllClose(evaluation["test_loss"], losses.mean(), rtol=1e-4)
        hits = np.mean(logits.argmax(1) == labels.argmax(1))
        self.assertAllClose(evaluation["test_accuracy"], hits)

    def check_checkpoint(self, saved, commits, weights):
        commit, clocks, samples, saved_weights = saved
        self.assertEqual((commit, sum(clocks)), (len(commits), len(commits)))
        for worker in (0, 1):
            mine = [c["samples"] for c in commits if c["worker"] == worker]
            taken = samples[RESOLUTION][worker]
            self.assertEqual((clocks[worker], taken), (len(mine), sum(mine)))
        for expected, stored in zip(weights, saved_weights, strict=True):
            self.assertAllClose(expected, stored, atol=1e-5)

    def test_merge_by_average(self):
        records = self.check_history(Case(merge="average"))
        # A worker goes on with the weights that the merge has left in its slot.
        copied = [record["copied"] for record in records if record["event"] == "fill"]
        self.assertCountEqual(copied, [True] * 2 + [False] * 4)

    def test_merge_by_interpolation(self):
        self.check_history(Case(merge="interpolate"))

    def test_merge_by_a_rule_of_another_module(self):
        self.check_history(Case(merge="tests.support.own_merge_rules:clipped"))

    def test_merge_by_what_a_worker_added(self):
        self.check_history(Case(merge="delta"))

    def test_merge_with_momentum_that_falls_with_the_learning_rate(self):
        self.check_history(Case(merge="delayed_nesterov", epochs=5))

    def test_momentum_that_stays_with_the_worker(self):
        self.check_history(Case(keep_momentum=True, epochs=5))

    def test_momentum_of_a_worker_that_is_free_before_its_result_is_merged(self):
        case = Case(keep_momentum=True, epochs=7, merge_seconds=0.1)
        self.check_history(case)

    def test_bsp_averages_a_mini_epoch_of_every_worker(self):
        case = Case(mode="bsp", keep_momentum=True, epochs=4)
        records, models, saved = on_shared_cluster(train, case)
        commits = commits_of(records)
        self.assertEqual([c["commit"] for c in commits], list(range(1, 9)))
        self.assertEqual([c["worker"] for c in commits], [0, 1] * 4)
        self.assertEqual({c["staleness"] for c in commits}, {0})
        g, velocities = models[0], [None, None]
        for epoch in range(4):
            weights, factors = [], []
            for mine in plan().workers:
                rate = RATES[mine.index] * 0.5 ** (epoch >= 1)
                w, velocities[mine.index], _ = train_by_hand(
                    g,
                    worker_batches(mine),
                    mine.batch,
                    rate,
                    MOMENTUM,
                    DECAY,
                    velocities[mine.index],
                )
                weights.append(w)
                factors.append(mine.update_factor)
            g = [
                sum(f * w[i] for f, w in zip(factors, weights)) / sum(factors)
                for i in range(len(g))
            ]
            for expected, merged in zip(g, models[2 * epoch + 2], strict=True):
                self.assertAllClose(expected, merged, atol=1e-5)
        self.check_checkpoint(saved, commits, g)

    def test_ssp_holds_the_faster_worker(self):
        bound = 1
        free = commits_of(on_shared_cluster(train, Case(epochs=7, slow=True))[0])
        self.assertGreater(spread(free), bound + 1)
        case = Case(epochs=7, slow=True, mode="ssp", staleness=bound)
        held = commits_of(on_shared_cluster(train, case)[0])
        self.assertEqual([c["commit"] for c in held], list(range(1, 15)))
        self.assertIn(spread(held), (bound, bound + 1))

    def test_replanning_begins_with_an_epoch_and_keeps_mini_epochs_whole(self):
        """Worker 1 takes several times as long as planned, and worker 0 what it takes."""
        epochs = 12
        # Else worker 0 would train nearly all of them.
        case = Case(epochs=epochs, replan=True, slow=True, mode="ssp", staleness=2)
        records, _, _ = on_shared_cluster(train, case)
        commits = commits_of(records)
        self.assertEqual([c["commit"] for c in commits], list(range(1, 2 * epochs + 1)))
        drifts = [record for record in records if record["event"] == "drift"]
        self.assertTrue(drifts[0]["adopted"])
        self.assertEqual(drifts[0]["commit"] % 2, 0)
        self.assertGreater(drifts[0]["factors"][1], 1.1 * drifts[0]["factors"][0])
        shape = lambda share: (share["batch"], share["samples"], share["steps"])  # noqa: E731
        plans = [plan().as_dict(), *(drift["plan"] for drift in drifts)]
        shapes = [list(map(shape, each["per_worker"])) for each in plans]
        first, second = shapes[:2]
        # The batches stay, and the slow worker trains less.
        self.assertEqual([s[0] for s in second], [s[0] for s in first])
        self.assertLess(second[1][1], first[1][1])
        late = 0
        for commit in commits:
            worker = commit["worker"]
            self.assertIn(shape(commit), [each[worker] for each in shapes])
            late += commit["commit"] > drifts[0]["commit"] and shape(commit) == first[worker]
        # At most the one mini-epoch in flight may still belong to the plan before.
        self.assertLessEqual(late, 1)
        # The last one may be the one in flight when a plan is adopted late.
        last = commits[-1]
        self.assertIn(shape(last), [each[last["worker"]] for each in shapes[-2:]])


if __name__ == "__main__":
    tf.test.main()
