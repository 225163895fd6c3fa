"""What is lost, doubled and in progress, in runs whose shares are known."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import given

from dbsl_tf.common.errors import UserError
from dbsl_tf.reporting.audit import audit_of
from dbsl_tf.reporting.recorded_run import Fault, MiniEpoch, RecordedRun, Resumption
from tests.support.records import commit_record

D = 10
HALF = D // 2


def run_of(shares: Sequence[tuple[int, int, int]], workers: int = 2, **values) -> RecordedRun:
    """A run that has merged these: worker, first sample and samples of each."""
    mini_epochs = [
        MiniEpoch(
            **vars(commit_record(commit=c, worker=worker, first_sample=first, samples=samples)),
            begin=float(c),
        )
        for c, (worker, first, samples) in enumerate(shares, 1)
    ]
    config = {"data.sharing": "disjoint", "schedule.epochs": values.pop("epochs", 1000)}
    return RecordedRun(
        path=Path("run"),
        workers=workers,
        config=config,
        plan={"samples": D},
        mini_epochs=tuple(mini_epochs),
        **values,
    )


def halves(epochs: int) -> list[tuple[int, int, int]]:
    """Two workers that take turns."""
    return [(number % 2, number * HALF, HALF) for number in range(2 * epochs)]


def fault(commit: int, kind, worker: int, time: float) -> Fault:
    return Fault(commit=commit, kind=kind, worker=worker, message="", time=time, seconds=time)


def resumption(commit: int, time: float) -> Resumption:
    return Resumption(commit=commit, discarded=0, time=time, seconds=time, pause=0.0)


class TestEnded:
    def test_complete(self) -> None:
        audit = audit_of(run_of(halves(3), epochs=3))
        assert [epoch.state for epoch in audit.epochs] == ["complete"] * 3
        assert audit.passed
        assert (
            audit.sentence
            == "every sample of 3 complete epochs was trained and merged exactly once"
        )

    def test_one_share_of_several_epochs(self) -> None:
        audit = audit_of(run_of([(0, 0, 13), (1, 13, 17)], epochs=3, summary={"commits": 2}))
        assert [epoch.seen for epoch in audit.epochs] == [D] * 3
        assert audit.passed

    def test_what_is_in_no_mini_epoch_is_lost(self) -> None:
        shares = [(0, 0, 5), (1, 5, 5), (0, 10, 3), (1, 15, 5), (0, 20, 4), (1, 26, 4)]
        audit = audit_of(run_of(shares, epochs=3))
        assert [epoch.lost for epoch in audit.epochs] == [0, 2, 2]
        assert [epoch.state for epoch in audit.epochs] == ["complete", "incomplete", "incomplete"]
        assert audit.sentence == "4 samples were lost, in no merged mini-epoch: epochs 2, 3"

    def test_what_a_run_that_was_ended_early_has_not_come_to_is_not_lost(self) -> None:
        audit = audit_of(run_of([*halves(1), (0, 10, 5)], epochs=9, summary={"commits": 3}))
        assert [epoch.state for epoch in audit.epochs] == ["complete", "in progress"]
        assert audit.passed

    def test_lost_and_doubled_at_once(self) -> None:
        audit = audit_of(run_of([(0, 0, 5), (1, 4, 5), (0, 10, 10), (1, 12, 1)], epochs=2))
        assert [(epoch.lost, epoch.doubled) for epoch in audit.epochs] == [(1, 1), (0, 1)]
        assert audit.sentence == (
            "1 sample was lost, in no merged mini-epoch: epoch 1; "
            "2 samples were trained and merged more than once: epochs 1, 2"
        )

    def test_what_is_nearly_complete_is_not_shown_as_whole(self) -> None:
        run = run_of([(0, 0, 99_999)], epochs=1, summary={"commits": 1})
        run = RecordedRun(**{**vars(run), "plan": {"samples": 100_000}})
        assert audit_of(run).epochs[0].share == 0.9999


class TestGoingOn:
    def test_a_slow_worker_is_waited_for(self) -> None:
        """Worker 1 has the second half of the first epoch for three epochs."""
        audit = audit_of(run_of([(0, 0, 5)] + [(0, 10 * e, 10) for e in (1, 2, 3)]))
        assert [epoch.state for epoch in audit.epochs] == ["in progress"] + ["complete"] * 3
        assert audit.passed
        assert (
            audit.sentence
            == "every sample of 3 complete epochs was trained and merged exactly once"
        )

    def test_nothing_is_complete(self) -> None:
        assert audit_of(run_of([])).sentence.startswith("no epoch is complete yet; nothing is lost")
        audit = audit_of(run_of([(1, 5, 5)]))
        assert audit.passed
        assert (audit.epochs[0].share, audit.epochs[0].state) == (0.5, "in progress")

    def test_what_nobody_can_be_at_work_on_is_lost(self) -> None:
        missing = [share for share in halves(5) if share[1] != 5]
        states = [audit_of(run_of(missing[:n])).epochs[0].state for n in range(1, 10)]
        # From the seventh on, both have merged three of later epochs.
        assert states == ["in progress"] * 6 + ["incomplete"] * 3

    def test_absent_workers_are_not_waited_for(self) -> None:
        shares = [(0, 0, 5), *((0, 10 * e, 10) for e in (1, 2, 3))]
        gone = fault(1, "absent", 1, 1.5)
        assert audit_of(run_of(shares, faults=(gone,))).epochs[0].lost == 5
        # What worker 0 merges first may have begun before it was known.
        assert audit_of(run_of(shares[:3], faults=(gone,))).passed
        # It may have been given what was left out since.
        back = fault(3, "back", 1, 3.5)
        assert audit_of(run_of(shares, faults=(gone, back))).epochs[0].lost == 0
        assert audit_of(run_of(shares, faults=(gone,), resumptions=(resumption(1, 2.0),))).passed
        both = (gone, fault(1, "absent", 0, 1.6))
        assert audit_of(run_of(shares, faults=both)).passed

    def test_what_was_discarded_is_given_out_again(self) -> None:
        missing = [share for share in halves(4) if share[1] != 5]
        assert not audit_of(run_of(missing)).passed
        for kind in ("rejected", "back"):
            assert audit_of(run_of(missing, faults=(fault(4, kind, 0, 4.5),))).passed
        assert audit_of(run_of(missing, resumptions=(resumption(4, 4.5),))).passed

    def test_doubled_is_wrong_at_any_time(self) -> None:
        audit = audit_of(run_of([(0, 0, 5), (1, 0, 5)]))
        assert not audit.passed
        assert audit.sentence == "5 samples were trained and merged more than once: epoch 1"


class Training:
    """A coordinator that gives out shares in their order, what has come back first."""

    def __init__(self, workers: int, sizes: Sequence[int]) -> None:
        self.cut = [(sum(sizes[:number]), size) for number, size in enumerate(sizes)]
        self.waiting = list(range(len(sizes)))
        self.held: dict[int, int] = {}
        self.merged: list[tuple[int, int]] = []
        self.absent: set[int] = set()
        self.workers = workers
        self.faults: list[Fault] = []
        self.resumptions: list[Resumption] = []
        self.time = 0.0

    def do(self, action: str, worker: int, part: float) -> None:
        self.time += 1
        if action == "train" and worker not in self.absent:
            if worker in self.held:
                self.merged.append((worker, self.held.pop(worker)))
            elif self.waiting:
                self.held[worker] = heapq.heappop(self.waiting)
        elif action in ("absent", "rejected") and worker not in self.absent:
            self.absent |= {worker} if action == "absent" else set()
            self.return_share(worker)
            self.note(action, worker)
        elif action == "back" and worker in self.absent:
            self.absent.remove(worker)
            self.note(action, worker)
        elif action == "resume":
            kept = int(part * len(self.merged))
            for worker in range(self.workers):
                self.return_share(worker)
            for _, share in self.merged[kept:]:
                heapq.heappush(self.waiting, share)
            del self.merged[kept:]
            self.absent.clear()
            self.resumptions.append(resumption(kept, self.time))

    def return_share(self, worker: int) -> None:
        if worker in self.held:
            heapq.heappush(self.waiting, self.held.pop(worker))

    def note(self, kind, worker: int) -> None:
        self.faults.append(fault(len(self.merged), kind, worker, self.time))

    def run(self) -> RecordedRun:
        shares = [(worker, *self.cut[share]) for worker, share in self.merged]
        events = dict(faults=tuple(self.faults), resumptions=tuple(self.resumptions))
        return run_of(shares, self.workers, **events)


ACTIONS = st.sampled_from(["train"] * 12 + ["absent", "back", "rejected", "resume"])


@given(
    st.integers(1, 4),
    st.lists(st.integers(1, 25), min_size=5, max_size=60),
    st.lists(st.tuples(ACTIONS, st.integers(0, 3), st.floats(0, 1)), min_size=40, max_size=70),
)
def test_no_training_that_goes_on_is_said_to_lose_anything(workers, sizes, actions) -> None:
    training = Training(workers, sizes)
    for action, worker, part in actions:
        training.do(action, worker % workers, part)
        audit = audit_of(training.run())
        assert audit.passed, audit


@given(st.integers(1, 4), st.integers(0, 7), st.lists(st.integers(0, 3), max_size=20))
def test_what_is_lost_is_found_when_all_have_gone_on(workers, lost, order) -> None:
    training = Training(workers, [HALF] * 100)
    training.waiting.remove(lost)
    for worker in order + 20 * list(range(workers)):
        training.do("train", worker % workers, 0)
    audit = audit_of(training.run())
    assert [e.epoch for e in audit.epochs if e.lost] == [lost // 2 + 1]


class TestMistakes:
    @pytest.mark.parametrize("sharing", [{"data.sharing": "shared"}, {}])
    def test_shared(self, sharing) -> None:
        run = RecordedRun(path=Path("run"), workers=1, config=sharing)
        with pytest.raises(UserError, match="order of its own .* set data.sharing: disjoint"):
            audit_of(run)

    def test_what_is_not_recorded(self) -> None:
        for changes, expected in (
            ({"first_sample": None}, "history.jsonl .*commit 1 has no first_sample"),
            ({"samples": None}, "history.jsonl .*commit 1 has no samples"),
            ({"first_sample": 2**50}, "first_sample of commit 1 is 1125899906842624, which is"),
        ):
            run = run_of(halves(1))
            mini_epoch = MiniEpoch(**{**vars(run.mini_epochs[0]), **changes})
            damaged = RecordedRun(**{**vars(run), "mini_epochs": (mini_epoch,)})
            with pytest.raises(UserError, match=expected):
                audit_of(damaged)
        for key, value, expected in (
            ("plan", {}, "plan.json .*it does not say how many training samples there are"),
            ("plan", {"samples": 0}, "samples is 0"),
        ):
            values = {**vars(run_of(halves(1))), "summary": {"commits": 2}, key: value}
            with pytest.raises(UserError, match=expected):
                audit_of(RecordedRun(**values))
