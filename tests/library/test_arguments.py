"""What `dbsl_tf.Trainer` refuses before anything is begun, in one line each."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import dbsl_tf
from dbsl_tf.common.errors import UserError
from dbsl_tf.library.arguments import calendar_of, check_arguments, learning_rates
from dbsl_tf.library.program import Program
from dbsl_tf.results.run_directory import RunDirectory
from dbsl_tf.schedules.calendar import Calendar

X, Y = np.zeros([40, 4], np.float32), np.zeros([40], np.int64)
LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def build_model(outputs: int = 3) -> keras.Model:
    return keras.Sequential([keras.Input([4]), keras.layers.Dense(outputs)])


class Constant(keras.optimizers.schedules.LearningRateSchedule):
    def __init__(self, value: Any) -> None:
        self.value = value

    def __call__(self, step: Any) -> Any:
        return self.value


def fit(folder: Path, epochs: Any = 1, plan: dict | None = None, **given: Any) -> None:
    settings: dict[str, Any] = {
        "build_model": build_model,
        "data": dbsl_tf.arrays(X, Y, X, Y),
        "plan": dbsl_tf.DualBatch(**{"large_batch": 8, "time_model": (1e-3, 1e-2), **(plan or {})}),
        "loss": LOSS,
        "run_dir": folder / "run",
    }
    dbsl_tf.Trainer(**{**settings, **given}).fit(epochs)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"epochs": 0}, "epochs is 0; give a whole number from 1 to 1000000"),
        ({"epochs": "3"}, "epochs is '3'; give a whole number"),
        ({"plan": {"workers": 0}}, "plan.workers is 0; give a whole number"),
        ({"plan": {"workers": 2.0}}, "plan.workers is 2.0; give a whole number"),
        ({"plan": {"small_workers": 3}}, r"plan.small_workers is 3; give 0 to 2 \(plan.workers\)"),
        ({"plan": {"large_batch": 8.5}}, "plan.large_batch is 8.5; give a whole number"),
        ({"plan": {"extra_time_ratio": None}}, "plan.extra_time_ratio is null; give a number"),
        ({"plan": {"time_model": "none.json"}}, "time_model is 'none.json', and there is no such"),
        ({"plan": {"sync": "now"}}, "plan.sync is 'now'; give one of"),
        ({"plan": {"merge": "bogus"}}, "plan.merge is 'bogus'; give"),
        ({"plan": {"merge": 3}}, "plan.merge is 3; give"),
        ({"seed": -1}, "seed is -1; give a whole number"),
        ({"cluster": {"workers": 7}}, "cluster has workers=7; .* by the plan"),
        ({"cluster": {"servers": 7}}, "cluster.servers is not a key"),
        ({"cluster": [1]}, r"cluster is \[1\]; give a dict"),
        ({"compute": [1]}, r"compute is \[1\]; give a dict, such as"),
        ({"compute": {"winograd": 3}}, "compute.winograd is 3; give"),
        ({"compute": {"precision": "auto"}}, "compute has precision=auto; leave it out"),
        ({"callbacks": None}, "callbacks is None; give a list"),
        ({"callbacks": [keras.callbacks.EarlyStopping]}, "a callback is the class EarlyStopping"),
        ({"callbacks": keras.callbacks.EarlyStopping()}, "callbacks is .*; give a list"),
        (
            {"callbacks": [keras.callbacks.LearningRateScheduler(float)]},
            r"a callback is a LearningRateScheduler, .*=dbsl_tf.SGD\(learning_rate=",
        ),
        ({"metrics": "accuracy"}, "metrics is 'accuracy'; give a list"),
        ({"metrics": ""}, "metrics is ''; give a list"),
        ({"metrics": [3]}, "a metric is 3; give a metric"),
        ({"loss": "mes"}, "loss is 'mes', which Keras does not know; give another name"),
        ({"loss": None}, "set loss, for .* keras.losses.SparseCategoricalCrossentropy.from_logits"),
        (
            {"loss": "mse", "metrics": ["accuracy"], "build_model": lambda: build_model(1)},
            "accuracy needs .* set metrics to others",
        ),
        (
            {"loss": lambda y, p: tf.cast(y, tf.float32) - p},
            r"the loss fails on labels of int64 \[batch\] .* must be equal, but are batch and 3",
        ),
        ({"loss": lambda y, p: 3.0}, "the loss .*"),
        (
            {"optimizer": keras.optimizers.Adam(0.1)},
            "optimizer is an object of Keras, Adam; give dbsl_tf.SGD.* weight_decay=0",
        ),
        ({"optimizer": dbsl_tf.SGD}, "optimizer is the class SGD; give dbsl_tf.SGD"),
        ({"optimizer": dbsl_tf.SGD(Constant(-1.0))}, "learning_rate is -1.0 at epoch 0; give"),
        ({"optimizer": dbsl_tf.SGD(Constant("a"))}, "learning_rate is 'a' at epoch 0; give"),
        ({"optimizer": dbsl_tf.SGD(Constant(0.0))}, "learning_rate is 0 in all of the 1 epochs"),
        ({"optimizer": dbsl_tf.SGD(lambda: 0.1)}, "learning_rate cannot be called with the epoch"),
        ({"build_model": build_model()}, "build_model is .*; give a function"),
        ({"build_model": lambda: 3}, "the model is a builtins.int; return a keras.Model"),
        ({"data": (X, Y)}, r"data is \(array.*; give what dbsl_tf.arrays"),
        ({"run_dir": 3}, "run_dir is 3; give a path"),
        ({"run_dir": ""}, "run_dir is ''; give a path"),
        ({"initial_weights": "none.keras"}, "initial_weights is none.keras, which does not exist"),
    ],
    # Two processes that collect the tests must give them the same names.
    ids=lambda value: str(value)[:40] if isinstance(value, str) else ",".join(value),
)
def test_what_cannot_be_used_is_one_line(
    tmp_path: Path, given: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message) as raised:
        fit(tmp_path, **given)
    text = str(raised.value)
    assert "\n" not in text
    assert "trainer.yaml" not in text
    # Nothing that a later attempt would stumble over.
    assert not RunDirectory(tmp_path / "run").trainer.exists()
    assert not RunDirectory(tmp_path / "run").program.exists()


class OfBatches(keras.callbacks.ModelCheckpoint):
    """Keras's has methods for batches too, which do nothing where it saves once an epoch."""

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        raise AssertionError


