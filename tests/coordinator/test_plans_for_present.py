"""The plans in force while workers come and go; no cluster."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import pytest

from dbsl_tf.config import load_config
from dbsl_tf.coordinator.active_plans import ActivePlan, ActivePlans
from dbsl_tf.coordinator.plans_for_present import PlansForPresent
from dbsl_tf.planning import DualBatchPlan
from dbsl_tf.resolved import ResolvedRun, resolve, resolve_cautiously
from dbsl_tf.results.records import DriftRecord, WorkersRecord
from tests.support.records import commit_record

CONFIG = Path(__file__).parents[2] / "configs" / "cifar100_hybrid.yaml"
FIXED = ["progressive.mode=off", "time_model.a=0.0005", "time_model.b=0.015"]
LONG = 1e6  # seconds


class TestPlansForPresent:
    """Four workers, of which one is small."""

    @pytest.fixture(autouse=True)
    def _set_up(self):
        self.absent: dict[int, float] = {}
        self.made: list[DualBatchPlan] = []
        self.told: list[WorkersRecord] = []
        self.drifts: list[DriftRecord] = []

    def resolved(self, *overrides: str, split: str = "dual_batch.small_workers=1") -> ResolvedRun:
        return resolve(load_config(CONFIG, [*FIXED, split, *overrides]))

    def plans(self, run: ResolvedRun) -> ActivePlans:
        present = PlansForPresent(run.settings, lambda: self.absent, self.told.append)
        return ActivePlans(run, self.make, self.drifts.append, present)

    def make(self, plan, settings, present: Sequence[int]) -> ActivePlan:
        self.made.append(plan)
        return ActivePlan(settings, plan, present, lambda: {}, iter(()), lambda epoch: [])

    def begin(self, plans: ActivePlans, epoch: int, **options) -> DualBatchPlan:
        return plans.at(epoch, 4 * (epoch - 1), **options).plan

    def test_a_plan_is_made_for_those_present_at_the_next_epoch_and_not_again(self):
        run = self.resolved()
        plans = self.plans(run)
        first = self.begin(plans, 1)
        assert first == run.schedule.plans[32]
        self.absent = {0: LONG}
        # The epoch goes on by its plan.
        assert self.begin(plans, 1) is first
        second = self.begin(plans, 2)
        assert [w.role for w in second.workers] == ["small", "small", "large", "large"]
        assert second.workers[0] == first.workers[0]
        present = second.workers[1:]
        assert sum(w.samples for w in present) == pytest.approx(37_500, abs=3)
        assert self.begin(plans, 3) is second
        assert len(self.made) == 2
        (told,) = self.told
        assert (told.commit, told.epoch, told.present) == (4, 2, (1, 2, 3))
        assert told.problem is None
        assert [w["worker"] for w in told.plan["per_worker"]] == [1, 2, 3]
        assert told.plan["samples"] == 50_000

    def test_merging_goes_by_the_workers_that_a_plan_is_for(self):
        plans = self.plans(self.resolved())
        factors = [worker.update_factor for worker in plans.at(1, 0).plan.workers]
        assert plans.at(1, 0).update_factors == factors
        self.absent = {0: LONG, 2: LONG}
        second = plans.at(2, 4)
        assert second.update_factors == [second.plan.workers[w].update_factor for w in (1, 3)]

    def test_with_all_present_again_the_first_plan_is_in_force_again(self):
        plans = self.plans(self.resolved())
        first = self.begin(plans, 1)
        self.absent = {2: LONG}
        assert self.begin(plans, 2) != first
        self.absent = {}
        assert self.begin(plans, 3) == first
        assert self.begin(plans, 4) == first
        assert len(self.made) == 3
        assert [record.present for record in self.told] == [(0, 1, 3), (0, 1, 2, 3)]
        assert self.told[-1].plan == first.as_dict()

    def test_a_worker_that_is_away_for_less_than_a_mini_epoch_still_counts(self):
        plans = self.plans(self.resolved())
        first = plans.at(1, 0)
        predicted = first.plan.mini_epoch_seconds
        self.absent = {2: 0.9 * predicted}
        assert self.begin(plans, 2) is first.plan
        # What is observed says more than what is predicted.
        record = commit_record(commit=5, worker=1, resolution=32, seconds=10 * predicted)
        plans.observe(record, first)
        self.absent = {2: 9 * predicted}
        assert self.begin(plans, 3) is first.plan
        self.absent = {2: 11 * predicted}
        assert self.begin(plans, 4) is not first.plan
        assert len(self.told) == 1

    def test_a_run_may_begin_with_some_of_them(self):
        self.absent = {1: LONG, 3: LONG}
        plans = self.plans(self.resolved())
        assert [w.role for w in self.begin(plans, 1).workers] == [
            "small", "large", "large", "large",
        ]  # fmt: skip
        assert [record.present for record in self.told] == [(0, 2)]

    def test_where_there_is_no_plan_the_one_before_is_kept_and_it_is_told_once(self):
        # With two small ones of four k may be up to 2, with one of three up to 1.5.
        run = self.resolved("dual_batch.extra_time_ratio=1.7", split="dual_batch.small_workers=2")
        plans = self.plans(run)
        first = self.begin(plans, 1)
        self.absent = {0: LONG}
        assert self.begin(plans, 2) is self.begin(plans, 3) is first
        (told,) = self.told
        assert told.plan is None and told.present == (1, 2, 3)
        assert "dual_batch.extra_time_ratio is 1.7" in told.problem and "\n" not in told.problem
        # Nobody is told of a change that is none.
        self.absent = {}
        made = len(self.made)
        assert self.begin(plans, 4) is first
        assert (len(self.told), len(self.made)) == (1, made)

    def test_nothing_changes_while_nobody_is_there(self):
        plans = self.plans(self.resolved())
        first = self.begin(plans, 1)
        self.absent = dict.fromkeys(range(4), LONG)
        assert self.begin(plans, 2) is first
        assert self.told == []

    def test_every_resolution_has_a_plan_for_those_present(self):
        run = resolve(load_config(CONFIG))
        plans = self.plans(run)
        self.absent = {1: LONG}
        seen = [plans.at(epoch, 4 * (epoch - 1)) for epoch in range(1, 141)]
        assert len({id(active) for active in seen}) == len(self.made) == 2
        for active in seen:
            assert active.plan != run.schedule.plans[active.settings.resolution]
        assert [record.present for record in self.told] == [(0, 2, 3)] * 2

    def test_epochs_that_are_merged_less_often_have_plans_for_those_present_too(self):
        run = self.resolved(
            "schedule.epochs=6", "schedule.milestones=[2]", "schedule.gamma=0.5",
            "schedule.mini_epochs_per_epoch=4", "schedule.merge_interval=quadratic",
            "schedule.final_local_epochs=2",
        )  # fmt: skip
        plans = self.plans(run)
        self.absent = {3: LONG}
        seen = [plans.at(epoch, 0).plan for epoch in range(1, 7)]
        assert [plan.mini_epochs for plan in seen] == [4, 4, 1, 1, Fraction(1, 2), Fraction(1, 2)]
        samples = [sum(w.samples for w in seen[place].workers[:3]) for place in (0, 2, 4)]
        assert samples == pytest.approx([9_375, 37_500, 75_000], abs=4)
        assert len(self.made) == 3

    def observe_slow(self, plans: ActivePlans, active: ActivePlan) -> None:
        for worker in active.plan.workers:
            for _ in range(4):
                seconds = worker.predicted_seconds * (2.0 if worker.index == 1 else 1.0)
                record = commit_record(
                    commit=8, worker=worker.index, resolution=32, samples=worker.samples,
                    steps=worker.steps, loop_seconds=seconds, seconds=seconds,
                )  # fmt: skip
                plans.observe(record, active)

    def test_what_replan_has_made_is_the_plan_of_all_from_then_on(self):
        plans = self.plans(self.resolved("dual_batch.replan=true"))
        self.observe_slow(plans, plans.at(1, 0))
        adopted = self.begin(plans, 2)
        assert self.drifts[0].adopted
        self.absent = {3: LONG}
        without = self.begin(plans, 3, may_replan=False)
        # Batches and speeds are those that were observed.
        assert [w.batch for w in without.workers] == [w.batch for w in adopted.workers]
        assert without.workers[1].samples < 0.6 * without.workers[2].samples
        self.absent = {}
        assert self.begin(plans, 4) == adopted

    def test_nothing_is_concluded_about_speeds_from_a_plan_for_some(self):
        plans = self.plans(self.resolved("dual_batch.replan=true"))
        self.absent = {3: LONG}
        self.observe_slow(plans, plans.at(1, 0))
        self.absent = {}
        self.begin(plans, 2)
        assert self.drifts == []

    def test_a_run_without_a_time_model_keeps_its_batches(self):
        config = load_config(CONFIG, ["dual_batch.replan=false", "dual_batch.small_workers=2"])
        run = resolve_cautiously(config, seconds_per_sample={24: 0.002})
        plans = self.plans(run)
        first = self.begin(plans, 1)
        small, large = first.small_batch, first.large_batch
        self.absent = {0: LONG, 1: LONG}
        second = self.begin(plans, 2)
        assert [w.batch for w in second.workers] == [small, small, small, large]
        assert [w.samples for w in second.workers[2:]] == [12_500, 12_500]
