"""Which mini-epoch begins when, with threads in the place of workers; no cluster."""

from __future__ import annotations

import random
import threading
import time

from dbsl_tf.coordinator.dispatcher import Dispatcher
from dbsl_tf.engine.membership import Membership
from dbsl_tf.schedules.synchronization import Synchronization
from tests.support.patience import at_most


def dispatcher(total=8, workers=2, rule=None, merged=0, clocks=None) -> Dispatcher:
    membership = Membership(workers)
    rule = rule or Synchronization()
    return Dispatcher(total, merged, clocks or [0] * workers, rule, membership)


class Waiting:
    """`next` in a thread."""

    def __init__(self, of: Dispatcher) -> None:
        self.number: int | None = None
        self.thread = threading.Thread(target=self._run, args=(of,), daemon=True)
        self.thread.start()

    def _run(self, of: Dispatcher) -> None:
        self.number = of.next()

    def still_waits(self) -> bool:
        self.thread.join(0.1)
        return self.thread.is_alive()

    def result(self) -> int | None:
        self.thread.join(at_most(1))
        assert not self.thread.is_alive()
        return self.number


class TestDispatcher:
    def test_no_more_are_out_than_workers_take_part(self):
        membership = Membership(3)
        work = Dispatcher(9, 0, [0] * 3, Synchronization(), membership)
        assert [work.next() for _ in range(3)] == [0, 1, 2]
        membership.mark_lost(1, "dead")
        waiting = Waiting(work)
        work.mark_merged([0])
        work.free_worker()
        assert waiting.still_waits()
        work.mark_merged([2])
        work.free_worker()
        assert waiting.result() == 3

    def test_what_is_requeued_comes_first(self):
        work = dispatcher()
        assert (work.next(), work.next()) == (0, 1)
        work.requeue(1)
        assert work.next() == 1

    def test_the_last_one_is_waited_for_and_may_come_back(self):
        work = dispatcher(total=2)
        work.next(), work.next()
        waiting = Waiting(work)
        work.mark_merged([0])
        work.free_worker()
        assert waiting.still_waits()
        work.requeue(1)
        assert waiting.result() == 1
        work.mark_merged([0])
        assert work.finished
        assert work.next() is None

    def test_a_resumed_run_begins_where_it_was(self):
        work = dispatcher(merged=6, clocks=[4, 2])
        assert (work.merged, work.next(), work.next()) == (6, 6, 7)

    def test_a_round_waits_for_all(self):
        work = dispatcher(rule=Synchronization(in_rounds=True))
        assert (work.next(), work.next()) == (0, 1)
        work.free_worker()
        waiting = Waiting(work)
        assert waiting.still_waits()
        work.mark_merged([0, 1])
        # A round that began without worker 1, still busy with the last one, could end without it.
        assert waiting.still_waits()
        work.free_worker()
        assert waiting.result() == 2
        assert work.next() == 3

    def test_a_round_does_not_hang_when_a_worker_is_lost(self):
        membership = Membership(2)
        work = Dispatcher(4, 0, [0, 0], Synchronization(in_rounds=True), membership)
        work.next(), work.next()
        work.free_worker()  # of worker 0
        waiting = Waiting(work)
        assert waiting.still_waits()
        membership.mark_lost(1, "hung")
        work.requeue(1)
        assert waiting.result() == 1

    def test_a_round_has_one_mini_epoch_of_each_worker_that_takes_part(self):
        membership = Membership(2)
        work = Dispatcher(4, 0, [0, 0], Synchronization(in_rounds=True), membership)
        work.next(), work.next()
        work.wait_to_merge(0)
        work.mark_merged([])  # nothing is, before the round is complete
        # The one of worker 1 begins late, when worker 0 has nothing else to do.
        assert work.allowed() == [False, True]
        work.free_worker()
        membership.mark_lost(1, "dead")
        assert work.allowed() == [True, True]
        membership.mark_alive(1)
        work.wait_to_merge(1)
        work.mark_merged([0, 1])
        work.free_worker()
        assert work.allowed() == [True, True]

    def test_a_worker_that_was_away_holds_nobody_up_when_it_is_back(self):
        membership = Membership(2)
        work = Dispatcher(40, 0, [0, 0], Synchronization(bound=1), membership)
        membership.mark_lost(1, "dead")
        for _ in range(10):
            work.next()
            work.mark_merged([0])
            work.free_worker()
        membership.mark_alive(1)
        assert work.clocks == [10, 10]
        assert work.allowed() == [True, True]

    def test_who_is_absent_from_the_start_is_not_counted_on(self):
        membership = Membership(2)
        membership.mark_lost(1, "dead")
        work = Dispatcher(4, 0, [0, 0], Synchronization(), membership)
        assert work.next() == 0
        waiting = Waiting(work)
        assert waiting.still_waits()
        membership.mark_alive(1)
        assert waiting.result() == 1

    def test_a_loss_reported_after_its_end_counts_as_over(self):
        """Two threads may report them in either order."""
        membership = Membership(2)
        membership.subscribe(lambda worker, reason: reason and membership.mark_alive(worker))
        work = Dispatcher(4, 0, [0, 0], Synchronization(), membership)
        membership.mark_lost(1, "hung")
        assert membership.present == (0, 1)
        assert [work.next(), work.next()] == [0, 1]

    def test_what_waits_to_be_merged_holds_no_slower_worker_up(self):
        """Worker 0 took up both mini-epochs while worker 1 was at something else."""
        work = dispatcher(rule=Synchronization(bound=1), merged=1, clocks=[1, 0])
        assert (work.next(), work.next()) == (1, 2)
        work.mark_merged([0])
        work.free_worker()
        waiting = threading.Thread(target=work.wait_to_merge, args=(0,), daemon=True)
        waiting.start()
        assert Waiting(work).result() == 3
        work.mark_merged([1])
        waiting.join(at_most(1))
        assert not waiting.is_alive()

    def test_the_last_results_are_merged_when_no_slower_worker_can_catch_up(self):
        """Worker 0 took up the last two, and worker 1 finds nothing to do."""
        work = dispatcher(total=3, rule=Synchronization(bound=1), merged=1, clocks=[1, 0])
        assert (work.next(), work.next()) == (1, 2)
        work.mark_merged([0])
        work.free_worker()
        waiting = threading.Thread(target=work.wait_to_merge, args=(0,), daemon=True)
        waiting.start()
        waiting.join(at_most(1))
        assert not waiting.is_alive()

    def test_a_late_result_counts_unless_somebody_else_has_begun_it(self):
        work = dispatcher()
        assert (work.next(), work.next()) == (0, 1)
        work.requeue(0)
        assert work.reclaim(0)
        work.requeue(1)
        assert work.next() == 1
        assert not work.reclaim(1)

    def test_when_nobody_is_present_one_chance_is_given(self):
        membership = Membership(1)
        work = Dispatcher(4, 0, [0], Synchronization(), membership)
        membership.mark_lost(0, "dead")
        assert work.next() == 0

    def test_stop_lets_everybody_go(self):
        work = dispatcher()
        work.next(), work.next()
        waiting = Waiting(work)
        work.stop()
        assert waiting.result() is None

    def test_the_bound_holds_with_unequal_workers(self):
        """Worker 0 is four times as fast; any free worker takes what is handed out."""
        bound, workers, total = 2, 3, 60
        work = dispatcher(total=total, workers=workers, rule=Synchronization(bound=bound))
        seconds = [0.001, 0.004, 0.004]
        free = list(range(workers))
        lock, spread, merged = threading.Lock(), [], []

        def slot():
            while (number := work.next()) is not None:
                allowed = work.allowed()
                with lock:
                    worker = free.pop(random.randrange(len(free)))
                if not allowed[worker]:
                    work.requeue(number)
                    with lock:
                        free.append(worker)
                    time.sleep(0.0005)
                    continue
                time.sleep(seconds[worker])
                work.wait_to_merge(worker)
                with lock:
                    work.mark_merged([worker])
                    merged.append(number)
                    spread.append(max(work.clocks) - min(work.clocks))
                    free.append(worker)
                work.free_worker()

        threads = [threading.Thread(target=slot, daemon=True) for _ in range(workers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(at_most(1))
        assert sorted(merged) == list(range(total))
        assert max(spread) == bound + 1
