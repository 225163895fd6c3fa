"""When an epoch is over, what is due then, and how often the weights are merged until then."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import pairwise


@dataclass(frozen=True)
class Stretch:
    """Epochs in a row that are merged equally often.

    Attributes:
        last_epoch: the last epoch that belongs to it, counted from 1.
        mini_epochs: of every worker in an epoch, M; with a numerator of 1, the denominator is how
            many epochs a worker trains without a merge.
    """

    last_epoch: int
    mini_epochs: Fraction = Fraction(1)


@dataclass(frozen=True)
class Calendar:
    """The mini-epochs of a run, each of which is one commit; n M of them are an epoch.

    Mini-epochs are numbered from 0, commits and epochs from 1: commit c ends mini-epoch c - 1.
    Whatever is asked of numbers beyond the end of the run, it is answered as if the last stretch
    went on.

    Attributes:
        workers: number of workers (n).
        epochs: epochs to train (E).
        eval_every: epochs between evaluations; the last epoch is always evaluated.
        checkpoint_every: epochs between checkpoints; the last epoch always leaves one.
        stretches: in order, the last of which ends with the run, or where `local_epochs` begin;
            empty: each epoch has one mini-epoch of every worker.
        local_epochs: epochs at the end of the run that every worker trains in one mini-epoch; the
            results of these are averaged once. 0: none.

    Example:
        >>> calendar = Calendar(2, 4, stretches=(Stretch(1, Fraction(2)), Stretch(4)))
        >>> calendar.total, [calendar.epoch_at(number) for number in range(6)]
        (10, [1, 1, 1, 1, 2, 2])
        >>> calendar.position(2), calendar.position(5)
        (0.5, 1.5)
    """

    workers: int
    epochs: int
    eval_every: int = 1
    checkpoint_every: int = 1
    stretches: tuple[Stretch, ...] = ()
    local_epochs: int = 0

    @property
    def total(self) -> int:
        """Commits of the whole run; E n where each epoch has one mini-epoch of every worker."""
        last = self._spans[-1]
        return last.first_number + (self.epochs - last.first_epoch) // last.epochs * last.commits

    @property
    def mini_epochs_per_epoch(self) -> Fraction:
        """The most mini-epochs that a worker has in an epoch."""
        return max(stretch.mini_epochs for stretch in self.all_stretches)

    @property
    def is_uniform(self) -> bool:
        """Whether all epochs are merged equally often."""
        return len({stretch.mini_epochs for stretch in self.all_stretches}) == 1

    @property
    def all_stretches(self) -> tuple[Stretch, ...]:
        """The stretches with that of the local epochs."""
        if not self.local_epochs:
            return self.stretches or (Stretch(self.epochs),)
        merged = self.epochs - self.local_epochs
        before = self.stretches or ((Stretch(merged),) if merged else ())
        return (*before, Stretch(self.epochs, Fraction(1, self.local_epochs)))

    def mini_epochs(self, epoch: int) -> Fraction:
        """Returns how many mini-epochs every worker has in an epoch, M."""
        return self._span_of_epoch(epoch).mini_epochs

    def commits_per_epoch(self, epoch: int) -> Fraction:
        """Returns how many commits an epoch has; whole but for local epochs."""
        return self.workers * self.mini_epochs(epoch)

    def epoch_at(self, number: int) -> int:
        """Returns the epoch that a mini-epoch belongs to; the last one if it is of several."""
        return self.epochs_done(number) + self._span_of(number).epochs

    def epoch_of(self, commit: int) -> int:
        """Returns the epoch that the mini-epoch of a commit belongs to, likewise."""
        return self.epoch_at(commit - 1)

    def commits_before(self, epoch: float) -> int:
        """Returns the number of commits by the time `epoch`, such as 2.5 epochs; 0 before 0."""
        span = self._span_of_epoch(max(1, math.floor(epoch) + 1))
        part = max(Fraction(0), Fraction(epoch) - span.first_epoch)
        return span.first_number + math.floor(part / span.epochs * span.commits)

    def first_number(self, epoch: int) -> int:
        """Returns the first mini-epoch of an epoch, which is how many commits there are before."""
        span = self._span_of_epoch(epoch)
        return span.first_number + (epoch - 1 - span.first_epoch) // span.epochs * span.commits

    def next_epoch(self, number: int) -> int:
        """Returns the first mini-epoch after the epoch that one belongs to."""
        return self.first_number(self.epoch_at(number) + 1)

    def end_of_round(self, merged: int, present: int) -> int:
        """Returns the end of a round of those present, where workers come and go.

        The rounds of an epoch are about equally long, as the mean of a few mini-epochs says less.

        Args:
            merged: mini-epochs merged so far.
            present: number of workers that are there.
        """
        left = self.next_epoch(merged) - merged
        return merged + math.ceil(left / math.ceil(left / present))

    def epochs_done(self, commit: int) -> int:
        """Returns the number of whole epochs after `commit` commits."""
        span = self._span_of(commit)
        return span.first_epoch + (commit - span.first_number) // span.commits * span.epochs

    def ends_epoch(self, commit: int) -> bool:
        """Returns whether an epoch is over with `commit`."""
        span = self._span_of(commit)
        return commit > 0 and (commit - span.first_number) % span.commits == 0

    def position(self, commit: int) -> float:
        """Returns the epochs before mini-epoch `commit`, after so many commits; fractional."""
        return float(self._position(commit))

    def start(self, number: int) -> float:
        """Returns the epoch whose learning rate a mini-epoch has where it is no part of a round."""
        return self.position(self.total - self.workers if self.is_local(number) else number)

    def is_local(self, number: int) -> bool:
        """Returns whether a mini-epoch is one of those that are averaged once at the end."""
        return self.local_epochs > 0 and number >= self.total - self.workers

    def commits_left(self, commit: int) -> float:
        """Returns the epochs left after `commit` in commits of the epoch that `commit` is of."""
        each = self.commits_per_epoch(self.epoch_of(max(1, commit)))
        return float((self.epochs - self._position(commit)) * each)

    def evaluation_due(self, commit: int) -> bool:
        """Returns whether the weights of `commit` are to be evaluated."""
        return self._due(commit, self.eval_every)

    def checkpoint_due(self, commit: int) -> bool:
        """Returns whether a checkpoint of `commit` is to be written."""
        return self._due(commit, self.checkpoint_every)

    def agrees(self, other: Calendar, commit: int) -> bool:
        """Returns whether both have the same epochs up to `commit`."""
        return self._until(commit) == other._until(commit)

    def _due(self, commit: int, every: int) -> bool:
        due = self.epochs_done(commit) % every == 0 or commit == self.total
        return due and self.ends_epoch(commit)

    def _position(self, commit: int) -> Fraction:
        span = self._span_of(commit)
        return span.first_epoch + Fraction(commit - span.first_number, span.commits) * span.epochs

    def _until(self, commit: int) -> list[tuple[int, Fraction]]:
        """Returns where stretches end up to `commit`, and how often they are merged."""
        found: list[tuple[int, Fraction]] = []
        ends = [span.first_number for span in self._spans[1:]] + [commit]
        for span, end in zip(self._spans, ends):
            if span.first_number >= commit:
                break
            if found and found[-1][1] == span.mini_epochs:
                found.pop()
            found.append((min(end, commit), span.mini_epochs))
        return found

    def _span_of(self, number: int) -> _Span:
        return self._spans[bisect_right(self._first_numbers, number) - 1]

    def _span_of_epoch(self, epoch: int) -> _Span:
        return self._spans[bisect_right(self._first_epochs, epoch - 1) - 1]

    @cached_property
    def _first_numbers(self) -> list[int]:
        return [span.first_number for span in self._spans]

    @cached_property
    def _first_epochs(self) -> list[int]:
        return [span.first_epoch for span in self._spans]

    @cached_property
    def _spans(self) -> list[_Span]:
        spans = []
        number = 0
        ends = [0, *(stretch.last_epoch for stretch in self.all_stretches)]
        for stretch, (start, end) in zip(self.all_stretches, pairwise(ends)):
            each = stretch.mini_epochs
            spans.append(
                _Span(start, number, each, each.denominator, self.workers * each.numerator)
            )
            number += (end - start) // each.denominator * self.workers * each.numerator
        return spans


def as_number(value: Fraction) -> int | float:
    """Returns a number of mini-epochs per epoch as JSON has it."""
    return int(value) if value.denominator == 1 else float(value)


@dataclass(frozen=True)
class _Span:
    """A stretch in its place.

    Attributes:
        first_epoch: epochs before it.
        first_number: mini-epochs before it.
        mini_epochs: M.
        epochs, commits: the fewest epochs that are over with a commit, and their commits.
    """

    first_epoch: int
    first_number: int
    mini_epochs: Fraction
    epochs: int
    commits: int
