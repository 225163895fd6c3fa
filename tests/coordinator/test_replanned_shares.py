"""Workers that share an epoch, with shares that are replaced while they train, on a real cluster.

Each sample has a weight of its own, which says how often it was trained and merged.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
import tensorflow as tf

from dbsl_tf.planning import TimeModel
from dbsl_tf.reporting.coverage import coverage
from tests.support.counted_samples import CONFIGURATION, SAMPLES, expected_counts, negative_sum
from tests.support.isolation import on_shared_cluster

# By this the small worker is five times as fast as the large one, and gets most of the samples. In
# truth what counts is how many steps there are, which is the same for both.
MODELS = (TimeModel(0.0002, 0.002), TimeModel(0.001, 0.01))
# Trained by the new shares, before the run is ended.
COMMITS_AFTER = 8


def slow_loss(y, prediction):
    """That of the counted samples, after work that takes a step longer than anything else does."""
    work = tf.random.uniform([500, 500])
    for _ in range(5):
        work = tf.linalg.matmul(work, work) / 500.0
    return negative_sum(y, prediction) + 0.0 * tf.reduce_mean(work)


def resolved(folder: Path):
    """A run that would not end, whose plan rests on `MODELS` and follows what is observed."""
    from dbsl_tf.config import load_config
    from dbsl_tf.resolved import resolve, settings_of

    file = folder / "counted.yaml"
    file.write_text(CONFIGURATION.replace("ISOLATION", "off"))
    endless = ["schedule.epochs=100000", "schedule.eval_every=100000", "checkpoint.every=100000"]
    loss = f"training.loss={__name__}:{slow_loss.__name__}"
    config = load_config(file, ["dual_batch.replan=true", loss, *endless])
    resolution = settings_of(config, SAMPLES).highest.resolution
    return config, resolve(config, SAMPLES, kept={resolution: MODELS})


def train_until_replanned(engine):
    """Train until new shares have been in force for a while.

    Returns:
        The samples of each worker by the first plan, the records, and the weights.
    """
    from dbsl_tf.cluster.connecting import ReadyCluster
    from dbsl_tf.coordinator.components import build_components
    from dbsl_tf.coordinator.trainer import Trainer
    from dbsl_tf.data.configured import training_data
    from dbsl_tf.results.checkpoints import Checkpoints

    records = []

    class Ending:
        """Keeps the records, and ends the run."""

        def committed(self, record):
            records.append(record.as_dict())
            adopted = [each["commit"] for each in records if each["event"] == "drift"]
            if adopted and record.commit >= adopted[0] + COMMITS_AFTER:
                trainer.stop_early()

        def drifted(self, record):
            records.append(record.as_dict())

        def evaluated(self, record):
            pass

        def faulted(self, record):
            records.append(record.as_dict())

    with tempfile.TemporaryDirectory() as folder:
        config, run = resolved(Path(folder))
        data = training_data(config.data, Path(folder))
        cluster = ReadyCluster(None, threads_per_worker=1)
        components = build_components(run.settings, data, cluster, engine=engine)
        checkpoints = Checkpoints(Path(folder) / "checkpoints", keep=1)
        trainer = Trainer(run, components, checkpoints, observers=[Ending()])
        trainer.warm_up()
        trainer.run()
        (plan,) = run.schedule.plans.values()
        first = [worker.samples for worker in plan.workers]
        return first, records, checkpoints.latest(print).weights[0][:, 0]


@pytest.mark.cluster
@pytest.mark.xdist_group("shared cluster")
class ReplannedSharesTest(tf.test.TestCase):
    def test_every_sample_is_trained_once_where_new_shares_are_adopted(self):
        first, records, weights = on_shared_cluster(train_until_replanned)
        commits = [record for record in records if record["event"] == "commit"]
        drift = next(record for record in records if record["event"] == "drift")
        self.assertEqual([c["commit"] for c in commits], list(range(1, len(commits) + 1)))
        self.assertEqual([r for r in records if r["event"] == "fault"], [])

        # Other shares were adopted, and trained.
        self.assertTrue(drift["adopted"])
        second = [worker["samples"] for worker in drift["plan"]["per_worker"]]
        self.assertGreater(abs(second[0] - first[0]), 1)
        after = {(c["worker"], c["samples"]) for c in commits if c["commit"] > drift["commit"] + 2}
        # By at most one sample another one, as those of both workers are rounded.
        planned = {(w, second[w] + more) for w in (0, 1) for more in (-1, 0, 1)}
        self.assertNotEmpty(after & planned)

        # The shares of merged mini-epochs are whole epochs, and so are the weights.
        shares = [(commit["first_sample"], commit["samples"]) for commit in commits]
        epochs = coverage(shares, SAMPLES)
        complete = len(commits) // 2 - 1
        self.assertGreater(complete, drift["commit"] // 2)
        for epoch in epochs[:complete]:
            self.assertEqual((epoch.seen, epoch.doubled), (SAMPLES, 0))
        self.assertEqual([epoch.doubled for epoch in epochs], [0] * len(epochs))
        self.assertAllEqual(weights, expected_counts(commits))
        self.assertGreaterEqual(weights.min(), complete)


if __name__ == "__main__":
    tf.test.main()
