"""The stages of a run whose resolution changes; no cluster."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbsl_tf.config import load_config
from dbsl_tf.coordinator.stages import Stage, Stages, Streams
from dbsl_tf.resolved import resolve
from tests.support.records import commit_record

CONFIG = Path(__file__).parents[2] / "configs" / "cifar100_hybrid.yaml"


class TestStages:
    @pytest.fixture(autouse=True)
    def _set_up(self):
        self.made: list[int] = []

    def stages(self, replan: bool) -> Stages:
        run = resolve(load_config(CONFIG, [f"dual_batch.replan={str(replan).lower()}"]))
        return Stages(run, self.make, lambda record: None)

    def make(self, plan, settings) -> Stage:
        self.made.append(settings.resolution)
        return Stage(settings, plan, lambda: {}, iter(()), lambda epoch: [])

    def test_a_resolution_that_comes_again_has_its_stage_again(self):
        stages = self.stages(replan=False)
        seen = [stages.at(epoch, 4 * (epoch - 1)) for epoch in range(1, 141)]
        assert self.made == [24, 32]
        resolutions = [stage.settings.resolution for stage in seen]
        changes = [one != other for one, other in zip(resolutions, resolutions[1:])]
        assert sum(changes) == 5
        assert len({id(stage) for stage in seen}) == 2

    def test_a_mini_epoch_that_begins_late_has_the_resolution_of_its_epoch(self):
        stages = self.stages(replan=False)
        last_of_24 = next(e for e in range(1, 140) if self.resolution(stages, e + 1) == 32)
        stages = self.stages(replan=False)
        current = stages.at(last_of_24 + 1, 4 * last_of_24)
        late = stages.at(last_of_24, 4 * (last_of_24 - 1))
        assert (current.settings.resolution, late.settings.resolution) == (32, 24)

    def resolution(self, stages: Stages, epoch: int) -> int:
        return stages.at(epoch, 4 * (epoch - 1)).settings.resolution

    def test_another_plan_makes_another_stage_of_its_resolution(self):
        stages = self.stages(replan=True)
        before = stages.at(1, 0)
        for worker in before.plan.workers:
            for _ in range(20):
                slow = 2 * worker.predicted_seconds if worker.index == 0 else None
                seconds = slow or worker.predicted_seconds
                record = commit_record(
                    worker=worker.index, resolution=24, samples=worker.samples,
                    steps=worker.steps, loop_seconds=seconds,
                )  # fmt: skip
                stages.observe(record, before)
        # A mini-epoch of the epoch before that begins late replaces nothing.
        assert stages.at(1, 0) is before
        after = stages.at(2, 4)
        assert after is not before
        assert after.plan.workers[0].samples < before.plan.workers[0].samples
        assert self.made == [24, 24]


class TestStreams:
    def test_every_resolution_has_its_own(self):
        streams = Streams(2, {32: (5, 6)})
        assert (streams.taken(24), streams.taken(32)) == ([0, 0], [5, 6])
        streams.took(24, 1, 7)
        streams.took(32, 0, 10)
        assert streams.samples == {24: (0, 7), 32: (15, 6)}
        assert Streams(2, streams.samples).samples == streams.samples
