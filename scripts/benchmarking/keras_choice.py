"""Code that is the same for Keras 3 and tf-keras (Keras 2)."""

from __future__ import annotations

import argparse
import time
from types import ModuleType
from typing import Any

from dbsl_tf.common.quiet import import_tensorflow_quietly
from scripts.benchmarking.workload import Workload

KERAS = ("keras", "tf_keras")


def add_keras_option(parser: argparse.ArgumentParser) -> None:
    """Adds the option that chooses the Keras version."""
    parser.add_argument("--keras", choices=KERAS, default="tf_keras", help="default tf_keras")


def import_keras(name: str, workload: Workload) -> ModuleType:
    """Returns the named Keras on a quiet TensorFlow, set to the precision of the workload."""
    import_tensorflow_quietly()
    if name == "tf_keras":
        import tf_keras as keras
    else:
        import keras
    keras.mixed_precision.set_global_policy(workload.config.precision)
    return keras


def compiled_model(keras: ModuleType, workload: Workload) -> Any:
    """Returns the model, compiled for `fit` as usual: SGD, cross-entropy and accuracy."""
    section = workload.config.optimizer
    model = workload.model(keras)
    model.compile(
        optimizer=keras.optimizers.SGD(
            section.base_lr,
            momentum=section.momentum,
            nesterov=section.nesterov,
            weight_decay=section.weight_decay or None,
        ),
        loss=keras.losses.CategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        # Keras 3 would choose XLA, which is slower on CPUs.
        jit_compile=workload.config.compute.xla,
    )
    return model


def timing_callback(keras: ModuleType) -> Any:
    """Returns a callback that records the Unix times of epoch starts and the first step's end."""

    callback_class: Any = keras.callbacks.Callback

    class Timing(callback_class):
        def __init__(self) -> None:
            super().__init__()
            self.epochs_began: list[float] = []
            self.first_step: float | None = None

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self.epochs_began.append(time.time())

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            if self.first_step is None:
                self.first_step = time.time()

    return Timing()


def model_bytes(model: Any) -> int:
    """Returns the size in bytes of a model's weights and statistics."""
    return sum(weight.nbytes for weight in model.get_weights())
