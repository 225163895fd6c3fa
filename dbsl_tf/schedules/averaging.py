"""How much each commit counts in the averaged weights that are evaluated."""

from __future__ import annotations

import math
from dataclasses import dataclass

from dbsl_tf.schedules.calendar import Calendar

EMA, LAST = "ema", "last"


@dataclass(frozen=True)
class Averaging:
    """An average e of the global weights g over commits: e ← (1 − s)·e + s·g, s being a share.

    - `ema`: s = 1/(c·m) for c epochs of m commits, so that e ← ρ·e + (1 − ρ)·g with
      ρ = 1 − 1/(c·m). It begins with the weights of the first commit.
    - `last`: the mean over the commits of the last c epochs; until then e is g.

    Attributes:
        rule: `ema` or `last`.
        epochs: c; may be a fraction of an epoch.
        calendar: knows how many commits an epoch has.
        since: the commit after which averaging begins; up to the next one e is g.
    """

    rule: str
    epochs: float
    calendar: Calendar
    since: int

    @property
    def begun(self) -> tuple[str, int]:
        """What a checkpoint keeps of it: `rule` and `since`."""
        return self.rule, self.since

    def has_begun(self, commit: int) -> bool:
        """Returns whether e may differ from g after `commit` commits."""
        return commit > self.since

    def share(self, first: int, last: int) -> float:
        """Returns the share of g in e after commits `first` to `last`, which all give this g."""
        kept = math.prod(1.0 - self._share_of_one(commit) for commit in range(first, last + 1))
        return 1.0 - kept

    def _share_of_one(self, commit: int) -> float:
        if commit <= self.since + 1:
            return 1.0
        if self.rule == LAST:
            return 1.0 / (commit - self.since)
        commits = self.calendar.commits_per_epoch(self.calendar.epoch_of(commit))
        return 1.0 / max(1.0, self.epochs * commits)


def averaging_from(
    rule: str,
    epochs: float,
    calendar: Calendar,
    commit: int = 0,
    begun: tuple[str, int] | None = None,
) -> Averaging:
    """Returns the averaging of a run that starts or is resumed.

    An average that cannot go on, because it is of another rule or has commits from before the last
    epochs of a run that now is longer, begins anew.

    Args:
        rule, epochs, calendar: see `Averaging`.
        commit: where the run starts.
        begun: `Averaging.begun` of the checkpoint; None: it has no average.
    """
    since = calendar.commits_before(calendar.epochs - epochs) if rule == LAST else 0
    if commit > since:
        goes_on = begun is not None and begun[0] == rule and since <= begun[1] < commit
        since = begun[1] if begun is not None and goes_on else commit
    return Averaging(rule, epochs, calendar, since)
