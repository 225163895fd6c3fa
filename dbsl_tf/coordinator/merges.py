"""Merges results of mini-epochs: one by one, or all of a round at once."""

from __future__ import annotations

from dbsl_tf.coordinator.components import Components
from dbsl_tf.coordinator.dispatcher import Dispatcher
from dbsl_tf.coordinator.merge_facts import at_commit
from dbsl_tf.coordinator.mini_epoch import CompletedMiniEpoch
from dbsl_tf.resolved import RunSettings
from dbsl_tf.results.records import CommitRecord
from dbsl_tf.shared_model.merging import AtCommit

Merged = tuple[CompletedMiniEpoch, CommitRecord]


class Merges:
    """Merges what workers have pushed, and says what was merged. Not thread-safe.

    Args:
        settings: of the run.
        components: whose shared model they are merged into.
        dispatcher: knows the round, and how many are merged; to be told of these after `merge`.
    """

    def __init__(
        self, settings: RunSettings, components: Components, dispatcher: Dispatcher
    ) -> None:
        self._settings = settings
        self._calendar = settings.calendar
        self._in_rounds = settings.synchronization.in_rounds
        self._shared_model = components.shared_model
        self._objective = components.objective
        self._dispatcher = dispatcher
        # Results of the present round.
        self._round: list[CompletedMiniEpoch] = []
        # Commits before the last commit or round. Of a run that is resumed it is not known where
        # workers come and go.
        self._commits_before = dispatcher.merged - (
            settings.cluster.workers if self._in_rounds else 1
        )

    def in_round(self, number: int) -> bool:
        """Returns whether a mini-epoch is merged together with those of other workers."""
        return self._in_rounds or self._calendar.is_local(number)

    def merge(self, completed: CompletedMiniEpoch) -> list[Merged]:
        """Merges a result, or its round if that is complete; returns what was merged.

        Raises:
            ParameterServerLost: a parameter server was lost.
        """
        if self.in_round(completed.mini_epoch.number):
            merged = self._add_to_round(completed)
        else:
            merged = [self._merge_alone(completed)]
        if merged:
            self._commits_before = self._dispatcher.merged
        return merged

    def _merge_alone(self, completed: CompletedMiniEpoch) -> Merged:
        slot, plan = completed.mini_epoch.slot, completed.plan
        facts = self._facts(completed)
        commit = self._shared_model.merge(slot, plan.index, plan.update_factor, facts)
        return self._recorded(completed, commit, commit - 1 - completed.mini_epoch.start)

    def _add_to_round(self, completed: CompletedMiniEpoch) -> list[Merged]:
        self._round.append(completed)
        if len(self._round) < self._dispatcher.round.size:
            return []
        # In worker order: the sum must not depend on who finished first.
        done = sorted(self._round, key=lambda r: (r.plan.index, r.mini_epoch.number))
        self._round = []
        last = self._shared_model.merge_round(
            [each.mini_epoch.slot for each in done],
            [each.plan.index for each in done],
            [each.plan.update_factor for each in done],
            # At the end of a run without merges the results are averaged, whatever the rule.
            None if self._calendar.is_local(self._dispatcher.merged) else self._facts(done[0]),
        )
        first = last - len(done) + 1
        # All of a round are one update, made from the same weights.
        return [self._recorded(each, first + i, 0) for i, each in enumerate(done)]

    def _facts(self, completed: CompletedMiniEpoch) -> AtCommit:
        begun = completed.mini_epoch
        factors, rate = begun.active_plan.update_factors, begun.base_learning_rate
        merged = self._dispatcher.merged
        return at_commit(self._settings, merged, self._commits_before, factors, rate)

    def _recorded(self, completed: CompletedMiniEpoch, commit: int, staleness: int) -> Merged:
        epoch = self._calendar.epoch_of(commit)
        return completed, completed.record(commit, epoch, staleness, self._objective)
