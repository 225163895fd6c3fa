"""What scripts/check_simulation.py finds out from a run, with a simulated one in its place."""

from __future__ import annotations

import pytest

from dbsl_tf.schedules.synchronization import Synchronization
from dbsl_tf.simulation.scenario import Randomness, Scenario
from dbsl_tf.simulation.simulator import simulate
from scripts.check_simulation import (
    distance,
    fit,
    real_figures,
    simulated_figures,
)


def commits_of(scenario: Scenario) -> list[dict]:
    """The history of a simulated run."""
    outcome = simulate(scenario)
    return [
        {
            "epoch": index // scenario.workers + 1,
            "worker": int(worker),
            "role": scenario.roles[worker],
            "started": 1e9 + outcome.started[index],
            "seconds": outcome.finished[index] - outcome.started[index],
            "staleness": int(outcome.staleness[index]),
        }
        for index, worker in enumerate(outcome.workers)
    ]


class TestCheckSimulation:
    @pytest.mark.slow
    def test_a_run_is_told_from_every_second_epoch(self):
        for rule in (Synchronization(), Synchronization(in_rounds=True), Synchronization(bound=1)):
            truth = Scenario(
                ("small", "large", "large"),
                (2.0, 2.0, 2.1),
                epochs=200,
                synchronization=rule,
                commit_seconds=0.05,
                randomness=Randomness(variation=0.05, seed=5),
            )
            commits = commits_of(truth)
            fitted = fit(commits, rule, truth.epochs)
            for found, expected in zip(fitted.training_seconds, truth.training_seconds):
                assert abs(found - expected) < 0.05
            assert abs(fitted.randomness.variation - 0.05) < 0.01
            real, simulated = real_figures(commits, 3), simulated_figures(fitted)
            assert abs(simulated.epoch_seconds / real.epoch_seconds - 1) < 0.03
            assert distance(real.staleness, simulated.staleness) < 0.1

    def test_distance(self):
        assert distance({0: 0.5, 1: 0.5}, {1: 0.5, 2: 0.5}) == 0.5
        assert distance({0: 1.0}, {0: 1.0}) == 0
