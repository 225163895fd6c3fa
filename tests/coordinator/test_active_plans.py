"""The plans in force in a run whose resolution changes; no cluster."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import pytest

from dbsl_tf.config import load_config
from dbsl_tf.coordinator.active_plans import ActivePlan, ActivePlans, StreamCursors
from dbsl_tf.resolved import resolve, resolve_cautiously
from dbsl_tf.results.records import DriftRecord
from tests.support.records import commit_record

CONFIG = Path(__file__).parents[2] / "configs" / "cifar100_hybrid.yaml"


class TestActivePlans:
    @pytest.fixture(autouse=True)
    def _set_up(self):
        self.made: list[int] = []
        self.told: list[DriftRecord] = []

    def plans(self, replan: bool) -> ActivePlans:
        run = resolve(load_config(CONFIG, [f"dual_batch.replan={str(replan).lower()}"]))
        return ActivePlans(run, self.make, self.told.append)

    def make(self, plan, settings, present: Sequence[int]) -> ActivePlan:
        self.made.append(settings.resolution)
        return ActivePlan(settings, plan, present, lambda: {}, iter(()), lambda epoch: [])

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

    def observe(self, plans: ActivePlans, active: ActivePlan, slow: float, times: int = 4) -> None:
        """Mini-epochs of all workers, of which worker 0 takes `slow` times as long as planned."""
        for worker in active.plan.workers:
            for _ in range(times):
                seconds = worker.predicted_seconds * (slow if worker.index == 0 else 1.0)
                record = commit_record(
                    commit=8, worker=worker.index, resolution=24, samples=worker.samples,
                    steps=worker.steps, loop_seconds=seconds,
                )  # fmt: skip
                plans.observe(record, active)

    def test_a_new_plan_replaces_the_one_of_its_resolution(self):
        plans = self.plans(replan=True)
        before = plans.at(1, 0)
        assert plans.batches == {}
        self.observe(plans, before, slow=2.0)
        # A mini-epoch of the epoch before that begins late replaces nothing.
        assert plans.at(1, 0) is before
        after = plans.at(2, 4)
        assert after is not before
        assert after.plan.workers[0].samples < before.plan.workers[0].samples
        assert self.made == [24, 24]
        (told,) = self.told
        assert told.adopted and told.plan == after.plan.as_dict()
        # What a checkpoint stores of it leads to the same plan again.
        config = load_config(CONFIG)
        run = resolve(config, kept=plans.time_models, batches=plans.batches)
        assert run.schedule.plans[24] == after.plan
        assert run.schedule.plans[32] == resolve(config).schedule.plans[32]

    def test_a_run_without_a_time_model_follows_what_it_observes(self):
        config = load_config(CONFIG, ["dual_batch.replan=false"])
        run = resolve_cautiously(config, seconds_per_sample={24: 0.002})
        plans = ActivePlans(run, self.make, self.told.append)
        before = plans.at(1, 0)
        assert {worker.samples for worker in before.plan.workers} == {12_500}
        assert plans.batches == run.batches
        self.observe(plans, before, slow=2.0)
        after = plans.at(2, 4)
        assert after.plan.workers[0].samples < 0.6 * after.plan.workers[1].samples
        assert [w.batch for w in after.plan.workers] == [w.batch for w in before.plan.workers]
        # So does the run that goes on from its checkpoint.
        again = resolve_cautiously(config, kept=plans.time_models, batches=plans.batches)
        assert again.schedule.plans[24] == after.plan
        assert again.provisional

    def merging_less(self, *overrides: str) -> ActivePlans:
        """Two epochs of four mini-epochs each, then two of one, then two in one."""
        config = load_config(
            CONFIG,
            [
                "progressive.mode=off",
                "time_model.a=0.0005",
                "time_model.b=0.015",
                "schedule.epochs=6",
                "schedule.milestones=[2]",
                "schedule.gamma=0.5",
                "schedule.mini_epochs_per_epoch=4",
                "schedule.merge_interval=quadratic",
                "schedule.final_local_epochs=2",
                *overrides,
            ],
        )
        return ActivePlans(resolve(config), self.make, self.told.append)

    def test_epochs_that_are_merged_less_often_have_longer_mini_epochs(self):
        plans = self.merging_less()
        seen = [plans.at(epoch, 0) for epoch in range(1, 7)]
        assert [active.plan.mini_epochs for active in seen] == [4, 4, 1, 1, Fraction(1, 2)] + [
            Fraction(1, 2)
        ]
        assert len({id(active) for active in seen}) == len(self.made) == 3
        samples = [sum(w.samples for w in seen[place].plan.workers) for place in (0, 2, 4)]
        assert samples == pytest.approx([12_500, 50_000, 100_000], abs=4)
        # One of the epoch before that is handed out late.
        assert plans.at(4, 0) is seen[3]
        assert len(self.made) == 3

    def test_a_new_plan_holds_for_mini_epochs_of_other_lengths_too(self):
        plans = self.merging_less("dual_batch.replan=true")
        before = plans.at(1, 0)
        for worker in before.plan.workers:
            for _ in range(5):
                seconds = worker.predicted_seconds * (2.0 if worker.index == 0 else 1.0)
                record = commit_record(
                    worker=worker.index, resolution=32, samples=worker.samples,
                    steps=worker.steps, loop_seconds=seconds,
                )  # fmt: skip
                plans.observe(record, before)
        after, longer = plans.at(2, 16), plans.at(3, 32)
        assert (after.plan.mini_epochs, longer.plan.mini_epochs) == (4, 1)
        assert after.plan.workers[0].samples < 0.7 * before.plan.workers[0].samples
        for one, other in zip(after.plan.workers, longer.plan.workers):
            assert other.batch == one.batch
            assert other.samples == pytest.approx(4 * one.samples, abs=4 * one.batch)

    def test_workers_that_are_all_slow_alike_keep_their_plan(self):
        plans = self.plans(replan=True)
        before = plans.at(1, 0)
        for worker in before.plan.workers:
            for _ in range(6):
                record = commit_record(
                    worker=worker.index, resolution=24, samples=worker.samples,
                    steps=worker.steps, loop_seconds=4.6 * worker.predicted_seconds,
                )  # fmt: skip
                plans.observe(record, before)
        assert plans.at(2, 4) is before
        assert self.told == []

    def test_a_plan_that_stays_is_told_of_and_so_is_its_fitting_again(self):
        plans = self.plans(replan=False)
        active = plans.at(1, 0)
        self.observe(plans, active, slow=2.0)
        self.observe(plans, active, slow=2.0)
        (drift,) = self.told
        assert not drift.adopted and not drift.fits
        assert drift.factors == pytest.approx((2.0, 1.0, 1.0, 1.0))
        assert drift.plan["per_worker"][0]["samples"] < active.plan.workers[0].samples
        self.observe(plans, active, slow=1.0, times=8)
        assert len(self.told) == 2
        assert self.told[1].fits and self.told[1].plan is None
        assert plans.at(2, 4) is active


class TestStreamCursors:
    def test_every_resolution_has_its_own(self):
        cursors = StreamCursors(2, {32: (5, 6)})
        assert (cursors.at(24), cursors.at(32)) == ([0, 0], [5, 6])
        cursors.advance(24, 1, 7)
        cursors.advance(32, 0, 10)
        assert cursors.samples == {24: (0, 7), 32: (15, 6)}
        assert StreamCursors(2, cursors.samples).samples == cursors.samples
