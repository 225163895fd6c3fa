"""What a program gives a `dbsl_tf.Trainer`, checked before anything is begun."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from dbsl_tf.common.argument_names import in_words_of_a_program
from dbsl_tf.common.errors import UserError, reason_of
from dbsl_tf.common.printing import tell
from dbsl_tf.library.dual_batch import DualBatch
from dbsl_tf.schedules.calendar import Calendar
from dbsl_tf.schedules.merge_intervals import stretches

_DATA = "dbsl_tf.arrays, dbsl_tf.tfrecords, dbsl_tf.stream or dbsl_tf.Data"
_CALLBACK_EVENTS = (
    *("set_params", "set_model", "on_train_begin", "on_train_end"),
    *("on_epoch_begin", "on_epoch_end"),
)
# Keras's methods of callbacks that are never called here, as batches are trained elsewhere.
_NEVER_CALLED = tuple(
    f"on_{what}_{when}"
    for what in ("batch", "train_batch", "test_batch", "predict_batch", "test", "predict")
    for when in ("begin", "end")
)


@contextmanager
def in_words_of_the_program() -> Iterator[None]:
    """Has a `UserError` name the arguments in place of the keys of the configuration."""
    try:
        yield
    except UserError as error:
        raise UserError(in_words_of_a_program(str(error))) from error.__cause__


def check_arguments(given: Mapping[str, Any]) -> None:
    """Checks what the configuration does not say.

    Args:
        given: the attributes of a `dbsl_tf.Trainer`.

    Raises:
        UserError: one of them is not what it has to be.
    """
    build_model, data, plan = given["build_model"], given["data"], given["plan"]
    # A model can be called too, but does not return one.
    is_model = hasattr(build_model, "stateless_call") and not isinstance(build_model, type)
    if not callable(build_model) or is_model:
        raise _wrong("build_model", build_model, "give a function that returns the model")
    if isinstance(data, type) or not (
        hasattr(data, "write") or callable(getattr(data, "training_batches", None))
    ):
        raise _wrong("data", data, f"give what {_DATA} returns")
    if not isinstance(plan, DualBatch):
        raise _wrong("plan", plan, "give a dbsl_tf.DualBatch")
    _check_optimizer(given["optimizer"])
    _check_callbacks(given["callbacks"])
    for name in ("run_dir", "initial_weights"):
        path = given[name]
        if path is not None and not (isinstance(path, str | os.PathLike) and os.fspath(path)):
            raise _wrong(name, path, "give a path")
    weights = given["initial_weights"]
    if weights is not None and not os.path.exists(weights):
        raise UserError(
            f"initial_weights is {weights}, which does not exist; give a .keras or .weights.h5 "
            "file, or the directory of a run that has ended"
        )
    _check_cluster(given["cluster"])
    for name, example in (("evaluation", '{"average": "ema"}'), ("compute", '{"winograd": False}')):
        section = given[name]
        if section is not None and not isinstance(section, Mapping):
            raise _wrong(name, section, f"give a dict, such as {example}")
    if "precision" in (given["compute"] or {}):
        raise UserError(
            f"compute has precision={given['compute']['precision']}; leave it out, and set it by "
            "keras.config.set_dtype_policy"
        )


def learning_rates(optimizer: Any, calendar: Calendar) -> tuple[float, ...]:
    """Returns the base learning rate at the beginning of every mini-epoch of a run.

    Raises:
        UserError: one of them is not a number of 0 or more, or they are all 0.
    """
    rate = optimizer.learning_rate
    if not callable(rate):
        return (_rate(rate, 0.0),) * calendar.total
    rates = tuple(
        _rate(_scheduled(rate, position), position)
        for position in map(calendar.start, range(calendar.total))
    )
    if not any(rates):
        raise UserError(
            f"optimizer.learning_rate is 0 in all of the {calendar.epochs} epochs; raise it"
        )
    return rates


def calendar_of(optimizer: Any, plan: DualBatch, epochs: int) -> Calendar:
    """Returns which mini-epochs of a run are an epoch.

    Raises:
        UserError: the learning rate at the beginning of an epoch is not a number of 0 or more.
    """
    rate = optimizer.learning_rate

    def rate_at(epoch: float) -> float:
        return _rate(_scheduled(rate, epoch) if callable(rate) else rate, epoch)

    merged = epochs - plan.final_local_epochs
    found = stretches(merged, plan.mini_epochs_per_epoch, plan.merge_interval, rate_at)
    return Calendar(plan.workers, epochs, stretches=found, local_epochs=plan.final_local_epochs)


def plain(value: Any) -> Any:
    """Returns numbers of numpy as those of Python, as files hold them."""
    if isinstance(value, Mapping):
        return {key: plain(part) for key, part in value.items()}
    return value.item() if isinstance(value, np.generic) else value


def _scheduled(schedule: Callable[[float], Any], epoch: float) -> Any:
    try:
        return schedule(epoch)
    except Exception as error:  # Whatever a schedule of the user's raises.
        reason = reason_of(error)
        raise UserError(
            f"optimizer.learning_rate cannot be called with the epoch {epoch:g} ({reason:.200}); "
            "give a number, or a Keras LearningRateSchedule that counts epochs"
        ) from error


def _rate(value: Any, epoch: float) -> float:
    try:
        rate = float(value)
    except (TypeError, ValueError):
        rate = math.nan
    if isinstance(value, str) or not 0 <= rate < math.inf:
        raise UserError(
            f"optimizer.learning_rate is {value!r:.60} at epoch {epoch:g}; give numbers of 0 or "
            "more"
        )
    return rate


def _check_optimizer(optimizer: Any) -> None:
    methods = ("initial_state", "step")
    if isinstance(optimizer, type) or not all(
        callable(getattr(optimizer, method, None)) for method in methods
    ):
        raise _wrong(
            "optimizer",
            optimizer,
            "give dbsl_tf.SGD(…), dbsl_tf.AdamW(…), which is Adam with weight_decay=0, "
            "dbsl_tf.LARS(…), or an object of your own with initial_state and step",
        )
    if getattr(optimizer, "learning_rate", None) is None:
        raise UserError(
            f"optimizer is {optimizer!r:.60}, which has no learning_rate; give it a number, or a "
            "Keras LearningRateSchedule that counts epochs"
        )


def _check_callbacks(callbacks: Any) -> None:
    if isinstance(callbacks, str) or not isinstance(callbacks, Sequence):
        raise _wrong("callbacks", callbacks, "give a list of callbacks of Keras")
    for callback in callbacks:
        if isinstance(callback, type) or not all(
            callable(getattr(callback, event, None)) for event in _CALLBACK_EVENTS
        ):
            raise _wrong("a callback", callback, "give an object of a keras.callbacks.Callback")
        name = type(callback).__name__
        if any(each.__name__ == "LearningRateScheduler" for each in _keras_classes(callback)):
            raise UserError(
                f"a callback is a {name}, which would act an epoch late, as the next one is under "
                "way when it is called; give the optimizer a function of the epoch instead: "
                "optimizer=dbsl_tf.SGD(learning_rate=…)"
            )
        if ignored := [method for method in _NEVER_CALLED if _is_its_own(callback, method)]:
            tell(
                f"warning: the callback {name} has {', '.join(ignored)}, which will not be called: "
                "batches are trained by the workers; on_commit of a dbsl_tf.RunCallback is called "
                "after every mini-epoch"
            )


def _keras_classes(callback: Any) -> list[type]:
    """The classes of Keras that a callback is an object of."""
    return [each for each in type(callback).__mro__ if _is_of_keras(each)]


def _is_of_keras(kind: type) -> bool:
    return kind.__module__.split(".")[0] in ("keras", "keras_core")


def _is_its_own(callback: Any, method: str) -> bool:
    """Whether a callback has a method that is not that of a class of Keras."""
    if method in vars(callback):  # of a LambdaCallback
        return True
    has_it = next((each for each in type(callback).__mro__ if method in vars(each)), object)
    return has_it is not object and not _is_of_keras(has_it)


def _check_cluster(cluster: Any) -> None:
    if cluster is not None and not isinstance(cluster, Mapping):
        raise _wrong("cluster", cluster, 'give a dict, such as {"parameter_servers": 2}')
    if cluster and "workers" in cluster:
        raise UserError(
            f"cluster has workers={cluster['workers']!r:.60}; how many there are is said by the "
            "plan: give dbsl_tf.DualBatch(workers=…) instead"
        )


def _wrong(name: str, value: Any, remedy: str) -> UserError:
    kind = f"{value!r:.60}"
    if isinstance(value, type):
        kind = f"the class {value.__name__}"
    elif _is_of_keras(type(value)):
        # Their texts are types and addresses.
        kind = f"an object of Keras, {type(value).__name__}"
    return UserError(f"{name} is {' '.join(kind.split())}; {remedy}")
