"""The life of a mini-epoch: it is handed out, some worker trains it, and it is merged.

What the worker does is in `closures.py`. Whatever happens to workers, every mini-epoch is merged
exactly once: one that fails goes back to the dispatcher.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence

from dbsl_tf.common.patience import UsualTimes
from dbsl_tf.coordinator.active_plans import ActivePlan, ActivePlans, StreamCursors
from dbsl_tf.coordinator.checkpointer import Progress
from dbsl_tf.coordinator.closures import Assignments, MiniEpochResult, WorkerShares
from dbsl_tf.coordinator.components import Components
from dbsl_tf.coordinator.dispatcher import Dispatcher
from dbsl_tf.coordinator.evaluator import Evaluations, diverged
from dbsl_tf.coordinator.given_shares import GivenShares, WorkerChoice
from dbsl_tf.coordinator.merges import Merges
from dbsl_tf.coordinator.mini_epoch import (
    Begun,
    CompletedMiniEpoch,
    MiniEpoch,
    closure_arguments,
)
from dbsl_tf.coordinator.plans_for_present import PlansForPresent
from dbsl_tf.coordinator.supervision import Supervision
from dbsl_tf.engine.engine import WorkerHung
from dbsl_tf.planning import DualBatchPlan
from dbsl_tf.resolved import ResolvedRun
from dbsl_tf.results.checkpoints import Checkpoint
from dbsl_tf.results.records import CommitRecord, FaultRecord
from dbsl_tf.schedules.epoch_shares import EpochShare, EpochShares, SharesTaken
from dbsl_tf.schedules.progressive import ResolutionSettings
from dbsl_tf.shared_model.slot_pool import SlotPool
from dbsl_tf.shared_model.stored_model import Slot

# A mini-epoch whose result is not finite is trained once more from fresh weights.
_TRIES = 2
_SEEDS = 2**63  # sent as int64
# Seconds before a mini-epoch is handed out again that reached a worker not allowed to begin.
_PAUSE = 0.005


class MiniEpochs:
    """Hands out and merges all mini-epochs of a run. Thread-safe.

    Args:
        run: whose mini-epochs they are.
        components: what trains them.
        checkpoint: where to resume; None: at the beginning.
        supervision: of the training.
        evaluations: of the global weights; rounds wait for them, as they occupy workers.
        committed: called with the record of each commit (of a round, that of the last), while
            nothing else is merged.

    Attributes:
        ordering: lock held by whatever happens in the order of commits.
        learning_rate_factor: of the learning rates of mini-epochs that have not begun.
    """

    def __init__(
        self,
        run: ResolvedRun,
        components: Components,
        checkpoint: Checkpoint | None,
        supervision: Supervision,
        evaluations: Evaluations,
        committed: Callable[[CommitRecord], None],
    ) -> None:
        settings, engine = run.settings, components.engine
        workers = engine.workers
        merged = checkpoint.commit if checkpoint else 0
        self.ordering = threading.Lock()
        self.learning_rate_factor = 1.0
        self._settings = settings
        self._calendar = settings.calendar
        self._components = components
        self._engine = engine
        self._records, self._stalls = supervision.records, supervision.stalls
        self._shutdown = supervision.shutdown
        self._evaluations = evaluations
        self._committed = committed
        self._slots = SlotPool(components.shared_model, workers)
        self._cursors = StreamCursors(workers, checkpoint.samples if checkpoint else {})
        self._shares: GivenShares | None = None
        if settings.data.sharing == "disjoint":
            taken = checkpoint.shares if checkpoint else None
            self._shares = GivenShares(
                EpochShares(settings.samples, self._calendar, taken or SharesTaken()),
                WorkerChoice(engine.membership),
            )
        membership = engine.membership
        for_present = None
        if settings.cluster.elastic:
            for_present = PlansForPresent(
                settings, lambda: membership.absent_seconds, self._records.planned_for_present
            )
        self._plans = ActivePlans(run, self._activate, self._records.drifted, for_present)
        self._dispatcher = Dispatcher(
            total=self._calendar.total,
            merged=merged,
            clocks=checkpoint.clocks if checkpoint else [0] * workers,
            synchronization=settings.synchronization,
            membership=engine.membership,
            ends_in_round=self._calendar.local_epochs > 0,
            round_end=self._calendar.end_of_round if settings.cluster.elastic else None,
        )
        self._shutdown.subscribe(self._dispatcher.stop)
        # The plan of one resolution may fit this machine, and that of another not.
        self._times = {
            resolution: UsualTimes(engine.limits, settings.cluster.worker_timeout, ratio=1.0)
            for resolution in settings.by_resolution
        }
        self._rejected: Counter[int] = Counter()
        self._waiting_for_hung: set[threading.Thread] = set()
        self._merges = Merges(settings, components, self._dispatcher)

    @property
    def merged(self) -> int:
        """Number of mini-epochs merged so far."""
        return self._dispatcher.merged

    @property
    def finished(self) -> bool:
        """Whether all are merged, and what follows the last commit has begun."""
        return self._dispatcher.finished and not self.ordering.locked()

    def stop_early(self) -> None:
        """Hands out no more; those in flight are still merged."""
        self._dispatcher.stop()

    def will_merge_nothing_more(self, threads: Sequence[threading.Thread]) -> bool:
        """Whether nothing more comes, after `stop_early`, of the threads that run `train`."""
        return all(not t.is_alive() or t in self._waiting_for_hung for t in threads)

    @property
    def progress(self) -> Progress:
        """What a checkpoint stores of them; to be read while `ordering` is held."""
        plans = self._plans
        return Progress(
            self._dispatcher.clocks,
            self._cursors.samples,
            plans.time_models,
            plans.batches,
            self._shares.taken if self._shares else None,
        )

    def load(self) -> None:
        """Makes every worker load the closures of all mini-epochs to come; nothing is trained.

        TensorFlow sends each worker a closure that it has not seen, and until all have it, no
        thread of this process runs: if a worker hung when a resolution begins, all would stop.
        """
        epoch = min(self._calendar.epoch_at(self.merged), self._calendar.epochs)
        now = self._plans.at(epoch, self.merged)
        later = self._plans.of_other_resolutions(epoch)
        workers = self._engine.workers
        slots = [self._slots.take() for _ in range(workers)]
        self._components.shared_model.warm_up(slots)
        for slot in slots:
            self._slots.release(slot)
        self._load(now, workers)
        for active in later:
            self._load(active, 1)

    def _load(self, active: ActivePlan, calls: int) -> None:
        """Has the closure of a plan run without a step, so many times at once."""
        workers = self._engine.workers
        assignments = Assignments.same([0] * workers, [1] * workers)
        shares = WorkerShares.same(EpochShare(0, 1), workers) if self._shares else None
        slots = [self._slots.take() for _ in range(calls)]
        results = self._engine.call_each(
            active.mini_epoch,
            [closure_arguments(active, slot, assignments, shares) for slot in slots],
        )
        for slot, result in zip(slots, results):
            self._take_back(slot, result)

    def train(self) -> None:
        """Has one mini-epoch after another trained and merged, until there are no more.

        Call it in as many threads as there are workers.

        Raises:
            UserError: the training diverged: a result was not finite twice in a row.
            ClusterError: a parameter server was lost.
        """
        begun = self._begin_next()
        while begun:
            completed = self._hand_out(self._assign(begun))
            begun = (self._commit(completed) if completed else None) or self._begin_next()

    def _begin_next(self) -> Begun | None:
        """Begins a mini-epoch, as soon as one may; returns None if there are no more."""
        number = self._dispatcher.next()
        if number is None:
            return None
        if self._merges.in_round(number):
            # Another worker would take the mini-epoch of one that still evaluates.
            self._evaluations.wait()
        with self.ordering:
            return self._begin(number)

    def _begin(self, number: int) -> Begun:
        """Settles with which plan and weights a mini-epoch begins, while `ordering` is held."""
        epoch = self._calendar.epoch_at(number)
        # What was observed of a worker that is absent may not hold once it is back.
        all_present = len(self._engine.membership.present) == self._engine.workers
        with self._stalls.bounded("activate the next plan", needs_workers=True):
            first = self._calendar.first_number(epoch)
            active = self._plans.at(epoch, first, may_replan=all_present)
        slot = self._slots.take()
        with self._stalls.bounded("copy the weights"):
            start = self._components.shared_model.fill(slot)
        return Begun(number, active, slot, start)

    def _assign(self, begun: Begun) -> MiniEpoch:
        workers, calendar = self._engine.workers, self._calendar
        number, active, slot, start = begun
        in_round = self._merges.in_round(number)
        # In a round what is due is due for all alike, and if it has a mini-epoch of every worker,
        # it must not matter which of them takes which number.
        round_ = self._dispatcher.round
        when = calendar.position(round_.first if in_round else number)
        factor = self.learning_rate_factor
        base_rate = self._settings.learning_rate.learning_rate(when) * factor
        rates = [rate * factor for rate in active.learning_rates(when)]
        of_everybody = in_round and round_.size == workers
        seeds = [round_.first + w if of_everybody else number for w in range(workers)]
        seeds = [(self._settings.seed * calendar.total + seed) % _SEEDS for seed in seeds]
        # Whether a worker may begin before its last one is merged.
        keeps_state = self._settings.keeps_optimizer_state
        again = not (self._dispatcher.one_each if in_round else keeps_state)
        allowed: Sequence[bool] = self._dispatcher.allowed()
        steps: Sequence[int] = active.steps
        given = None
        if self._shares:
            with self.ordering:
                given = self._shares.give(number, active.plan, allowed)
            steps, allowed = given.steps, given.allowed
        assignments = Assignments.of(
            steps, active.batch_sizes, rates, seeds, allowed, again, slot.attempt
        )
        return MiniEpoch(number, slot, start, active, base_rate, rates, assignments, given)

    def _activate(
        self, plan: DualBatchPlan, part: ResolutionSettings, present: Sequence[int]
    ) -> ActivePlan:
        batches = self._components.batches[part.resolution].iterator(
            [worker.batch_sizes for worker in plan.workers], self._cursors.at(part.resolution)
        )
        return ActivePlan(
            settings=part,
            plan=plan,
            present=present,
            mini_epoch=self._components.mini_epochs[part.resolution],
            batches=batches,
            learning_rates=self._settings.learning_rates(plan, part),
        )

    def _hand_out(self, mini_epoch: MiniEpoch) -> CompletedMiniEpoch | None:
        """Has some worker train it; returns None if it has to begin again."""
        active = mini_epoch.active_plan
        call = self._engine.start(active.mini_epoch, *mini_epoch.arguments)
        times = self._times[active.settings.resolution]
        hung = False
        try:
            result = call.result(times.patience([w.predicted_seconds for w in active.plan.workers]))
        except WorkerHung:
            self._dispatcher.requeue(mini_epoch.number)
            # A worker that recovers may still write to the slot.
            self._waiting_for_hung.add(threading.current_thread())
            result, hung = call.result(), True
            self._waiting_for_hung.discard(threading.current_thread())
        completed = CompletedMiniEpoch(mini_epoch, result)
        worker = completed.plan.index
        counts = not hung or self._dispatcher.reclaim(mini_epoch.number)
        self._engine.membership.mark_alive(worker)
        if result.trained:
            # Late ones too: it may be the expectation that is wrong.
            times.observe(worker, float(result.seconds), completed.plan.predicted_seconds)
        if counts and result.trained and result.finite:
            return completed
        self._take_back(mini_epoch.slot, result)
        self._release(mini_epoch)
        if counts:
            if result.trained:
                self._reject(completed)
            self._dispatcher.requeue(mini_epoch.number)
            if not result.trained:
                self._allow_again(worker, int(result.unmerged))
                time.sleep(_PAUSE)
        return None

    def _release(self, mini_epoch: MiniEpoch) -> None:
        if self._shares and mini_epoch.given:
            self._shares.release(mini_epoch.given)

    def _take_back(self, slot: Slot, result: MiniEpochResult) -> None:
        if result.first:
            self._slots.release(slot)
        else:
            self._slots.abandon(slot)

    def _allow_again(self, worker: int, unmerged: int) -> None:
        """Lets a worker begin that was lost, or discarded, after it had pushed."""
        if unmerged and not self._slots.is_lent(unmerged):
            with self._stalls.bounded("clear a discarded push"):
                self._components.shared_model.forget(worker, unmerged)

    def _reject(self, completed: CompletedMiniEpoch) -> None:
        number, plan = completed.mini_epoch.number, completed.plan
        what = (
            f"worker {plan.index} ({plan.role}, batch {plan.batch}) gave a loss or weights that "
            f"are not finite at learning rate {completed.mini_epoch.learning_rates[plan.index]:g}"
        )
        self._rejected[number] += 1
        if self._rejected[number] >= _TRIES:
            raise diverged(f"twice in a row, {what}")
        text = f"{what}: discarded, and trained once more from fresh weights"
        self._records.faulted(FaultRecord(self.merged, "rejected", plan.index, text))

    def _commit(self, completed: CompletedMiniEpoch) -> Begun | None:
        """Merges a result, or adds it to its round.

        Returns:
            The next mini-epoch, if one could begin at once; else None.
        """
        self._dispatcher.wait_to_merge(completed.plan.index)
        with self.ordering:
            if self._shutdown.begun:
                return None
            with self._stalls.bounded("merge"):
                merged = self._merges.merge(completed)
            for each, record in merged:
                self._end(each.mini_epoch)
                self._cursors.advance(record.resolution, record.worker, record.samples)
                self._records.committed(record)
                self._plans.observe(record, each.mini_epoch.active_plan)
            self._dispatcher.mark_merged([record.worker for _, record in merged])
            if merged:
                self._committed(merged[-1][1])
            self._release(completed.mini_epoch)
            self._dispatcher.free_worker()
            if self._settings.some_in_rounds:
                return None
            # The slot holds the merged weights: after another merge it would have to be filled
            # again, which takes about as long as a merge.
            number = self._dispatcher.next_at_once()
            return None if number is None else self._begin(number)

    def _end(self, mini_epoch: MiniEpoch) -> None:
        """Gives back what a mini-epoch has had until it was merged."""
        self._slots.release(mini_epoch.slot)
        if self._shares:
            self._shares.merged(mini_epoch.number)
