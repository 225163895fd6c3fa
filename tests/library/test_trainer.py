"""`dbsl_tf.Trainer` as a program uses it, with a cluster of its own."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import dbsl_tf
from dbsl_tf.common.errors import UserError
from dbsl_tf.data.held_out import HeldOut
from dbsl_tf.results.checkpoints import Checkpoints
from tests.support.launching import ROOT

FEATURES, CLASSES, SAMPLES = 12, 3, 120
PLAN = dbsl_tf.DualBatch(workers=2, large_batch=20, time_model=(0.001, 0.01))


def build_model() -> keras.Model:
    return keras.Sequential(
        [
            keras.Input([FEATURES]),
            keras.layers.Dense(8, activation="relu"),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.1),
            keras.layers.Dense(CLASSES),
        ]
    )


def samples() -> tuple[np.ndarray, ...]:
    """Classes that lie apart, so that they are learnt in a few epochs."""
    numbers = np.random.default_rng(0)
    y = numbers.integers(CLASSES, size=SAMPLES)
    x = numbers.normal(size=[SAMPLES, FEATURES]) + 4 * np.eye(CLASSES, FEATURES)[y]
    return x[:-20].astype("float32"), y[:-20], x[-20:].astype("float32"), y[-20:]


def trainer(folder: Path, **settings: object) -> dbsl_tf.Trainer:
    given: dict[str, Any] = {
        "plan": PLAN,
        "optimizer": dbsl_tf.SGD(learning_rate=0.1),
        "loss": keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        "metrics": [keras.metrics.SparseCategoricalAccuracy()],
        "run_dir": folder / "run",
        **settings,
    }
    data = given.pop("data", None) or dbsl_tf.arrays(*samples())
    return dbsl_tf.Trainer(build_model, data, **given)


@pytest.mark.cluster
def test_fit_gives_history_model_and_directory(tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    evaluation = {"average": "ema", "average_epochs": 0.8, "batch_norm_batches": 3}
    callbacks = [keras.callbacks.CSVLogger(log)]
    compute = {"winograd": False}
    settings = {"callbacks": callbacks, "evaluation": evaluation, "compute": compute}
    run = trainer(tmp_path, **settings).fit(epochs=4)

    names = {"loss", "sparse_categorical_accuracy"}
    assert set(run.history) == names | {f"val_{name}" for name in names}
    assert all(len(values) == 4 for values in run.history.values())
    assert run.history["val_loss"][-1] < run.history["val_loss"][0]
    # The model has the weights that the last epoch was evaluated with.
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    _, _, x_test, y_test = samples()
    logits = run.model.predict(x_test, verbose=0)
    assert float(loss(y_test, logits)) == pytest.approx(run.history["val_loss"][-1], rel=1e-4)
    # And so has the file.
    stored = keras.saving.load_model(run.directory / "model.keras")
    for ours, theirs in zip(stored.get_weights(), run.model.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs)
    # They are not those of the last commit, nor is their statistics' average.
    checkpoint = Checkpoints(run.directory / "checkpoints", keep=1).latest(print)
    assert checkpoint is not None
    variables = [*stored.trainable_variables, *stored.non_trainable_variables]
    evaluated = [each.numpy() for each in variables if each.name != "seed_generator_state"]
    for others in (checkpoint.weights, checkpoint.average):
        assert not all(map(np.allclose, evaluated, others))
    summary = json.loads((run.directory / "summary.json").read_text())
    assert summary["compute"]["winograd"] is False
    assert summary["test_weights"] == (
        "exponential moving average over 0.8 epochs, batch-norm statistics from 3 training batches"
    )
    rows = list(csv.DictReader(log.open()))
    assert [float(row["val_loss"]) for row in rows] == pytest.approx(run.history["val_loss"])


@pytest.mark.cluster
@pytest.mark.slow
def test_samples_of_weight_0_are_not_learnt(tmp_path: Path) -> None:
    x, y, x_test, y_test = samples()
    wrong = np.arange(len(y)) % 5 > 1
    data = dbsl_tf.arrays(
        *(x, np.where(wrong, (y + 1) % CLASSES, y), x_test, y_test),
        sample_weight=~wrong,
    )
    run = trainer(tmp_path, data=data).fit(epochs=6, verbose=False)
    # Most labels are wrong: if they counted, it would be nearly 0.
    assert run.history["val_sparse_categorical_accuracy"][-1] > 0.5


@pytest.mark.cluster
@pytest.mark.slow
def test_a_finished_run_serves_the_commands_and_is_trained_further(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = trainer(tmp_path).fit(epochs=4, verbose=False)
    # What the command line makes of a run it makes of this one.
    for command in ("report", "evaluate"):
        result = subprocess.run(
            [sys.executable, "-m", f"dbsl_tf.{command}", str(run.directory)],
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
        assert result.returncode == 0, result.stderr

    # Keras goes on with its model, once that is compiled.
    x, y, x_test, y_test = samples()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    run.model.compile(keras.optimizers.SGD(1e-3), loss, metrics=["accuracy"])
    measured = run.model.evaluate(x_test, y_test, verbose=0, return_dict=True)
    assert measured["loss"] == pytest.approx(run.history["val_loss"][-1], rel=1e-4)
    run.model.fit(x, y, epochs=1, verbose=0)

    # It is trained further where there are more epochs, from where it was.
    further = trainer(tmp_path).fit(epochs=5, verbose=False)
    assert further.history["loss"][:4] == run.history["loss"]
    assert len(further.history["loss"]) == 5

    # Where there are none, it is given back.
    capsys.readouterr()
    again = trainer(tmp_path, callbacks=[keras.callbacks.CSVLogger(tmp_path / "log")]).fit(epochs=5)
    assert "has been trained for 5 epoch(s): nothing is left" in capsys.readouterr().out
    assert again.history == further.history
    for ours, theirs in zip(again.model.get_weights(), further.model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    with pytest.raises(UserError, match="holds a run of 5 epochs, and epochs=4: raise it"):
        trainer(tmp_path).fit(epochs=4, verbose=False)

    # What is not as it was is told in words of the program.
    other = dbsl_tf.arrays(-x, y, x_test, y_test)
    before = (run.directory / "data" / "train.bin").read_bytes()
    with pytest.raises(UserError, match="holds a run of 5 epochs on other arrays: raise epochs"):
        trainer(tmp_path, data=other).fit(epochs=5, verbose=False)
    assert (run.directory / "data" / "train.bin").read_bytes() == before
    trainer(tmp_path, data=other).fit(epochs=6)
    printed = capsys.readouterr().out
    assert printed.startswith("epochs was 5, now 6\n")
    assert printed.count("arrays are not those that the run has had so far") == 1
    assert "the training arrays are not those" in printed


@pytest.mark.cluster
@pytest.mark.slow
def test_callbacks_stop_the_run_and_set_the_learning_rate(tmp_path: Path) -> None:
    class Halve(dbsl_tf.RunCallback):
        def __init__(self) -> None:
            super().__init__()
            self.norms: list[float] = []
            self.commits: list[int] = []

        def on_commit(self, record: Mapping[str, Any]) -> None:
            self.commits.append(record["commit"])

        def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
            self.model.optimizer.learning_rate = 0.05
            self.norms.append(float(np.linalg.norm(self.model.get_weights()[0])))
            if epoch == 3:
                self.model.stop_training = True

    class Dashboard(keras.callbacks.Callback):
        """As those of Weights & Biases and MLflow: parameters, metrics by step, the model."""

        def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
            self.parameters = {**self.params, "learning_rate": self.model.optimizer.learning_rate}
            self.summary = io.StringIO()
            self.model.summary(print_fn=lambda line, **_: self.summary.write(line))
            self.metrics: dict[str, list[tuple[int, float]]] = {}

        def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
            for name, value in (logs or {}).items():
                self.metrics.setdefault(name, []).append((epoch, float(value)))

        def on_train_end(self, logs: dict[str, float] | None = None) -> None:
            self.model.save(tmp_path / "artifact.keras")

    halve, dashboard = Halve(), Dashboard()
    best = tmp_path / "best.keras"
    callbacks = [
        halve,
        dashboard,
        keras.callbacks.ModelCheckpoint(best, monitor="val_loss", save_best_only=True),
        keras.callbacks.EarlyStopping("val_loss", patience=500, restore_best_weights=True),
        keras.callbacks.ReduceLROnPlateau("val_loss", patience=500),
        keras.callbacks.TensorBoard(tmp_path / "board", write_graph=False),
    ]
    run = trainer(tmp_path, callbacks=callbacks).fit(epochs=1000, verbose=False)

    assert 4 <= len(run.history["loss"]) < 500
    assert len(set(halve.norms)) == len(halve.norms)
    assert halve.commits[:8] == list(range(1, 9))
    assert dashboard.parameters["epochs"] == 1000
    assert dashboard.parameters["learning_rate"] == pytest.approx(0.1)
    assert "batch_normalization" in dashboard.summary.getvalue()
    for name, values in run.history.items():
        assert dashboard.metrics[name] == list(enumerate(values)), name
    keras.saving.load_model(tmp_path / "artifact.keras")
    # The best weights were given back.
    np.testing.assert_array_equal(
        keras.saving.load_model(best).get_weights()[0], run.model.get_weights()[0]
    )
    assert list((tmp_path / "board").rglob("events.*"))


@pytest.mark.cluster
@pytest.mark.slow
def test_a_merge_rule_of_the_program(tmp_path: Path) -> None:
    def ones() -> keras.Model:
        dense = keras.layers.Dense(CLASSES, kernel_initializer="ones", bias_initializer="ones")
        return keras.Sequential([keras.Input([FEATURES]), dense])

    plan = dbsl_tf.DualBatch(
        workers=1,
        small_workers=0,
        large_batch=50,
        time_model=(0.001, 0.01),
        merge=lambda g, w, f: (g + w) / 2 + 0.25 * f,
    )
    run = dbsl_tf.Trainer(
        ones,
        dbsl_tf.arrays(*samples()),
        plan=plan,
        optimizer=dbsl_tf.SGD(learning_rate=1e-9),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        run_dir=tmp_path / "run",
    ).fit(epochs=3, verbose=False)
    # The worker changes next to nothing, and every one of three commits adds a quarter.
    for weight in run.model.get_weights():
        np.testing.assert_allclose(weight, np.full_like(weight, 1.75), rtol=1e-5)


@pytest.mark.cluster
@pytest.mark.slow
def test_a_cell_that_was_interrupted_within_an_epoch_goes_on_when_it_is_run_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)

    class Interrupted(keras.callbacks.Callback):
        def __init__(self) -> None:
            super().__init__()
            self.epochs: list[int] = []

        def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
            self.epochs.append(epoch)
            if len(self.epochs) == 2:
                raise KeyboardInterrupt

    before, after = Interrupted(), keras.callbacks.History()
    with pytest.raises(KeyboardInterrupt):
        trainer(tmp_path, run_dir=None, callbacks=[before]).fit(epochs=1000, verbose=False)
    assert before.epochs == [0, 1]
    (directory,) = (tmp_path / "runs").iterdir()
    done = Checkpoints(directory / "checkpoints", keep=1).latest(print)
    assert done is not None
    epochs = done.commit // 2 + 3
    run = trainer(tmp_path, run_dir=None, callbacks=[after]).fit(epochs=epochs, verbose=False)
    assert run.directory == directory
    assert f"resuming {directory}" in capsys.readouterr().out
    # It has ended, so the next one is another.
    assert trainer(tmp_path, run_dir=None).directory != directory

    assert after.epoch == list(range(after.epoch[0], epochs))
    assert after.epoch[0] <= done.commit // 2 + 1
    assert {len(values) for values in run.history.values()} == {epochs}
    assert run.history["loss"][after.epoch[0] :] == pytest.approx(
        after.history["loss"], nan_ok=True
    )


@pytest.mark.cluster
@pytest.mark.slow
def test_validation_during_the_training_and_the_test_set_at_its_end(tmp_path: Path) -> None:
    class Logs(keras.callbacks.Callback):
        def __init__(self) -> None:
            super().__init__()
            self.epochs: list[dict[str, float]] = []

        def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
            self.epochs.append(dict(logs or {}))

    logs = Logs()
    run = trainer(tmp_path, callbacks=[logs], validation_samples=30).fit(epochs=3, verbose=False)

    names = {"loss", "sparse_categorical_accuracy"}
    watched = names | {f"val_{name}" for name in names}
    assert [set(epoch) for epoch in logs.epochs] == [watched] * 3
    assert {name: len(values) for name, values in run.history.items()} == {
        **dict.fromkeys(watched, 3),
        **{f"test_{name}": 1 for name in names},
    }
    # 100 training samples, of which the model has seen 70.
    x, y, x_test, y_test = samples()
    held_out = HeldOut(30, 100, 0).numbers().numpy()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    for name, inputs, labels in (("val", x[held_out], y[held_out]), ("test", x_test, y_test)):
        expected = float(loss(labels, run.model.predict(inputs, verbose=0)))
        assert run.history[f"{name}_loss"][-1] == pytest.approx(expected, rel=1e-4)
    events = [json.loads(line) for line in (run.directory / "history.jsonl").open()]
    plan = json.loads((run.directory / "plan.json").read_text())
    assert sum(worker["samples"] for worker in plan["per_worker"]) == 70
    evaluations = [event for event in events if event["event"] == "evaluation"]
    assert [(e.get("split"), e["commit"], e["samples"]) for e in evaluations] == [
        ("validation", 2, 30),
        ("validation", 4, 30),
        ("validation", 6, 30),
        (None, 6, 20),
    ]
    report = [sys.executable, "-m", "dbsl_tf.report", str(run.directory)]
    result = subprocess.run(report, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert "validation accuracy, best" in (run.directory / "report.html").read_text()

    with pytest.raises(UserError, match="validation_samples was 30, now 20"):
        trainer(tmp_path, validation_samples=20).fit(epochs=4, verbose=False)
    with pytest.raises(UserError, match="validation_seed=0.* now .*validation_seed=1"):
        trainer(tmp_path, validation_samples=30, seed=1).fit(epochs=4, verbose=False)
    further = trainer(tmp_path, validation_samples=30).fit(epochs=4, verbose=False)
    assert further.history["val_loss"][:3] == run.history["val_loss"]
    assert (len(further.history["val_loss"]), len(further.history["test_loss"])) == (4, 1)
    with pytest.raises(UserError, match="validation_samples is 100; give 0 to 99, as your data"):
        trainer(tmp_path / "other", validation_samples=100).fit(epochs=1, verbose=False)


@pytest.mark.cluster
@pytest.mark.slow
@pytest.mark.parametrize("file", ["begin.weights.h5", "begin.keras"])
def test_a_run_begins_with_weights_of_keras(tmp_path: Path, file: str) -> None:
    model = build_model()
    save = model.save_weights if file.endswith(".h5") else model.save
    save(tmp_path / file)
    run = trainer(
        tmp_path,
        initial_weights=tmp_path / file,
        optimizer=dbsl_tf.SGD(learning_rate=1e-9),
        seed=5,
    ).fit(epochs=1, verbose=False)
    for weight, begun in zip(run.model.trainable_weights, model.trainable_weights, strict=True):
        np.testing.assert_allclose(weight.numpy(), begun.numpy(), atol=1e-6)
