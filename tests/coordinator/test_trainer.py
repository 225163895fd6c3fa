"""Whole mini-epochs on a real cluster against a parameter history worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from dbsl_tf.coordinator.merge import MERGE_RULES
from dbsl_tf.planning import Demand, TimeModel, plan_dual_batch
from tests.support.isolation import on_cluster
from tests.support.softmax_regression import batches, logits_and_losses, train_by_hand

MODEL = TimeModel(0.001, 0.004)
MOMENTUM, DECAY, EPOCHS, SAMPLES = 0.9, 0.01, 3, 40
RATES = {0: 0.5, 1: 0.25}  # learning rates of the small and the large worker


def plan(extra_time_ratio: float = 1.1):
    demand = Demand(
        MODEL,
        samples=SAMPLES,
        workers=2,
        small_workers=1,
        large_batch=8,
        rounding="nearest",
    )
    return plan_dual_batch(demand, extra_time_ratio)


def worker_batches(mine) -> list[tuple[np.ndarray, np.ndarray]]:
    """The batches of every mini-epoch of a worker: the first d_i samples, in batches of B_i."""
    ((images, labels),) = batches([SAMPLES])
    starts = range(0, mine.samples, mine.batch)
    stops = [min(start + mine.batch, mine.samples) for start in starts]
    return [(images[i:j], labels[i:j]) for i, j in zip(starts, stops, strict=True)]


def train(engine, merge: str, epochs: int, replan: bool):
    """Train for real; the initial weights, the records and every merged model.

    With `replan` the time model is far off, and the plan for k = 1.3 is the one that fits.
    """
    import tensorflow as tf

    from dbsl_tf.coordinator.closures import evaluation_closure, mini_epoch_closure
    from dbsl_tf.coordinator.evaluator import Evaluator
    from dbsl_tf.coordinator.replanner import Replanner
    from dbsl_tf.coordinator.shared_model import SharedModel
    from dbsl_tf.coordinator.stage import Stage
    from dbsl_tf.coordinator.trainer import Trainer
    from dbsl_tf.data.pipeline import mini_epoch_batches
    from dbsl_tf.planning.drift import DriftWatch
    from dbsl_tf.training.sgd import SGD
    from tests.support.softmax_regression import build_network

    network = build_network()
    initial = network.initial_weights()
    shared = SharedModel(engine, initial, slots=2, merge_rule=MERGE_RULES[merge])
    tests = [tf.constant(part) for part in batches([7], seed=9)[0]]

    def make_stage(plan):
        def dataset_fn():
            worker = engine.worker_index()
            batch = tf.gather([mine.batch for mine in plan.workers], worker)
            samples = tf.gather([mine.samples for mine in plan.workers], worker)
            ((images, labels),) = batches([SAMPLES])
            mini_epoch = tf.data.Dataset.from_tensors(
                (tf.constant(images)[:samples], tf.constant(labels)[:samples])
            )
            return mini_epoch.repeat().rebatch(mini_epoch_batches(batch, samples))

        return Stage(
            plan=plan,
            batches=engine.per_worker_iterator(dataset_fn),
            learning_rates=lambda epoch: [RATES[worker] * 0.5 ** (epoch >= 1) for worker in (0, 1)],
        )

    records, models = [], [initial]

    class Recorder:
        def committed(self, record):
            records.append(record.as_dict())
            shared.take_snapshot()
            models.append(shared.read_snapshot())

        def evaluated(self, record):
            records.append(record.as_dict())

        def drifted(self, record):
            records.append(record.as_dict())

    def test_dataset(start, stop):
        return tf.data.Dataset.from_tensors((tests[0][start:stop], tests[1][start:stop]))

    recorder = Recorder()
    time_models = [TimeModel(1.0, 1.0) if replan else MODEL] * 2
    watch = DriftWatch(time_models, lambda _: plan(1.3))
    Trainer(
        engine=engine,
        shared_model=shared,
        mini_epoch=mini_epoch_closure(shared, network, SGD(momentum=MOMENTUM, weight_decay=DECAY)),
        stage=make_stage(plan()),
        replanner=Replanner(watch, make_stage, replan, [recorder] if replan else []),
        epochs=epochs,
        eval_every=epochs,
        evaluator=Evaluator(engine, shared, evaluation_closure(shared, network, test_dataset), 7),
        observers=[recorder],
        seed=0,
    ).run()
    return records, models


@pytest.mark.cluster
class TrainerTest(tf.test.TestCase):
    def check_history(self, merge: str):
        records, models = on_cluster(train, merge, EPOCHS, False, workers=2)
        commits = [record for record in records if record["event"] == "commit"]
        self.assertEqual([c["commit"] for c in commits], list(range(1, 2 * EPOCHS + 1)))
        g = [models[0]]
        for commit in commits:
            mine = plan().workers[commit["worker"]]
            self.assertEqual((commit["role"], commit["samples"]), (mine.role, mine.samples))
            pulled = g[commit["commit"] - 1 - commit["staleness"]]
            w, loss = train_by_hand(
                pulled, worker_batches(mine), commit["learning_rate"], MOMENTUM, DECAY
            )
            f = mine.update_factor
            if merge == "journal":
                g.append([(old + f * new) / (1 + f) for old, new in zip(g[-1], w)])
            else:
                g.append([((2 - f) * old + f * new) / 2 for old, new in zip(g[-1], w)])
            self.assertAllClose(commit["train_loss"], loss / mine.samples, rtol=1e-4)
            for by_hand, merged in zip(g[-1], models[commit["commit"]], strict=True):
                self.assertAllClose(by_hand, merged, atol=1e-5)
        self.check_learning_rates(commits)
        self.check_evaluation(records, g[-1])

    def check_learning_rates(self, commits):
        """The two mini-epochs of epoch 0 have the full rate, whoever trained them."""
        full = [c for c in commits if c["learning_rate"] == RATES[c["worker"]]]
        halved = [c for c in commits if c["learning_rate"] == RATES[c["worker"]] / 2]
        self.assertEqual((len(full), len(halved)), (2, 2 * EPOCHS - 2))

    def check_evaluation(self, records, weights):
        (evaluation,) = [record for record in records if record["event"] == "evaluation"]
        images, labels = batches([7], seed=9)[0]
        _, logits, _, losses = logits_and_losses(weights, images, labels)
        self.assertEqual(evaluation["commit"], 2 * EPOCHS)
        self.assertEqual(evaluation["samples"], 7)
        self.assertAllClose(evaluation["test_loss"], losses.mean(), rtol=1e-4)
        hits = np.mean(logits.argmax(1) == labels.argmax(1))
        self.assertAllClose(evaluation["test_accuracy"], hits)

    def test_replanning_begins_with_an_epoch_and_keeps_mini_epochs_whole(self):
        epochs = 12
        records, _ = on_cluster(train, "journal", epochs, True, workers=2)
        commits = [record for record in records if record["event"] == "commit"]
        self.assertEqual([c["commit"] for c in commits], list(range(1, 2 * epochs + 1)))
        drifts = [record for record in records if record["event"] == "drift"]
        self.assertTrue(drifts[0]["adopted"])
        self.assertEqual(drifts[0]["commit"] % 2, 0)
        self.assertLess(min(drifts[0]["factors"]), 0.1)
        self.assertEqual(drifts[0]["plan"]["small_batch"], plan(1.3).small_batch)
        first, second = plan().workers, plan(1.3).workers
        shape = lambda share: (share.batch, share.samples, share.steps)  # noqa: E731
        switched = False
        for commit in commits:
            seen = (commit["batch"], commit["samples"], commit["steps"])
            before, after = (shape(p[commit["worker"]]) for p in (first, second))
            self.assertIn(seen, (before, after))
            # At most the one mini-epoch in flight may still belong to the plan before.
            if commit["commit"] > drifts[0]["commit"] + 2:
                self.assertEqual(seen, after)
            switched |= seen == after
        self.assertTrue(switched)

    def test_journal_merge(self):
        self.check_history("journal")

    def test_compsac_merge(self):
        self.check_history("compsac")


if __name__ == "__main__":
    tf.test.main()
