"""`dbsl_tf.Trainer`: dual batch sizes for a program's own model and data."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from functools import cached_property
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dbsl_tf.cluster.task import CHIEF, Task, task_from_environment
from dbsl_tf.common.errors import ClusterError, UserError
from dbsl_tf.common.files import write_whole_text
from dbsl_tf.common.printing import fitted
from dbsl_tf.common.program import python_module
from dbsl_tf.common.registry import OWN
from dbsl_tf.config import Config, config_of
from dbsl_tf.config.yaml_text import write_yaml
from dbsl_tf.library.arguments import (
    calendar_of,
    check_arguments,
    in_words_of_the_program,
    learning_rates,
    plain,
)
from dbsl_tf.library.dual_batch import DualBatch
from dbsl_tf.library.kept_files import kept_if_refused
from dbsl_tf.library.observation import Expected, Observation
from dbsl_tf.library.program import Program
from dbsl_tf.library.training_process import TrainingProcess, train_in_process
from dbsl_tf.results.run_directory import RunDirectory, claim_folder, release_folder
from dbsl_tf.results.stored_objects import read_object
from dbsl_tf.schedules.calendar import Calendar

if TYPE_CHECKING:
    from dbsl_tf.training.objective_settings import ObjectiveSettings


# Directories of runs of this process that were interrupted, by `Trainer._name`.
_interrupted: dict[str, Path] = {}


@dataclass(frozen=True)
class Run:
    """A run of a `Trainer` that has ended.

    Attributes:
        directory: of the run, for `dbsl report`, `plot`, `evaluate` and `export`.
        history: what Keras's `History.history` is: for each quantity its values, one an epoch.
            Where samples are held out for validation, those with `test_` before their names are of
            the test set at the end of the run: one value each.
        model: the Keras model with the trained weights, those that were evaluated last, or that a
            callback has given it; not compiled.
    """

    directory: Path
    history: Mapping[str, Sequence[float]]
    model: Any = field(repr=False)


@dataclass
class Trainer:
    """Trains a Keras model with dual batch sizes on a parameter-server cluster.

    The servers, and the coordinator that tells them what to do, are processes of their own, which
    `fit` starts and ends. With TF_CONFIG set the servers are those of a cluster: the program is
    then the chief, and workers and parameter servers run `python -m dbsl_tf.serve`, which needs
    none of the program's code; the program itself, started there, serves too.

    Attributes:
        build_model: a function, or a class of models, that takes no argument and returns a model
            of Keras 3 or keras-core; called here and in the process that trains. Weights of layers
            that are not trainable stay as they are.
        data: see `dbsl_tf.arrays`, `dbsl_tf.tfrecords`, `dbsl_tf.stream` and `dbsl_tf.Data`.
        plan: who trains with which batch.
        optimizer: `dbsl_tf.SGD`, `dbsl_tf.AdamW`, `dbsl_tf.LARS`, or one of your own; None:
            `dbsl_tf.SGD()`. Its `learning_rate` is a number, or a Keras LearningRateSchedule that
            counts epochs.
        loss: of Keras, itself or its name; a function of (y, prediction) that returns [batch]; a
            dict of such, one for each output; None: cross-entropy of one-hot labels and logits.
            Losses of the model's own, such as those of regularizers and `add_loss`, are added to
            it, in the history too.
        metrics: of Keras, or functions like a loss; a list, or a dict with those of each output.
            An evaluation has their exact values; for the training of an epoch, the history has the
            means over its mini-epochs.
        callbacks: of Keras; they run in this process beside the training, see `fit`. A
            `dbsl_tf.RunCallback` also sees commits, evaluations, drifts, faults and plans for the
            workers that are there.
        run_dir: where results go, and where the run is resumed; None: a new folder in runs/, or
            that of the same run if it was interrupted in this process.
        initial_weights: a .keras or .weights.h5 file, or the directory of a run; None: those that
            `build_model` gives.
        seed: of initial weights, shuffling, augmentation and what is held out.
        cluster: what the section `cluster` of a configuration holds, such as
            {"parameter_servers": 2}; None: its defaults.
        validation_samples: how many training samples to hold out; the run is then evaluated on
            them, and on the test set at its end only. 0: it is evaluated on the test set.
        evaluation: what the section `evaluation` of a configuration holds, such as
            {"average": "ema", "batch_norm_batches": 100}: which weights are evaluated and given
            back; None: the global weights.
        compute: what the section `compute` of a configuration holds, such as {"winograd": False},
            without the precision, which is that of `keras.config.dtype_policy`; None: its defaults.

    Raises:
        UserError: a value cannot be used; the message says which, and what can.

    Example:
        >>> trainer = dbsl_tf.Trainer(
        ...     build_model,
        ...     dbsl_tf.arrays(x, y, x_test, y_test),
        ...     plan=dbsl_tf.DualBatch(workers=2, large_batch=20, time_model=(0.001, 0.01)),
        ...     loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        ... )
        >>> run = trainer.fit(epochs=2, verbose=False)
        >>> sorted(run.history)
        ['loss', 'val_loss']
    """

    build_model: Callable[[], Any]
    data: Any
    plan: DualBatch = field(default_factory=DualBatch)
    optimizer: Any = None
    loss: Any = None
    metrics: Sequence[Any] | None = None
    callbacks: Sequence[Any] = ()
    run_dir: str | os.PathLike[str] | None = None
    initial_weights: str | os.PathLike[str] | None = None
    seed: int = 0
    cluster: Mapping[str, Any] | None = None
    validation_samples: int = 0
    evaluation: Mapping[str, Any] | None = None
    compute: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        _import_keras_core()
        # Imported here because it loads TensorFlow.
        from dbsl_tf.training.objective_settings import ObjectiveSettings
        from dbsl_tf.training.optimizers.sgd import SGD

        if self.optimizer is None:
            self.optimizer = SGD()
        check_arguments(vars(self))
        ObjectiveSettings(self.loss, self.metrics)
        # Wherever the program goes until `fit`.
        if self.run_dir is not None:
            self.run_dir = Path(self.run_dir).absolute()
        if self.initial_weights is not None:
            self.initial_weights = Path(self.initial_weights).absolute()

    @cached_property
    def directory(self) -> Path:
        """Where the results go; made now if it is a new one in runs/."""
        if self.run_dir is not None:
            return Path(self.run_dir)
        interrupted = _interrupted.get(self._name)
        if interrupted is not None:
            line = f"resuming {interrupted}, which was interrupted; give run_dir for another run"
            print(fitted(line, sys.stdout))
            return interrupted
        script = Path(getattr(sys.modules["__main__"], "__file__", None) or "notebook").stem
        return claim_folder(script).absolute()

    @property
    def _name(self) -> str:
        """The same for trainers that begin the same run, such as those of a cell run twice."""
        model = getattr(self.build_model, "__qualname__", repr(self.build_model))
        return repr((Path.cwd(), model, self.plan, self.seed, self.validation_samples))

    @in_words_of_the_program()
    def fit(self, epochs: int, verbose: bool = True) -> Run:
        """Trains until `epochs` are done in all, and evaluates after every one.

        A run that was interrupted, here or by the loss of this process, is resumed from its last
        checkpoint when `fit` is called again with the same `run_dir`; one that has ended is
        trained further if there are more epochs to train, and is otherwise given back as it is.

        Callbacks get the logs of each epoch as it is complete, while the next one is being
        trained: `loss` and the metrics of the training, and those of the evaluation with `val_`
        before them: on the samples held out for validation, or else on the test set. The model
        they see has the weights that were evaluated last. One that sets
        `self.model.stop_training` ends the run in order, one that sets
        `self.model.optimizer.learning_rate` sets the base learning rate from now on.

        Args:
            epochs: mini-epochs of every worker.
            verbose: whether the run shows its progress.

        Raises:
            UserError: something cannot be used, or the training diverged.
            ClusterError: the cluster was lost; call it again to resume.
            KeyboardInterrupt: it was interrupted; likewise.
        """
        task = task_from_environment(os.environ)
        if task is not None and task.role != CHIEF:
            serve = python_module("dbsl_tf.serve")
            os.execv(serve[0], serve)
        try:
            return self._fit(epochs, verbose, task)
        finally:
            if self.run_dir is None:
                release_folder(self.directory)

    def _fit(self, epochs: int, verbose: bool, task: Task | None) -> Run:
        # Imported here because it loads TensorFlow.
        from dbsl_tf.training.objective_settings import ObjectiveSettings

        directory = RunDirectory(self.directory)
        sections = self._sections(directory, epochs, task)
        config = config_of(sections)
        calendar = calendar_of(self.optimizer, self.plan, epochs)
        rates = learning_rates(self.optimizer, calendar)
        sections["optimizer"]["base_lr"] = next(filter(None, rates))
        directory.resumes(config.run.resume)
        if directory.is_trained(calendar.total):
            data = self._data_of_finished(directory, epochs)
            if verbose:
                line = f"{directory.path} has been trained for {epochs} epoch(s): nothing is left"
                print(fitted(line, sys.stdout))
            objective = ObjectiveSettings(self.loss)
            observation = self._observation(directory, config, data, objective, calendar, rates, ())
            return Run(directory.path, observation.end(), observation.model)
        with kept_if_refused(directory.trainer, directory.program) as begun:
            write_whole_text(directory.trainer, write_yaml(sections))
            data = self.data.write(directory.arrays) if hasattr(self.data, "write") else self.data
            objective = ObjectiveSettings(self.loss, self.metrics)
            observation = self._observation(
                directory, config, data, objective, calendar, rates, self.callbacks
            )
            Program(
                model=self.build_model,
                data=data,
                optimizer=self.optimizer,
                objective=objective,
                learning_rates=rates,
                workers=self.plan.workers,
                starts=tuple(map(calendar.start, range(calendar.total))),
                merge=self.plan.merge if callable(self.plan.merge) else None,
            ).save(directory.program)

            def take(process: TrainingProcess, event: dict[str, Any]) -> None:
                begun()
                observation.take(process, event)

            try:
                train_in_process(directory, take, quiet=not verbose)
            except (ClusterError, KeyboardInterrupt):
                _interrupted[self._name] = directory.path
                raise
        _interrupted.pop(self._name, None)
        history = observation.end()
        return Run(directory.path, history, observation.model)

    def _data_of_finished(self, directory: RunDirectory, epochs: int) -> Any:
        """Returns the data of a run that has ended, whose arrays stay as they are.

        Raises:
            UserError: the trainer was given others.
        """
        if not hasattr(self.data, "write"):
            return self.data
        data = self.data.already_in(directory.arrays)
        before = read_object(directory, directory.data).get("arrays")
        if before not in (None, data.facts()["arrays"]):
            raise UserError(
                f"run_dir={directory.path} holds a run of {epochs} epochs on other arrays: raise "
                "epochs to go on with these, or give another run_dir"
            )
        return data

    def _observation(
        self,
        directory: RunDirectory,
        config: Config,
        data: Any,
        objective: ObjectiveSettings,
        calendar: Calendar,
        rates: Sequence[float],
        callbacks: Sequence[Any],
    ) -> Observation:
        # Imported here because it loads TensorFlow.
        from dbsl_tf.models.own import build_own_model
        from dbsl_tf.training.network import Network

        x, y = data.element_spec()
        built = build_own_model(self.build_model, x, self.seed)
        network = Network(built.model, fixed=built.fixed)
        objective.build_for(network, x, y)
        expected = Expected(
            directory=directory,
            calendar=calendar,
            learning_rates=[
                rates[calendar.first_number(epoch)] for epoch in range(1, calendar.epochs + 1)
            ],
            validation=config.data.validation_samples > 0,
            evaluation=config.evaluation,
        )
        return Observation(expected, built.model, network, callbacks)

    def _sections(
        self, directory: RunDirectory, epochs: int, task: Task | None
    ) -> dict[str, dict[str, Any]]:
        """What this trainer describes, as the configuration of the process that trains."""
        cluster = dict(self.cluster or {})
        if task is not None:
            cluster.setdefault("parameter_servers", len(task.addresses.parameter_servers))
        planned = self.plan.sections()
        data, schedule = planned.pop("data"), planned.pop("schedule")
        content: dict[str, dict[str, Any]] = {
            **planned,
            "data": {**data, "name": OWN, "validation_samples": self.validation_samples},
            "model": {"name": OWN},
            "optimizer": {"name": OWN},
            "training": {"loss": OWN},
            "cluster": {"workers": self.plan.workers, **cluster},
            "schedule": {**schedule, "epochs": epochs, "learning_rate": OWN},
            "run": {"seed": self.seed, "resume": "auto", "dir": str(directory.path)},
        }
        # Imported here because it loads TensorFlow.
        import keras

        content["compute"] = dict(self.compute or {})
        policy = keras.config.dtype_policy().name
        if policy.startswith("mixed_"):
            content["compute"]["precision"] = policy
        if self.evaluation is not None:
            content["evaluation"] = dict(self.evaluation)
        if self.initial_weights is not None:
            content["model"]["weights"] = str(self.initial_weights)
        return {section: plain(values) for section, values in content.items()}


def _import_keras_core() -> None:
    """Imports what else prints a line about its backend."""
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        import keras_core  # noqa: F401
