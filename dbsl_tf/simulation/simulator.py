"""The simulation itself: workers, servers and coordinator as processes of simulated time.

A mini-epoch goes through the steps of a real one (`dbsl_tf.coordinator`):

1. The coordinator hands it out to the worker that has been idle longest; a message of one latency.
2. Pull: a message, and the weights are sent, in competition with the pulls of others. If it begins
   right after a merge, they are those of that commit, which left a copy. Else the servers first
   make one, under the lock that a merge needs too.
3. Training, after a message's latency.
4. Push, in competition with the pushes of others; a message back, another to the coordinator.
5. Merge, one at a time: the coordinator's work, a message, the merge and a copy of the result under
   the lock, a message. With BSP the mini-epochs of a round are merged as one when the last has
   arrived, and so are those of local epochs at the end.

When an epoch is evaluated, or its batch noise is measured, the work is divided into a share for
each worker, and workers that become idle take these before mini-epochs. Rounds begin when all
shares are done; a merge after which there is more such work waits for what there was before.

A worker that fails does so during training. Its death is detected at once, another one restarts
its mini-epoch, and it rejoins after its restart.
"""

from __future__ import annotations

from array import array
from collections import defaultdict, deque
from collections.abc import Callable, Generator, Iterable
from typing import NamedTuple

import numpy as np
from simpy import Environment, Event

from dbsl_tf.schedules.dispatch import DispatchRules
from dbsl_tf.simulation.draws import Draws
from dbsl_tf.simulation.outcome import Outcome, WorkerSeconds
from dbsl_tf.simulation.resources import Lock, SharedLink
from dbsl_tf.simulation.scenario import Scenario
from dbsl_tf.simulation.shared_work import SharedWork

# Commits between two reports of progress.
_REPORT = 1024


class _Result(NamedTuple):
    number: int
    worker: int
    pulled_commit: int
    started: float
    finished: float


def simulate(
    scenario: Scenario,
    report: Callable[[int], None] = lambda commits: None,
    draws: Draws | None = None,
) -> Outcome:
    """Simulates a run.

    Args:
        scenario: what to simulate.
        report: called now and then with the number of commits so far.
        draws: what is drawn; None: by the scenario's distributions.
    """
    if draws is None:
        draws = Draws(scenario.randomness, scenario.workers, scenario.calendar.total)
    simulation = _Simulation(scenario, report, draws)
    simulation.run()
    return simulation.outcome()


