"""What is due after which commit."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Calendar:
    """The commits of a run; n of them are an epoch.

    Attributes:
        workers: number of workers (n).
        epochs: epochs to train (E).
        eval_every: epochs between evaluations; the last epoch is always evaluated.
        checkpoint_every: epochs between checkpoints; the last epoch always leaves one.
    """

    workers: int
    epochs: int
    eval_every: int
    checkpoint_every: int

    @property
    def total(self) -> int:
        """Commits of the whole run, E·n."""
        return self.epochs * self.workers

    def epochs_done(self, commit: int) -> int:
        """Returns the number of whole epochs after `commit` commits."""
        return commit // self.workers

    def evaluation_due(self, commit: int) -> bool:
        """Returns whether the weights of `commit` are to be evaluated."""
        return self._due(commit, self.eval_every)

    def checkpoint_due(self, commit: int) -> bool:
        """Returns whether a checkpoint of `commit` is to be written."""
        return self._due(commit, self.checkpoint_every)

    def _due(self, commit: int, every: int) -> bool:
        epoch, rest = divmod(commit, self.workers)
        return epoch > 0 and not rest and (epoch % every == 0 or commit == self.total)
