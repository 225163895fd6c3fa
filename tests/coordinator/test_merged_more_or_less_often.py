"""Epochs of several mini-epochs and epochs without a merge, against a history by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
import tensorflow as tf

from tests.coordinator.test_trainer import (
    DECAY,
    LARGE_BATCH,
    MOMENTUM,
    RATE,
    RESOLUTION,
    Case,
    by_hand,
    commits_of,
    resolved,
    train,
    worker_batches,
)
from tests.support.isolation import on_shared_cluster
from tests.support.softmax_regression import train_by_hand

# One epoch of two mini-epochs each, then two that are trained in one.
CASE = Case(
    epochs=3,
    overrides=(
        "dual_batch.extra_time_ratio=1.1",
        "schedule.mini_epochs_per_epoch=2",
        "schedule.final_local_epochs=2",
    ),
)


@pytest.mark.cluster
@pytest.mark.xdist_group("shared cluster")
class MergedMoreOrLessOftenTest(tf.test.TestCase):
    def trained(self, mine, g, rate):
        """Weights and mean loss of a worker's mini-epoch from g."""
        batches = worker_batches(mine)
        w, _, loss = train_by_hand(
            g, batches, mine.batch, rate * mine.batch / LARGE_BATCH, MOMENTUM, DECAY, None
        )
        return w, loss / sum(len(images) for images, _ in batches)

    def check_averaged_once(self, commits, models, workers):
        """Both trained from the same weights, at the learning rate of the beginning."""
        start, weights, factors = models[4], [], []
        for commit, mine in zip(commits[4:], workers, strict=True):
            self.assertEqual((commit["worker"], commit["staleness"]), (mine.index, 0))
            self.assertAllClose(commit["learning_rate"], RATE / 2 * mine.batch / LARGE_BATCH)
            w, loss = self.trained(mine, start, RATE / 2)
            self.assertAllClose(commit["train_loss"], loss, rtol=1e-4)
            weights.append(w)
            factors.append(mine.update_factor)
        for place, merged in enumerate(models[6]):
            mean = sum(f * w[place] for f, w in zip(factors, weights)) / sum(factors)
            self.assertAllClose(mean, merged, atol=1e-5)

    def test_two_mini_epochs_an_epoch_and_then_two_epochs_in_one(self):
        records, models, saved = on_shared_cluster(train, CASE)
        commits = commits_of(records)
        self.assertEqual([c["commit"] for c in commits], list(range(1, 7)))
        self.assertEqual([c["epoch"] for c in commits], [1, 1, 1, 1, 3, 3])
        schedule = resolved(CASE).schedule
        often, local = (schedule.at(epoch).plan.workers for epoch in (1, 3))
        for commit in commits:
            mine = (often if commit["commit"] <= 4 else local)[commit["worker"]]
            self.assertEqual((commit["batch"], commit["samples"]), (mine.batch, mine.samples))
        # d / 2 = 20 samples and 2 d = 80.
        self.assertEqual([sum(w.samples for w in part) for part in (often, local)], [20, 80])
        g = models[0]
        pulled = [g]
        for commit in commits[:4]:
            mine = often[commit["worker"]]
            self.assertAllClose(commit["learning_rate"], RATE * mine.batch / LARGE_BATCH)
            start = pulled[commit["commit"] - 1 - commit["staleness"]]
            w, loss = self.trained(mine, start, RATE)
            self.assertAllClose(commit["train_loss"], loss, rtol=1e-4)
            g = [by_hand("average", old, new, mine.update_factor) for old, new in zip(g, w)]
            pulled.append(g)
            for expected, merged in zip(g, models[commit["commit"]], strict=True):
                self.assertAllClose(expected, merged, atol=1e-5)
        self.check_averaged_once(commits, models, local)
        (evaluation,) = [record for record in records if record["event"] == "evaluation"]
        self.assertEqual((evaluation["commit"], evaluation["epoch"]), (6, 3))
        commit, clocks, samples, weights = saved
        self.assertEqual((commit, sum(clocks)), (6, 6))
        taken = [sum(c["samples"] for c in commits if c["worker"] == w) for w in (0, 1)]
        self.assertEqual(list(samples[RESOLUTION]), taken)
        written = [r["commit"] for r in records if r["event"] == "checkpoint"]
        self.assertEqual(written, [0, 4, 6])
        for expected, stored in zip(models[6], weights, strict=True):
            self.assertAllClose(expected, stored, atol=1e-6)

    def test_the_last_merge_is_a_mean_whatever_the_rule(self):
        local = resolved(CASE).schedule.at(3).plan.workers
        for rule, mode in (("delayed_nesterov", "asp"), ("nesterov", "bsp")):
            with self.subTest(rule):
                records, models, _ = on_shared_cluster(train, replace(CASE, merge=rule, mode=mode))
                self.check_averaged_once(commits_of(records), models, local)


if __name__ == "__main__":
    tf.test.main()
