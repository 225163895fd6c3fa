"""Trains a Keras model of your own on numpy arrays, with dual batch sizes.

    python examples/own_model.py

The arrays are scikit-learn's handwritten digits, so that nothing is downloaded. Others go the same
way, such as those of `keras.datasets.fashion_mnist.load_data()`.
"""

import argparse

import keras
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import dbsl_tf


def build_model():
    return keras.Sequential(
        [
            keras.Input([8, 8, 1]),
            keras.layers.Rescaling(1 / 16),
            keras.layers.Conv2D(32, 3, padding="same", activation="relu"),
            keras.layers.BatchNormalization(momentum=0.9),
            keras.layers.Conv2D(64, 3, strides=2, padding="same", activation="relu"),
            keras.layers.BatchNormalization(momentum=0.9),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dropout(0.2),
            keras.layers.Dense(10),
        ]
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--samples", type=int, default=1797, help="digits to use, of 1,797")
    parser.add_argument("--run-dir", help="where results go; else to runs/")
    parser.add_argument(
        "--time-model",
        type=float,
        nargs=2,
        metavar=("A", "B"),
        help="seconds a batch takes a sample, and besides; measured first by default, once, which "
        "takes two minutes",
    )
    options = parser.parse_args()

    digits = load_digits()
    images = digits.images[: options.samples, :, :, None].astype("uint8")
    x_train, x_test, y_train, y_test = train_test_split(
        images, digits.target[: options.samples], test_size=0.2, random_state=0
    )
    trainer = dbsl_tf.Trainer(
        build_model,
        dbsl_tf.arrays(x_train, y_train, x_test, y_test),
        plan=dbsl_tf.DualBatch(
            workers=2,
            small_workers=1,
            large_batch=64,
            extra_time_ratio=1.1,
            time_model=options.time_model,
        ),
        optimizer=dbsl_tf.SGD(learning_rate=0.05, momentum=0.9, weight_decay=5e-4),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=[keras.metrics.SparseCategoricalAccuracy()],
        callbacks=[keras.callbacks.EarlyStopping("val_loss", patience=5)],
        run_dir=options.run_dir,
    )
    run = trainer.fit(epochs=options.epochs)

    right = (run.model.predict(x_test, verbose=0).argmax(axis=1) == y_test).sum()
    print(f"{right} of {len(y_test)} test images are recognised")
    print(f"val_loss by epoch: {[round(loss, 3) for loss in run.history['val_loss']]}")
    print(f"dbsl report {run.directory} shows what happened")


if __name__ == "__main__":
    main()
