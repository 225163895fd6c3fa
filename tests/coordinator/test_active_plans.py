"""The plans in force in a run whose resolution changes; no cluster."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbsl_tf.config import load_config
from dbsl_tf.coordinator.active_plans import ActivePlan, ActivePlans, StreamCursors
from dbsl_tf.resolved import resolve
from tests.support.records import commit_record

CONFIG = Path(__file__).parents[2] / "configs" / "cifar100_hybrid.yaml"


class TestActivePlans:
    @pytest.fixture(autouse=True)
    def _set_up(self):
        self.made: list[int] = []

    def plans(self, replan: bool) -> ActivePlans:
        run = resolve(load_config(CONFIG, [f"dual_batch.replan={str(replan).lower()}"]))
        return ActivePlans(run, self.make, lambda record: None)

    def make(self, plan, settings) -> ActivePlan:
        self.made.append(settings.resolution)
        return ActivePlan(settings, plan, lambda: {}, iter(()), lambda epoch: [])

    def test_a_resolution_that_comes_again_has_its_plan_again(self):
        plans = self.plans(replan=False)
        seen = [plans.at(epoch, 4 * (epoch - 1)) for epoch in range(1, 141)]
        assert self.made == [24, 32]
        resolutions = [active.settings.resolution for active in seen]
        changes = [one != other for one, other in zip(resolutions, resolutions[1:])]
        assert sum(changes) == 5
        assert len({id(active) for active in seen}) == 2

    def test_a_mini_epoch_that_begins_late_has_the_resolution_of_its_epoch(self):
        plans = self.plans(replan=False)
        last_of_24 = next(e for e in range(1, 140) if self.resolution(plans, e + 1) == 32)
        plans = self.plans(replan=False)
        current = plans.at(last_of_24 + 1, 4 * last_of_24)
        late = plans.at(last_of_24, 4 * (last_of_24 - 1))
        assert (current.settings.resolution, late.settings.resolution) == (32, 24)

    def resolution(self, plans: ActivePlans, epoch: int) -> int:
        return plans.at(epoch, 4 * (epoch - 1)).settings.resolution

    def test_a_new_plan_replaces_the_one_of_its_resolution(self):
        plans = self.plans(replan=True)
        before = plans.at(1, 0)
        for worker in before.plan.workers:
            for _ in range(20):
                slow = 2 * worker.predicted_seconds if worker.index == 0 else None
                seconds = slow or worker.predicted_seconds
                record = commit_record(
                    worker=worker.index, resolution=24, samples=worker.samples,
                    steps=worker.steps, loop_seconds=seconds,
                )  # fmt: skip
                plans.observe(record, before)
        # A mini-epoch of the epoch before that begins late replaces nothing.
        assert plans.at(1, 0) is before
        after = plans.at(2, 4)
        assert after is not before
        assert after.plan.workers[0].samples < before.plan.workers[0].samples
        assert self.made == [24, 24]


class TestStreamCursors:
    def test_every_resolution_has_its_own(self):
        cursors = StreamCursors(2, {32: (5, 6)})
        assert (cursors.at(24), cursors.at(32)) == ([0, 0], [5, 6])
        cursors.advance(24, 1, 7)
        cursors.advance(32, 0, 10)
        assert cursors.samples == {24: (0, 7), 32: (15, 6)}
        assert StreamCursors(2, cursors.samples).samples == cursors.samples