class _Simulation:
    def __init__(self, scenario: Scenario, report: Callable[[int], None], draws: Draws) -> None:
        self._scenario = scenario
        self._report = report
        workers, rule = scenario.workers, scenario.synchronization
        self._env = Environment()
        self._rules = DispatchRules(
            scenario.calendar.total, 0, [0] * workers, rule, scenario.local_epochs > 0
        )
        self._idle = IdleWorkers(self._rules, range(workers))
        self._draws = draws
        bandwidths = (scenario.server_bandwidth, scenario.receiver_bandwidth)
        self._pulls = SharedLink(self._env, scenario.shard_bytes, *bandwidths)
        self._pushes = SharedLink(self._env, scenario.shard_bytes, *bandwidths)
        self._lock = Lock(self._env)
        self._locking = scenario.copy_seconds > 0 or scenario.merge_seconds > 0
        self._commit = 0
        # Copies of the weights of this commit that nobody has begun with.
        self._copies = 0
        self._round: list[_Result] = []
        self._held: list[_Result] = []
        self._to_merge: deque[list[_Result]] = deque()
        self._work = SharedWork(self._env, workers)
        self._merging = False
        self._merging_seconds = 0.0
        self._seconds = WorkerSeconds()
        self._failures = 0
        self._numbers, self._workers, self._staleness = array("i"), array("i"), array("i")
        self._started, self._finished, self._merged_at = array("d"), array("d"), array("d")

    def run(self) -> None:
        self._hand_out()
        self._env.run()
        assert self._rules.finished, "simulated workers wait for each other"

    def outcome(self) -> Outcome:
        return Outcome(
            scenario=self._scenario,
            numbers=np.array(self._numbers),
            workers=np.array(self._workers),
            staleness=np.array(self._staleness),
            started=np.array(self._started),
            finished=np.array(self._finished),
            merged_at=np.array(self._merged_at),
            worker_seconds=self._seconds,
            pull_link_seconds=self._pulls.busy_seconds,
            push_link_seconds=self._pushes.busy_seconds,
            lock_seconds=self._lock.busy_seconds,
            merging_seconds=self._merging_seconds,
            failures=self._failures,
        )

    def _hand_out(self) -> None:
        while self._work.waiting and (idle := self._idle.take_any()) is not None:
            self._env.process(self._share(idle, self._work.take(idle)))
        if self._work.busy and self._rules.in_round:
            return
        # Here it is known when absent workers are back.
        while self._rules.present:
            # Fewer are out than may begin, so one of those is idle unless it evaluates.
            if self._work.busy and not self._idle.one_may_begin():
                return
            if (number := self._rules.next()) is None:
                return
            worker = self._idle.take()
            self._env.process(self._mini_epoch(worker, number))

    def _share(self, worker: int, seconds: float) -> Generator[Event]:
        yield self._env.timeout(2 * self._scenario.latency + seconds)
        self._seconds.evaluating += max(0.0, seconds - self._since_the_end())
        self._work.finished()
        self._idle.add(worker)
        self._hand_out()

    def _mini_epoch(self, worker: int, number: int) -> Generator[Event]:
        env, scenario, seconds = self._env, self._scenario, self._seconds
        latency = scenario.latency
        started = env.now + latency
        copied, pulled_commit = self._copies > 0, self._commit
        self._copies -= copied
        if latency:
            yield env.timeout(2 * latency)
        if not copied:
            if self._locking:
                yield self._lock.hold(scenario.copy_seconds)
            pulled_commit = self._commit
        if not self._pulls.free:
            yield self._pulls.transfer()
        training = (
            scenario.seconds_of(number)[worker]
            * self._draws.worker_factors[worker]
            * self._draws.factors[number]
        )
        arrived = env.now + latency
        seconds.pulling += arrived - started
        until_failure = next(self._draws.failures)
        if until_failure < training:
            yield env.timeout(latency + until_failure)
            seconds.lost += until_failure
            self._fail(worker, number)
            return
        yield env.timeout(latency + training)
        seconds.training += training
        if not self._pushes.free:
            yield self._pushes.transfer()
        finished = env.now + latency
        seconds.pushing += finished - arrived - training
        if latency:
            yield env.timeout(2 * latency)
        self._idle.add(worker)
        self._returned(_Result(number, worker, pulled_commit, started, finished))
        if self._work.busy:
            # It may take a share, or what nobody could begin as others have shares.
            self._hand_out()

    def _fail(self, worker: int, number: int) -> None:
        self._failures += 1
        self._rules.leave(worker)
        self._rules.requeue(number)
        self._draws.again(number)
        self._env.process(self._restart(worker))
        self._let_merge()
        self._hand_out()

    def _restart(self, worker: int) -> Generator[Event]:
        restart = next(self._draws.restarts)
        yield self._env.timeout(restart)
        self._seconds.down += restart - self._since_the_end()
        self._rules.rejoin(worker)
        self._idle.add(worker)
        self._hand_out()

    def _since_the_end(self) -> float:
        """Returns how long ago the last merge was; 0 before."""
        finished = len(self._merged_at) == self._scenario.calendar.total
        return self._env.now - self._merged_at[-1] if finished else 0.0

    def _returned(self, result: _Result) -> None:
        if self._rules.returned(result.worker):
            self._enqueue(result)
        else:
            self._held.append(result)
            self._hand_out()
            self._let_merge()

    def _let_merge(self) -> None:
        """Merges results that had to wait and no longer have to."""
        for result in list(self._held):
            if self._rules.release(result.worker):
                self._held.remove(result)
                self._enqueue(result)

    def _enqueue(self, result: _Result) -> None:
        if self._rules.in_round:
            self._round.append(result)
            if len(self._round) < self._scenario.workers:
                self._rules.free_worker()
                self._hand_out()
                return
            self._to_merge.append(self._round)
            self._round = []
        else:
            self._to_merge.append([result])
        if not self._merging:
            self._merging = True
            self._env.process(self._merge_in_turn())

    def _merge_in_turn(self) -> Generator[Event]:
        env, scenario = self._env, self._scenario
        began = env.now
        while self._to_merge:
            results = self._to_merge.popleft()
            before = scenario.commit_seconds * len(results) + scenario.latency
            if before:
                yield env.timeout(before)
            if self._locking:
                seconds = scenario.merge_seconds + scenario.copy_seconds
                yield self._lock.hold(seconds * len(results))
            self._commit += len(results)
            self._copies = 0  # Those left are of an earlier commit.
            commit = self._commit
            if scenario.latency:
                yield env.timeout(scenario.latency)
            self._record(results, commit)
            for merged in range(commit - len(results) + 1, commit + 1):
                if work := scenario.shared_work(merged):
                    if self._work.busy:
                        waiting_since = env.now
                        yield self._work.done
                        began += env.now - waiting_since  # It merges nothing meanwhile.
                    self._work.begin(work)
            self._rules.mark_merged([result.worker for result in results])
            self._rules.free_worker()
            self._let_merge()
            self._copies = len(results)
            self._hand_out()
        self._merging = False
        self._merging_seconds += env.now - began

    def _record(self, results: list[_Result], commit: int) -> None:
        now = self._env.now
        for result in results:
            # All of a round are one update, made from the same weights.
            alone = len(results) == 1 and not self._scenario.synchronization.in_rounds
            self._staleness.append(commit - 1 - result.pulled_commit if alone else 0)
            self._numbers.append(result.number)
            self._workers.append(result.worker)
            self._started.append(result.started)
            self._finished.append(result.finished)
            self._merged_at.append(now)
            if len(self._workers) % _REPORT == 0:
                self._report(len(self._workers))


