"""Loss and metrics by the names that a configuration gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from dbsl_tf.common.errors import UserError
from dbsl_tf.config import load_config
from dbsl_tf.training.objective_names import objective_settings_of

CONFIG = Path(__file__).parents[2] / "configs" / "quickstart.yaml"
OWN = "tests.support.own_objective"
BATCH = (tf.TensorSpec([None, 3]), tf.TensorSpec([None, 3]))
Y = np.eye(3, dtype=np.float32)
PREDICTION = np.array([[0.5, 0.2, 0.3], [0.1, 0.8, 0.1], [0.6, 0.3, 0.1]], np.float32)


def objective(*overrides: str) -> Any:
    config = load_config(CONFIG, [f"training.{override}" for override in overrides])
    return objective_settings_of(config.training).build(*BATCH)


def test_losses() -> None:
    smooth = keras.losses.CategoricalCrossentropy(label_smoothing=0.1, reduction="none")
    for overrides, expected in (
        (["loss=mse"], np.mean((Y - PREDICTION) ** 2, 1)),
        (["loss=MeanAbsoluteError"], np.mean(np.abs(Y - PREDICTION), 1)),
        (["loss=categorical_crossentropy", "loss_options={label_smoothing: 0.1}"], smooth),
        (["loss=CategoricalCrossentropy", "loss_options={label_smoothing: 0.1}"], smooth),
        ([f"loss={OWN}:squared_distance"], np.sum((Y - PREDICTION) ** 2, 1)),
        (
            [f"loss={OWN}:squared_distance", "loss_options={factor: 2}"],
            2 * np.sum((Y - PREDICTION) ** 2, 1),
        ),
    ):
        if callable(expected):
            expected = expected(Y, PREDICTION)
        losses = objective(*overrides).losses(tf.constant(Y), tf.constant(PREDICTION))
        np.testing.assert_allclose(losses, expected, rtol=1e-5, err_msg=str(overrides))


def test_metrics() -> None:
    # Twice as in a process where other objects of the class have been counted.
    for _ in range(2):
        found = objective(
            "loss=mse",
            "metrics=[auc, accuracy, {TopKCategoricalAccuracy: {k: 2, name: top2}}, mae, "
            f"{{{OWN}:Above: {{bound: 0.55}}}}, {{{OWN}:squared_distance: {{factor: 0.5}}}}]",
        )
        y, prediction = tf.constant(Y), tf.constant(PREDICTION)
        sums = found.add(found.zero(), found.losses(y, prediction), y, prediction)
        measured = found.measured([tf.nest.map_structure(lambda tensor: tensor.numpy(), sums)])
        assert measured.accuracy == pytest.approx(2 / 3)
        assert list(measured.metrics) == [
            *("auc", "top2", "mean_absolute_error", "above", "squared_distance")
        ]
        assert measured.metrics["top2"] == pytest.approx(2 / 3)
        assert measured.metrics["above"] == pytest.approx(2 / 3)
        expected = 0.5 * np.mean(np.sum((Y - PREDICTION) ** 2, 1))
        assert measured.metrics["squared_distance"] == pytest.approx(expected)


def test_nothing_named_is_cross_entropy_and_accuracy() -> None:
    assert [metric.name for metric in objective().metrics] == ["accuracy"]
    assert objective("loss=mse").metrics == ()
    assert objective("metrics=[]").metrics == ()


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["loss=mean_square_error"], "did you mean mean_squared_error?"),
        (["loss=auc"], "training.loss has 'auc'; give a name in keras.losses, or an import path"),
        (["metrics=[aucc]"], "training.metrics has 'aucc'; .*; did you mean auc?"),
        (["loss=nowhere:loss"], "there is no module nowhere"),
        ([f"loss={OWN}:square_distance"], "has no square_distance; did you mean squared_distance"),
        ([f"loss={OWN}:NOT_CALLABLE"], "which is of type int; name a class of Keras or a function"),
        (["loss=Huber", "loss_options={delt: 1}"], "training.loss_options .* Huber does not take"),
        (["loss=huber", "loss_options={delt: 1}"], "training.loss_options .* huber does not take"),
        (
            ["metrics=[{AUC: {curv: PR}}]"],
            "has the options {'curv': 'PR'}, which AUC does not take",
        ),
        (["metrics=[{AUC: {curve: up}}]"], "metric AUC with .* cannot be made"),
        (["metrics=[{accuracy: {k: 1}}]"], "has options {'k': 1}, but accuracy takes none"),
        (["metrics=[AUC, AUC]"], "two measures are called auc"),
        (["loss_options={a: 1}"], "training.loss_options is .* give {}, since training.loss is"),
        (["metrics=AUC"], "training.metrics is 'AUC'; give a list of names"),
        (["metrics=[{AUC: {}, MSE: {}}]"], "training.metrics"),
        (["loss=3"], "training.loss has '3'; give a name in keras.losses"),
    ],
)
def test_mistakes_are_one_line(overrides: list[str], expected: str) -> None:
    with pytest.raises(UserError, match=expected) as caught:
        objective(*overrides)
    assert "\n" not in str(caught.value)
