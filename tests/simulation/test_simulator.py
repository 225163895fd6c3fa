"""Small runs worked out by hand, and what holds of all runs."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbsl_tf.schedules.calendar import Stretch
from dbsl_tf.schedules.dispatch import DispatchRules
from dbsl_tf.schedules.synchronization import Synchronization
from dbsl_tf.simulation.draws import Draws
from dbsl_tf.simulation.scenario import Randomness, Scenario
from dbsl_tf.simulation.simulator import IdleWorkers, simulate

BSP = Synchronization(in_rounds=True)


def two_workers(*training_seconds: float, epochs: int = 2, **others) -> Scenario:
    return Scenario(("small", "large"), training_seconds, epochs, **others)


class TestByHand:
    def check(self, outcome, merged_at, workers, staleness) -> None:
        np.testing.assert_allclose(outcome.merged_at, merged_at)
        assert outcome.workers.tolist() == workers
        assert outcome.staleness.tolist() == staleness

    def test_asp_lets_everybody_go_on(self):
        outcome = simulate(two_workers(2.0, 3.0))
        self.check(outcome, [2, 3, 4, 6], [0, 1, 0, 1], [0, 1, 1, 1])
        assert outcome.epoch_ends.tolist() == [3, 6]
        assert outcome.epoch_seconds == 3
        assert outcome.staleness_histogram == {0: 1, 1: 3}
        assert outcome.load_imbalance == pytest.approx(2 / 3)
        # 10 of 12 worker seconds: worker 0 has nothing to do from 4 s on.
        assert outcome.worker_shares["training"] == pytest.approx(10 / 12)
        assert outcome.worker_shares["waiting"] == pytest.approx(2 / 12)

    def test_epochs_that_are_merged_more_or_less_often(self):
        # One epoch of two mini-epochs each; then, once all are merged, two epochs in one.
        scenario = Scenario(
            ("small", "large"),
            (1.0, 1.5),
            epochs=3,
            stretches=(Stretch(1, Fraction(2)),),
            local_epochs=2,
            seconds_by_merges={Fraction(1, 2): (4.0, 6.0)},
        )
        for rule in (Synchronization(), Synchronization(bound=1)):
            outcome = simulate(replace(scenario, synchronization=rule))
            self.check(outcome, [1, 1.5, 2, 3, 9, 9], [0, 1, 0, 1, 0, 1], [0, 1, 1, 1, 0, 0])
            assert outcome.epoch_ends.tolist() == [3, 9]
            assert (outcome.epoch_seconds, outcome.as_dict()["commits"]) == (3, 6)
            assert outcome.as_dict()["each_epoch_seconds"] == [3, 6]

    def test_the_way_of_a_mini_epoch(self):
        scenario = Scenario(
            ("large",),
            (1.0,),
            epochs=2,
            model_bytes=10,
            shard_bytes=10,
            server_bandwidth=5,
            latency=0.1,
            copy_seconds=0.3,
            merge_seconds=0.5,
            commit_seconds=0.05,
        )
        outcome = simulate(scenario)
        # Order 0.1; pull: message 0.1, at first copy 0.3, transfer 2, message 0.1; training 1;
        # push: transfer 2, message 0.1; report 0.1; merge: coordinator 0.05, messages 0.2, lock
        # 0.8.
        self.check(outcome, [6.85, 13.4], [0, 0], [0, 0])
        np.testing.assert_allclose(outcome.started, [0.1, 6.95])
        np.testing.assert_allclose(outcome.finished - outcome.started, [5.6, 5.3])
        assert scenario.undisturbed_rate == pytest.approx(1 / 6.55)
        assert outcome.utilisation["server network"] == pytest.approx(4 / 13.4)
        assert outcome.utilisation["merging"] == pytest.approx(2.1 / 13.4)
        assert outcome.bottleneck == "server network"

    def test_one_merge_at_a_time(self):
        outcome = simulate(two_workers(1.0, 1.0, epochs=1, merge_seconds=0.5))
        self.check(outcome, [1.5, 2.0], [0, 1], [0, 1])

    def test_a_merge_leaves_a_copy_to_begin_with(self):
        # Copies 0 to 0.2 and 0.2 to 0.4. A merge from 1.2 to 2.4, with whose weights worker 0 goes
        # on, though the result of worker 1 is there already.
        outcome = simulate(two_workers(1.0, 1.0, copy_seconds=0.2, merge_seconds=1.0))
        self.check(outcome, [2.4, 3.6, 4.8, 6.0], [0, 1, 0, 1], [0, 1, 1, 1])

    def test_a_pull_without_such_a_copy_waits_for_a_merge(self):
        rule = Synchronization(bound=0)
        scenario = two_workers(1.0, 3.0, synchronization=rule, copy_seconds=0.2, merge_seconds=1.0)
        outcome = simulate(scenario)
        # Worker 0 may go on when worker 1 has merged, from 3.4 to 4.6. It begins with the copy
        # which that left, and worker 1 with one that is made until 4.8.
        self.check(outcome, [2.4, 4.6, 6.8, 9.0], [0, 1, 0, 1], [0, 1, 0, 1])

    def test_bsp_merges_a_round_at_once(self):
        outcome = simulate(two_workers(2.0, 3.0, synchronization=BSP, merge_seconds=0.5))
        self.check(outcome, [4, 4, 8, 8], [0, 1, 0, 1], [0, 0, 0, 0])

    def test_ssp_holds_the_fast_one_back(self):
        rule = Synchronization(bound=1)
        outcome = simulate(two_workers(1.0, 10.0, epochs=3, synchronization=rule))
        # Worker 0 has to wait from 2 s on, 2 ahead, and from 11 s on.
        self.check(outcome, [1, 2, 10, 11, 20, 21], [0, 0, 1, 0, 1, 0], [0, 0, 2, 0, 1, 0])

    def test_an_evaluation_is_shared_by_workers_as_they_become_idle(self):
        outcome = simulate(two_workers(2.0, 3.0, evaluation_seconds=(1.5, 1.5)))
        # Worker 1 evaluates from 3 s to 4.5 s, and worker 0, which trains until 4 s, to 5.5 s.
        self.check(outcome, [2, 3, 4, 7.5], [0, 1, 0, 1], [0, 1, 1, 0])
        # Not that of the last epoch, which is over.
        assert outcome.worker_shares["evaluating"] == pytest.approx(3 / 15)

    def test_a_round_begins_when_the_evaluation_and_the_noise_of_the_one_before_are_known(self):
        work = {"evaluation_seconds": (1.5, 1.5), "noise_seconds": (0.25, 0.5)}
        outcome = simulate(two_workers(2.0, 3.0, epochs=3, synchronization=BSP, **work))
        self.check(outcome, [3, 3, 8, 8, 13, 13], [0, 1] * 3, [0] * 6)
        seldom = two_workers(2.0, 3.0, epochs=3, synchronization=BSP, eval_every=2, **work)
        self.check(simulate(seldom), [3, 3, 6.5, 6.5, 11.5, 11.5], [0, 1] * 3, [0] * 6)

    def test_a_merge_waits_where_the_evaluation_before_is_not_over(self):
        outcome = simulate(
            two_workers(1.0, 1.5, epochs=3, evaluation_seconds=(1.25, 5.0), synchronization=BSP)
        )
        self.check(outcome, [1.5, 1.5, 8, 8, 14.5, 14.5], [0, 1] * 3, [0] * 6)
        outcome = simulate(two_workers(1.0, 1.0, epochs=3, evaluation_seconds=(7.25, 5.0)))
        # Worker 1 evaluates from 1 s to 6 s, and worker 0, once it has trained again, from 2 s to
        # 9.25 s. Commit 4 of 7 s is to be evaluated too, so what worker 1 trains from then to 8 s
        # is merged at 9.25 s. Then it evaluates until 14.25 s.
        self.check(outcome, [1, 1, 2, 7, 9.25, 15.25], [0, 1, 0, 1, 1, 1], [0, 1, 1, 0, 0, 0])
        # To wait is not to merge.
        assert outcome.utilisation["merging"] == 0

    def test_a_failed_worker_s_mini_epoch_is_trained_by_another(self):
        scenario = two_workers(2.0, 3.0)
        draws = Draws(Randomness(), 2, 4)
        draws.failures = iter([1.0] + [math.inf] * 9)
        draws.restarts = iter([4.0])
        outcome = simulate(scenario, draws=draws)
        # Worker 0 is away from 1 s to 5 s; worker 1 takes mini-epoch 0 up at 3 s.
        self.check(outcome, [3, 6, 7, 9], [1, 1, 0, 1], [0, 0, 1, 1])
        assert outcome.numbers.tolist() == [1, 0, 2, 3]
        assert outcome.failures == 1
        assert outcome.worker_shares["down"] == pytest.approx(4 / 18)
        assert outcome.worker_shares["lost"] == pytest.approx(1 / 18)

    def test_a_round_goes_on_without_a_failed_worker(self):
        scenario = two_workers(2.0, 3.0, epochs=1, synchronization=BSP)
        draws = Draws(Randomness(), 2, 2)
        draws.failures = iter([1.0, math.inf, math.inf])
        draws.restarts = iter([100.0])
        outcome = simulate(scenario, draws=draws)
        self.check(outcome, [6, 6], [1, 1], [0, 0])
        # Only until the run is over.
        assert outcome.worker_shares["down"] == pytest.approx(5 / 12)

    def test_stragglers_are_drawn_with_their_mean(self):
        for distribution in ("constant", "exponential", "pareto"):
            randomness = Randomness(
                variation=0.2,
                straggler_probability=0.5,
                straggler_slowdown=3.0,
                straggler_distribution=distribution,
            )
            factors = np.array(Draws(randomness, 1, 100_000).factors)
            assert abs(factors.mean() - 2.0) < 0.05
            assert factors.min() > 0


_work = st.sampled_from([0.0, 0.1, 30.0])
SCENARIOS = st.builds(
    lambda seconds, epochs, rule, network, randomness: Scenario(
        tuple("small" if i % 2 else "large" for i in range(len(seconds))),
        tuple(seconds),
        epochs,
        rule,
        model_bytes=1e6,
        shard_bytes=5e5,
        **network,
        randomness=randomness,
    ),
    st.lists(st.floats(0.01, 10), min_size=1, max_size=8),
    st.integers(1, 6),
    st.sampled_from([Synchronization(), BSP, Synchronization(bound=1), Synchronization(bound=3)]),
    st.fixed_dictionaries(
        {
            "server_bandwidth": st.sampled_from([1e5, 1e6, 1e8, math.inf]),
            "worker_bandwidth": st.sampled_from([1e6, math.inf]),
            "latency": st.sampled_from([0.0, 1e-3, 0.1]),
            "copy_seconds": st.sampled_from([0.0, 0.05]),
            "merge_seconds": st.sampled_from([0.0, 0.02, 1.0]),
            "commit_seconds": st.sampled_from([0.0, 0.001]),
        }
    ),
    st.builds(
        Randomness,
        variation=st.sampled_from([0.0, 0.3]),
        straggler_probability=st.sampled_from([0.0, 0.3]),
        straggler_slowdown=st.just(4.0),
        failures_per_second=st.sampled_from([0.0, 0.02, 0.1]),
        restart_seconds=st.sampled_from([0.0, 1.0, 50.0]),
        seed=st.integers(0, 99),
    ),
)


class TestAlways:
    @settings(max_examples=150)
    @given(SCENARIOS, st.integers(1, 3), st.integers(0, 2), _work, _work, st.integers(1, 3))
    def test_every_mini_epoch_is_merged_once(
        self, scenario, often, local, evaluation, noise, eval_every
    ):
        local = min(local, scenario.epochs)
        merged = scenario.epochs - local
        scenario = replace(
            scenario,
            stretches=(Stretch(merged, Fraction(often)),) if merged else (),
            local_epochs=local,
            eval_every=eval_every,
            evaluation_seconds=(evaluation,) * scenario.workers if evaluation else (),
            noise_seconds=(noise,) * scenario.workers if noise else (),
        )
        outcome = simulate(scenario)
        scenario = outcome.scenario
        if local:
            # The last ones begin once all others are merged, and end as one.
            before, last = np.split(outcome.merged_at, [-scenario.workers])
            assert len(set(last.tolist())) == 1
            assert (outcome.started[-scenario.workers :] >= max(before, default=0.0)).all()
        total = scenario.calendar.total
        assert sorted(outcome.numbers.tolist()) == list(range(total))
        assert (np.diff(outcome.merged_at) >= 0).all()
        assert (outcome.staleness >= 0).all()
        assert (outcome.finished <= outcome.merged_at).all()
        assert max(outcome.utilisation.values()) <= 1 + 1e-6
        assert sum(outcome.worker_shares.values()) == pytest.approx(1)

    @settings(max_examples=100)
    @given(SCENARIOS)
    def test_never_faster_than_the_workers_compute(self, scenario):
        scenario = replace(scenario, randomness=Randomness())
        outcome = simulate(scenario)
        total = scenario.epochs * scenario.workers
        rate = sum(1 / seconds for seconds in scenario.training_seconds)
        assert outcome.seconds * (1 + 1e-9) >= total / rate
        if scenario.synchronization.in_rounds:
            slowest = scenario.epochs * max(scenario.training_seconds)
            assert outcome.seconds * (1 + 1e-9) >= slowest

    @settings(max_examples=100)
    @given(SCENARIOS, st.floats(1, 100))
    def test_more_bandwidth_is_never_slower(self, scenario, times):
        # Of equal workers: with others, who takes up the last mini-epoch can turn it round.
        workers = scenario.workers
        equal = replace(
            scenario,
            training_seconds=scenario.training_seconds[:1] * workers,
            server_bandwidth=min(scenario.server_bandwidth, 1e9),
            randomness=Randomness(),
        )
        faster = replace(equal, server_bandwidth=equal.server_bandwidth * times)
        assert simulate(faster).seconds <= simulate(equal).seconds * (1 + 1e-9)

    @settings(max_examples=60)
    @given(SCENARIOS, st.integers(0, 3))
    def test_ssp_keeps_its_bound(self, scenario, bound):
        rule = Synchronization.of("ssp", bound)
        scenario = replace(scenario, synchronization=rule, randomness=Randomness())
        clocks = np.zeros(scenario.workers)
        for worker in simulate(scenario).workers:
            clocks[worker] += 1
            assert clocks[worker] - clocks.min() <= bound + 1

    @settings(max_examples=30)
    @given(SCENARIOS)
    def test_the_same_seed_gives_the_same_run(self, scenario):
        assert simulate(scenario).as_dict() == simulate(scenario).as_dict()


class TestIdleWorkers:
    def test_of_the_idle_the_one_that_waits_for_longest_begins(self):
        rules = DispatchRules(9, 0, [0] * 3, Synchronization(bound=0))
        idle = IdleWorkers(rules, [2, 0])
        rules.mark_merged([2])  # 1 ahead of the others
        assert idle.take() == 0
        with pytest.raises(LookupError):
            idle.take()
        idle.add(0)
        rules.mark_merged([0, 1])
        assert [idle.take(), idle.take()] == [2, 0]

    def test_of_a_round_each_takes_up_one(self):
        rules = DispatchRules(4, 0, [0] * 2, Synchronization(in_rounds=True))
        idle = IdleWorkers(rules, [0, 1])
        rules.next(), rules.next()
        assert idle.take() == 0
        rules.returned(0)
        idle.add(0)
        assert idle.take() == 1
        with pytest.raises(LookupError):
            idle.take()
        rules.mark_merged([0, 1])
        assert idle.take() == 0