class IdleWorkers:
    """Idle workers, in the order in which they begin the next mini-epochs.

    Args:
        rules: workers that these do not allow to begin are skipped until they may.
        workers: idle at first.
    """

    def __init__(self, rules: DispatchRules, workers: Iterable[int]) -> None:
        self._rules = rules
        self._ready = deque(workers)
        # By clock, workers that were not allowed to begin.
        self._held: dict[int, list[int]] = defaultdict(list)

    def add(self, worker: int) -> None:
        """Adds a worker that has become idle."""
        self._ready.append(worker)

    def one_may_begin(self) -> bool:
        """Returns whether one of them may begin a mini-epoch."""
        held = any(workers and self._rules.keeps_bound(c) for c, workers in self._held.items())
        return held or any(map(self._rules.allows, self._ready))

    def take_any(self) -> int | None:
        """Returns the worker that has been idle longest, whatever it may begin; None: none is."""
        for clock in sorted(self._held):
            worker = self._held[clock].pop(0)
            if not self._held[clock]:
                del self._held[clock]
            return worker
        return self._ready.popleft() if self._ready else None

    def take(self) -> int:
        """Returns the worker that has been idle longest among those that may begin.

        Raises:
            LookupError: there is none.
        """
        for clock in sorted(self._held):
            if not self._rules.keeps_bound(clock):
                break
            # They have waited longer than the others.
            self._ready.extendleft(reversed(self._held.pop(clock)))
        while self._ready:
            worker = self._ready.popleft()
            if self._rules.allows(worker):
                return worker
            self._held[self._rules.clock(worker)].append(worker)
        raise LookupError("no idle worker may begin")
