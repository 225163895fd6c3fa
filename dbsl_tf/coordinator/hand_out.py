"""One mini-epoch on whichever worker takes it, until it has a result that counts."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

from dbsl_tf.common.patience import UsualTimes
from dbsl_tf.coordinator.dispatcher import Dispatcher
from dbsl_tf.coordinator.evaluations import diverged
from dbsl_tf.coordinator.stage import MiniEpoch, Returned
from dbsl_tf.engine.engine import Engine, WorkerHung
from dbsl_tf.results.records import FaultRecord
from dbsl_tf.shared_model.slots import SlotPool

# A mini-epoch whose result is not finite is trained once more from fresh weights.
_TRIES = 2
# Between asking again for a worker that is allowed to begin, in seconds.
_PAUSE = 0.005


class HandOut:
    """Hands mini-epochs out; those that come to nothing go back to the dispatcher. Thread-safe.

    Args:
        engine: the connected cluster.
        dispatcher: whose mini-epochs they are.
        slots: where those of what came to nothing go.
        tell: given the record of a result that is thrown away.
        times: what mini-epochs take here, and hence when another worker gets one too.
    """

    def __init__(
        self,
        engine: Engine,
        dispatcher: Dispatcher,
        slots: SlotPool,
        tell: Callable[[FaultRecord], None],
        times: UsualTimes,
    ) -> None:
        self._engine = engine
        self._dispatcher = dispatcher
        self._slots = slots
        self._tell = tell
        self._times = times
        self._rejected: Counter[int] = Counter()

    def train(self, mini_epoch: MiniEpoch) -> Returned | None:
        """Have some worker train it; the result, None where it has to begin again.

        Raises:
            UserError: it was not finite twice in a row.
            ClusterError: a parameter server is gone.
        """
        call = self._engine.start(
            mini_epoch.stage.mini_epoch,
            mini_epoch.stage.batches,
            mini_epoch.slot.variables(),
            mini_epoch.orders(),
        )
        hung = False
        try:
            result = call.result(self._times.patience(_longest(mini_epoch)))
        except WorkerHung:
            self._dispatcher.give_back(mini_epoch.number)
            # Until the worker has come to, it may still write to the slot.
            result, hung = call.result(), True
        returned = Returned(mini_epoch, int(result.worker), result)
        counts = not hung or self._dispatcher.reclaim(mini_epoch.number)
        self._engine.roster.answered(returned.worker)
        if result.trained and not hung:
            planned = _planned(mini_epoch, returned.worker)
            self._times.took(returned.worker, float(result.seconds), planned)
        if counts and result.trained and result.finite:
            return returned
        self._slots.give_back(mini_epoch.slot)
        if counts:
            self._give_back(returned)
        return None

    def _give_back(self, returned: Returned) -> None:
        if returned.result.trained:
            self._reject(returned)
        self._dispatcher.give_back(returned.mini_epoch.number)
        if not returned.result.trained:
            time.sleep(_PAUSE)

    def _reject(self, returned: Returned) -> None:
        mini_epoch = returned.mini_epoch
        plan = mini_epoch.stage.plan.workers[returned.worker]
        what = (
            f"worker {plan.index} ({plan.role}, batch {plan.batch}) gave a loss or weights that "
            f"are not finite at learning rate {mini_epoch.learning_rates[plan.index]:g}"
        )
        self._rejected[mini_epoch.number] += 1
        if self._rejected[mini_epoch.number] >= _TRIES:
            raise diverged(f"twice in a row, {what}")
        self._tell(
            FaultRecord(
                self._dispatcher.merged,
                "rejected",
                plan.index,
                f"{what}: discarded, and trained once more from fresh weights",
            )
        )


def _planned(mini_epoch: MiniEpoch, worker: int) -> float:
    """Seconds that a worker takes for it by the plan."""
    return mini_epoch.stage.plan.workers[worker].predicted_seconds


def _longest(mini_epoch: MiniEpoch) -> float:
    """The same for the slowest worker: any may take it."""
    return max(worker.predicted_seconds for worker in mini_epoch.stage.plan.workers)
