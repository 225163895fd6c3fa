"""What a program sees of its run: callbacks while it trains, history and model afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dbsl_tf.config.evaluation_section import EvaluationSection
from dbsl_tf.library.epochs import Epochs
from dbsl_tf.library.observed_model import ObservedModel, ObservedOptimizer
from dbsl_tf.library.run_callback import RunCallback
from dbsl_tf.library.training_process import TrainingProcess
from dbsl_tf.results.checkpoints import Checkpoints
from dbsl_tf.results.evaluated_weights import evaluated_weights
from dbsl_tf.results.run_directory import RunDirectory
from dbsl_tf.results.stored_objects import read_history
from dbsl_tf.schedules.calendar import Calendar
from dbsl_tf.training.network import Network

# Kinds of records that a `RunCallback` has a method for.
_FINER = ("commit", "evaluation", "drift", "workers", "fault")


@dataclass(frozen=True)
class Expected:
    """What is known of a run before it begins.

    Attributes:
        directory: of the run.
        calendar: of the whole run.
        learning_rates: of the schedule at the beginning of each epoch.
        validation: whether samples are held out for it.
        evaluation: which weights are evaluated.
    """

    directory: RunDirectory
    calendar: Calendar
    learning_rates: Sequence[float]
    validation: bool = False
    evaluation: EvaluationSection = EvaluationSection()


class Observation:
    """Follows a run from its first record to its end, and calls the callbacks of Keras.

    Args:
        expected: what is known of the run.
        model: the program's.
        network: the same as a function of its weights.
        callbacks: of Keras 3.

    Attributes:
        model: as given; after `end` it has the weights of the run.
    """

    def __init__(
        self, expected: Expected, model: Any, network: Network, callbacks: Sequence[Any]
    ) -> None:
        self._expected = expected
        self._network = network
        self._callbacks = callbacks
        self._epochs = Epochs(expected.calendar, expected.validation)
        self._epoch = 0
        self._begun_epoch: int | None = None
        self._factor = 1.0
        self._process: TrainingProcess | None = None
        self._optimizer = ObservedOptimizer(expected.learning_rates[0], self._set_learning_rate)
        self._model = ObservedModel(model, self._optimizer, self._fetch)
        self.model = model
        self._begun = False
        # What happened while the workers loaded the network; callbacks hear of it once it begins.
        self._early_events: list[dict[str, Any]] = []
        for callback in callbacks:
            callback.set_params({"epochs": expected.calendar.epochs, "verbose": 0, "steps": None})
            callback.set_model(self._model)

    def take(self, process: TrainingProcess, event: dict[str, Any]) -> None:
        """Takes in what the run sends."""
        self._process = process
        if not self._begun and event["event"] != "begin":
            self._early_events.append(event)
            return
        if event["event"] == "begin":
            # Once more where the run was resumed by itself.
            if not self._begun:
                self._begun = True
                self._pass_over_earlier_epochs()
                self._call("on_train_begin")
                self._begin_epoch(self._epochs.next)
            self._epochs.begin_after(event["commit"])
            if self._factor != 1.0:
                process.ask("scale_learning_rates", self._factor)
            before, self._early_events = self._early_events, []
            for earlier in before:
                self.take(process, earlier)
        if event["event"] in _FINER:
            for callback in self._callbacks:
                if isinstance(callback, RunCallback):
                    getattr(callback, f"on_{event['event']}")(event)
            self._stop_if_wanted()
        for epoch, logs in self._epochs.completed_by(event):
            self._end_epoch(epoch, logs)
        if self._epochs.completes_one(event):
            # The next one may replace the weights that callbacks saw.
            process.ask("seen")

    def end(self) -> dict[str, list[float]]:
        """The run has ended; returns the history of all its epochs, of earlier processes too."""
        self._process = None
        self._model.outdate()
        history: dict[str, list[float]] = {}
        epochs = Epochs(self._expected.calendar, self._expected.validation)
        logs: dict[str, float] = {}
        for event in read_history(self._expected.directory):
            for _, logs in epochs.completed_by(event):
                for name, value in logs.items():
                    history.setdefault(name, []).append(value)
        for name, value in epochs.tested.items():
            history[name] = [value]
        self._call("on_train_end", logs | epochs.tested)
        # Unless a callback has given it others.
        self._model.get_weights()
        return history

    def _pass_over_earlier_epochs(self) -> None:
        """Those of earlier processes; an epoch in which one was interrupted is completed here."""
        for earlier in read_history(self._expected.directory):
            for _ in self._epochs.completed_by(earlier):
                pass

    def _begin_epoch(self, epoch: int) -> None:
        """Tells callbacks of an epoch, which may be under way, unless all are complete."""
        if epoch == self._expected.calendar.epochs:
            return
        self._epoch = self._begun_epoch = epoch
        self._optimizer.show(self._expected.learning_rates[epoch] * self._factor)
        self._call("on_epoch_begin", epoch)

    def _end_epoch(self, epoch: int, logs: dict[str, float]) -> None:
        if self._begun_epoch != epoch:
            self._begin_epoch(epoch)
        self._model.outdate()
        self._call("on_epoch_end", epoch, logs)
        self._stop_if_wanted()
        if not self._model.stop_training:
            self._begin_epoch(self._epochs.next)

    def _stop_if_wanted(self) -> None:
        if self._model.stop_training and self._process is not None:
            self._process.ask("stop")

    def _call(self, event: str, *arguments: Any) -> None:
        for callback in self._callbacks:
            getattr(callback, event)(*arguments)

    def _set_learning_rate(self, rate: float) -> None:
        scheduled = self._expected.learning_rates[self._epoch]
        if scheduled > 0:
            self._factor = rate / scheduled
            if self._process is not None:
                self._process.ask("scale_learning_rates", self._factor)

    def _fetch(self) -> None:
        path = self._expected.directory.path / ".weights.npz"
        try:
            if self._process is not None and self._process.write_weights(path):
                with np.load(path) as arrays:
                    weights = [arrays[name] for name in arrays.files]
            else:
                # The training has ended, or the run has just lost a server.
                checkpoints = Checkpoints(self._expected.directory.checkpoints, keep=1)
                checkpoint = checkpoints.latest(print)
                if checkpoint is None:
                    return
                evaluation = self._expected.evaluation
                weights = evaluated_weights(checkpoint, evaluation, checkpoints.statistics).weights
        finally:
            path.unlink(missing_ok=True)
        self._network.assign(weights)
