"""The outer loop: hands out mini-epochs, merges what comes back, evaluates, saves."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from dbsl_tf.common.patience import UsualTimes
from dbsl_tf.coordinator.checkpointer import Checkpointer, Progress
from dbsl_tf.coordinator.dispatcher import Dispatcher
from dbsl_tf.coordinator.evaluations import Evaluations
from dbsl_tf.coordinator.evaluator import Evaluator
from dbsl_tf.coordinator.hand_out import HandOut
from dbsl_tf.coordinator.merger import Merger
from dbsl_tf.coordinator.messages import Orders
from dbsl_tf.coordinator.record_writer import RecordWriter
from dbsl_tf.coordinator.stage import MiniEpoch, Returned, Streams
from dbsl_tf.coordinator.stages import Stages
from dbsl_tf.engine.background import in_thread
from dbsl_tf.engine.engine import Engine
from dbsl_tf.engine.failures import naming_lost_servers
from dbsl_tf.engine.stalls import StallWatch
from dbsl_tf.engine.watched_run import run_watched
from dbsl_tf.results.records import CommitRecord, FaultRecord
from dbsl_tf.schedules.calendar import Calendar
from dbsl_tf.shared_model.shared_model import SharedModel
from dbsl_tf.shared_model.slots import SlotPool

# How often it is looked whether an evaluation has ended, or is not waited for any more; seconds.
_PERIOD = 0.2


class Trainer:
    """Trains: as many mini-epochs in flight as workers take part.

    One thread for each worker hands a mini-epoch out, waits for its result, has it merged and
    goes on to the next. Whatever happens to workers, every mini-epoch is merged exactly once.

    Args:
        engine: the connected cluster.
        shared_model: the global weights.
        slots: of the mini-epochs in flight.
        stages: asked at every beginning of an epoch which stage it belongs to.
        dispatcher: says which mini-epoch begins when.
        merger: merges them.
        calendar: says what is due after which commit.
        evaluator: evaluates the global weights.
        checkpointer: saves them.
        streams: what each worker has taken from its streams of training data.
        records: told of every commit and evaluation, in order; started by the trainer.
        seed: of dropout.
        times: what mini-epochs take here, and hence when another worker gets one too; None:
            nothing is known of it yet but the plan.
        check: called again and again while the training goes on; what it raises ends it.
    """

    def __init__(
        self,
        *,
        engine: Engine,
        shared_model: SharedModel,
        slots: SlotPool,
        stages: Stages,
        dispatcher: Dispatcher,
        merger: Merger,
        calendar: Calendar,
        evaluator: Evaluator,
        checkpointer: Checkpointer,
        streams: Streams,
        records: RecordWriter,
        seed: int,
        times: UsualTimes | None = None,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self._engine = engine
        self._shared_model = shared_model
        self._slots = slots
        self._stages = stages
        self._dispatcher = dispatcher
        self._merger = merger
        self._calendar = calendar
        self._evaluator = evaluator
        self._checkpointer = checkpointer
        self._streams = streams
        self._records = records
        self._seed = seed
        self._check = check
        times = times or UsualTimes(engine.limits, ratio=1.0)
        self._hand_out = HandOut(engine, dispatcher, slots, records.survived, times)
        self._stalls = StallWatch(engine, engine.limits.patience)
        # Held for what happens in the order of commits.
        self._ordering = threading.Lock()
        self._evaluations = Evaluations(evaluator, calendar, records.evaluated, self.fail)
        self._failure: BaseException | None = None
        self._stopping = threading.Event()
        records.start(self.fail)
        engine.roster.subscribe(self._roster_changed)

    def warm_up(self, check: Callable[[], None] = lambda: None) -> None:
        """Have every worker load the closures; nothing is trained.

        Args:
            check: called again and again meanwhile; what it raises ends it.

        Raises:
            ClusterError: a parameter server or every worker is gone.
        """
        run_watched(self._load_closures, check, self._engine.limits.standstill)

    @property
    def engine(self) -> Engine:
        """The connected cluster."""
        return self._engine

    @property
    def wall_seconds(self) -> float:
        """Time trained so far, also before interruptions."""
        return self._checkpointer.wall_seconds

    def run(self, evaluate_first: bool = False) -> None:
        """Train to the end, the last evaluation and checkpoint included.

        Args:
            evaluate_first: whether the weights to begin with are still to be evaluated.

        Raises:
            UserError: the training diverged.
            ClusterError: a parameter server or every worker is gone.
        """
        try:
            self._checkpointer.begin()
            run_watched(partial(self._begin_run, evaluate_first), self._look)
            for _ in range(self._engine.workers):
                in_thread(self._train, self.fail)
            # A thread that waits for a worker that hangs need not come back.
            while self._failure is None and not self._done():
                time.sleep(0.05)
                self._look()
            self._raise_failure()
        finally:
            self.stop()
            # What an observer has raised is known already.
            with suppress(Exception):
                self._records.flush(self._engine.limits.call)

    def _begin_run(self, evaluate_first: bool) -> None:
        # History must never be ahead of the first checkpoint.
        self._save()
        self._checkpointer.wait()
        if evaluate_first:
            self._evaluate(self._dispatcher.merged, self._evaluator.highest)

    def _look(self) -> None:
        self._check()
        self._stalls.check()

    def stop(self) -> None:
        """Begin nothing more and merge nothing more."""
        self._stopping.set()
        self._dispatcher.stop()

    def fail(self, error: BaseException) -> None:
        """End the training by `error`, unless something else has ended it before."""
        if self._failure is None and not self._stopping.is_set():
            self._failure = error
        self.stop()

    def save_now(self, check: Callable[[], None]) -> None:
        """After `stop`: save the weights as they are.

        Args:
            check: called again and again meanwhile; what it raises ends it.

        Raises:
            ClusterError: a parameter server does not give them.
            UserError: they cannot be written.
        """

        @naming_lost_servers()
        def save() -> None:
            with self._ordering:
                self._checkpointer.save_and_wait(self._progress())

        def look() -> None:
            check()
            # Something may be under way still that no saving can come before.
            self._stalls.check()

        run_watched(save, look, self._engine.limits.standstill)

    @naming_lost_servers()
    def _load_closures(self) -> None:
        merged = self._dispatcher.merged
        epoch = min(self._calendar.epochs_done(merged) + 1, self._calendar.epochs)
        stage = self._stages.at(epoch, merged)
        orders = Orders.same([0] * self._engine.workers)
        slots = [self._slots.take() for _ in range(self._engine.workers)]
        self._shared_model.warm_up(slots)
        self._engine.call_each(
            stage.mini_epoch,
            [(stage.batches, slot.variables(), orders) for slot in slots],
        )
        for slot in slots:
            self._slots.give_back(slot)
        self._evaluator.warm_up()

    def _done(self) -> bool:
        if not self._dispatcher.finished or self._ordering.locked() or self._evaluations.busy:
            return False
        self._checkpointer.wait()
        self._records.flush()
        return True

    def _raise_failure(self) -> None:
        if self._failure is not None:
            # A server that ended says more than the call that failed for it.
            self._check()
            raise self._failure

    def _train(self) -> None:
        while (number := self._dispatcher.next()) is not None:
            returned = self._hand_out.train(self._begin(number))
            if returned is not None:
                self._commit(returned)

    def _begin(self, number: int) -> MiniEpoch:
        workers, total = self._engine.workers, self._calendar.total
        in_rounds = self._dispatcher.in_rounds
        epoch = number // workers
        if in_rounds:
            # A worker that still evaluates would leave its mini-epoch of the round to another.
            self._evaluations.wait()
        with self._ordering:
            # A new stage is made known to all workers, which would wait for one that hangs.
            all_present = len(self._engine.roster.present) == workers
            with self._stalls.bounded("begin the next stage", needs_workers=True):
                stage = self._stages.at(epoch + 1, epoch * workers, may_replan=all_present)
            slot = self._slots.take()
            with self._stalls.bounded("copy the weights"):
                start = self._shared_model.fill(slot)
        # In a round it must not matter which worker takes which number.
        seeds = [epoch * workers + w if in_rounds else number for w in range(workers)]
        return MiniEpoch(
            number=number,
            slot=slot,
            start=start,
            stage=stage,
            learning_rates=stage.learning_rates(epoch if in_rounds else number / workers),
            seeds=[self._seed * total + seed for seed in seeds],
            allowed=self._dispatcher.allowed(),
        )

    def _commit(self, returned: Returned) -> None:
        self._dispatcher.wait_to_merge(returned.worker)
        with self._ordering:
            if self._stopping.is_set():
                return
            with self._stalls.bounded("merge"):
                records = self._merger.commit(returned)
            for record in records:
                self._streams.took(record.resolution, record.worker, record.samples)
                self._records.committed(record)
                self._stages.observe(record, returned.mini_epoch.stage)
            self._dispatcher.was_merged([record.worker for record in records])
            if records:
                self._after_commit(records[-1])
        self._dispatcher.came_back()

    def _after_commit(self, record: CommitRecord) -> None:
        if self._calendar.checkpoint_due(record.commit):
            self._save()
        if self._calendar.evaluation_due(record.commit):
            self._evaluate(record.commit, record.resolution)

    def _save(self) -> None:
        # A slow disk is no server that hangs.
        self._checkpointer.wait()
        with self._stalls.bounded("read the weights"):
            self._checkpointer.save(self._progress())

    def _progress(self) -> Progress:
        return Progress(self._dispatcher.clocks, self._streams.samples, self._stages.time_models)

    def _evaluate(self, commit: int, resolution: int) -> None:
        """Begin an evaluation of the weights of this very commit beside the training."""
        while self._evaluations.busy and not self._stopping.is_set():
            self._evaluations.wait(_PERIOD)
        if self._stopping.is_set():
            return
        with self._stalls.bounded("copy the weights"):
            self._evaluations.begin(commit, resolution)

    def _roster_changed(self, worker: int, reason: str | None) -> None:
        if self._stopping.is_set():
            return
        if reason is None:
            kind, message = "back", f"worker {worker} has rejoined"
        else:
            kind = "absent"
            message = f"worker {worker} is left out ({reason}); others train its share"
        self._records.survived(FaultRecord(self._dispatcher.merged, kind, worker, message))
