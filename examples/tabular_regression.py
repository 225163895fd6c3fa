"""Trains a regression on a table: mean squared error, AdamW, a learning rate that falls.

python examples/tabular_regression.py
"""

import argparse

import keras
from sklearn.datasets import make_friedman1
from sklearn.model_selection import train_test_split

import dbsl_tf

COLUMNS = 10


def build_model():
    return keras.Sequential(
        [
            keras.Input([COLUMNS]),
            keras.layers.Dense(64, activation="relu"),
            keras.layers.Dense(64, activation="relu"),
            keras.layers.Dense(1),
        ]
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--samples", type=int, default=5000, help="rows of the table")
    parser.add_argument("--run-dir", help="where results go; else to runs/")
    options = parser.parse_args()

    x, y = make_friedman1(options.samples, COLUMNS, noise=1.0, random_state=0)
    x_train, x_test, y_train, y_test = train_test_split(
        # As the model's output is: [samples, 1].
        x.astype("float32"),
        y[:, None].astype("float32"),
        test_size=0.2,
        random_state=0,
    )
    trainer = dbsl_tf.Trainer(
        build_model,
        dbsl_tf.arrays(x_train, y_train, x_test, y_test),
        plan=dbsl_tf.DualBatch(
            workers=2,
            small_workers=1,
            large_batch=64,
            extra_time_ratio=1.1,
            # Seconds a sample and a batch; left out, they are measured first, in two minutes.
            time_model=(2e-5, 2e-3),
        ),
        # Steps are epochs here.
        optimizer=dbsl_tf.AdamW(
            learning_rate=keras.optimizers.schedules.CosineDecay(1e-2, decay_steps=options.epochs)
        ),
        loss=keras.losses.MeanSquaredError(),
        metrics=[keras.metrics.MeanAbsoluteError(), keras.metrics.R2Score()],
        run_dir=options.run_dir,
    )
    run = trainer.fit(epochs=options.epochs)
    print(f"the noise has variance 1; mean squared error: {run.history['val_loss'][-1]:.2f}")


if __name__ == "__main__":
    main()