def test_methods_that_are_not_called_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    of_keras = keras.callbacks.ModelCheckpoint(tmp_path / "a.keras")
    of_functions = keras.callbacks.LambdaCallback(on_train_batch_begin=print)
    callbacks = [of_keras, OfBatches(tmp_path / "b.keras"), keras.callbacks.TerminateOnNaN()]
    callbacks.append(of_functions)
    data = dbsl_tf.arrays(X, Y, X, Y)
    check_arguments(vars(dbsl_tf.Trainer(build_model, data, loss=LOSS)) | {"callbacks": callbacks})
    first, second = capsys.readouterr().err.split("warning: ")[1:]
    assert first.startswith("the callback OfBatches has on_train_batch_end, which will not be")
    assert second.startswith("the callback LambdaCallback has on_train_batch_begin, which will")


class Wide(keras.Model):
    def __init__(self) -> None:
        super().__init__()
        self.dense = keras.layers.Dense(3)

    def call(self, x: Any) -> Any:
        return self.dense(x)


def test_a_class_of_models_builds_one() -> None:
    check_arguments(vars(dbsl_tf.Trainer(Wide, dbsl_tf.arrays(X, Y, X, Y), loss=LOSS)))


def test_a_schedule_may_begin_at_zero() -> None:
    warmup = keras.optimizers.schedules.CosineDecay(
        0.0, decay_steps=4, warmup_target=0.1, warmup_steps=2
    )
    rates = learning_rates(dbsl_tf.SGD(warmup), Calendar(2, 3))
    assert rates == pytest.approx((0.0, 0.025, 0.05, 0.075, 0.1, 0.096194), abs=1e-5)


def test_another_run_keeps_its_program(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path / "run")
    directory.checkpoints.mkdir(parents=True)
    (directory.checkpoints / "commit-000000001.npz").write_bytes(b"")
    directory.trainer.write_text("its settings")
    directory.program.write_bytes(b"its program")
    with pytest.raises(UserError, match="the model is a builtins.int"):
        fit(tmp_path, build_model=lambda: 3)
    assert directory.trainer.read_text() == "its settings"
    assert directory.program.read_bytes() == b"its program"


@pytest.mark.parametrize("rate", [-0.1, 0, float("nan"), float("inf"), None, "0.1"])
def test_a_learning_rate_is_a_number_above_zero(rate: Any) -> None:
    with pytest.raises(ValueError, match="learning_rate must be a number above 0 or a function"):
        dbsl_tf.SGD(learning_rate=rate)


def test_the_programs_precision_is_that_of_the_process_that_trains(tmp_path: Path) -> None:
    trainer = dbsl_tf.Trainer(build_model, dbsl_tf.arrays(X, Y, X, Y), run_dir=tmp_path / "run")
    keras.config.set_dtype_policy("mixed_float16")
    try:
        sections = trainer._sections(RunDirectory(trainer.directory), 1, None)
    finally:
        keras.config.set_dtype_policy("float32")
    # With it come loss scaling and the same model when the run is evaluated or exported.
    assert sections["compute"] == {"precision": "mixed_float16"}


def test_learning_rates_of_epochs_that_are_merged_more_or_less_often() -> None:
    """Two epochs of two, then one, mini-epochs of each worker; the last two are local."""
    falling = keras.optimizers.schedules.PiecewiseConstantDecay([0.9], [0.2, 0.1])
    plan = dbsl_tf.DualBatch(
        workers=2, mini_epochs_per_epoch=2, merge_interval="quadratic", final_local_epochs=2
    )
    optimizer = dbsl_tf.SGD(falling)
    calendar = calendar_of(optimizer, plan, epochs=4)
    assert [calendar.mini_epochs(epoch) for epoch in (1, 2, 3)] == [2, 1, Fraction(1, 2)]
    rates = learning_rates(optimizer, calendar)
    assert rates == pytest.approx([0.2] * 4 + [0.1] * 4)
    starts = tuple(map(calendar.start, range(calendar.total)))
    assert starts == (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 2.0)
    program = Program(None, None, None, None, tuple(range(8)), workers=2, starts=starts)
    assert [program._learning_rate(epoch) for epoch in (0, 0.5, 1, 2.0, 3.5)] == [0, 2, 4, 7, 7]
