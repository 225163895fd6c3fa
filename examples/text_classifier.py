"""Trains a classifier of short texts, whose words are looked up before the training.

    python examples/text_classifier.py

The texts are made up, so that nothing is downloaded: praise and complaints, at times negated.
"""

import argparse
import random

import keras
import numpy as np

import dbsl_tf

WORDS, LENGTH = 100, 8

THINGS = ["film", "plot", "ending", "music", "cast", "camera", "story", "dialogue"]
PRAISE = ["great", "moving", "clever", "funny", "superb"]
COMPLAINTS = ["dull", "awful", "slow", "shallow", "noisy"]


def make_reviews(count):
    """Returns texts, and 1.0 for each that praises, else 0.0, float32 [count, 1]."""
    numbers = random.Random(0)
    texts, labels = [], []
    for _ in range(count):
        praises, negated = numbers.random() < 0.5, numbers.random() < 0.3
        word = numbers.choice(PRAISE if praises else COMPLAINTS)
        negation = numbers.choice(["was not", "was never"]) if negated else "was"
        texts.append(f"the {numbers.choice(THINGS)} of this one {negation} {word}")
        labels.append([float(praises != negated)])
    return texts, np.array(labels, np.float32)


def build_model():
    return keras.Sequential(
        [
            keras.Input([LENGTH], dtype="int32"),
            keras.layers.Embedding(WORDS, 16),
            keras.layers.Conv1D(32, 3, activation="relu"),
            keras.layers.GlobalMaxPooling1D(),
            keras.layers.Dropout(0.2),
            keras.layers.Dense(1),
        ]
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--samples", type=int, default=4000, help="texts to make")
    parser.add_argument("--run-dir", help="where results go; else to runs/")
    options = parser.parse_args()

    texts, y = make_reviews(options.samples)
    vocabulary = keras.layers.TextVectorization(WORDS, output_sequence_length=LENGTH)
    vocabulary.adapt(texts)
    x = np.array(vocabulary(texts), np.int32)
    split = len(x) * 4 // 5

    trainer = dbsl_tf.Trainer(
        build_model,
        dbsl_tf.arrays(x[:split], y[:split], x[split:], y[split:]),
        plan=dbsl_tf.DualBatch(
            workers=2,
            small_workers=1,
            large_batch=64,
            extra_time_ratio=1.1,
            # Seconds a sample and a batch; left out, they are measured first, in two minutes.
            time_model=(2e-5, 2e-3),
        ),
        optimizer=dbsl_tf.AdamW(learning_rate=3e-3),
        loss=keras.losses.BinaryCrossentropy(from_logits=True),
        metrics=[keras.metrics.BinaryAccuracy(threshold=0.0), keras.metrics.AUC(from_logits=True)],
        run_dir=options.run_dir,
    )
    run = trainer.fit(epochs=options.epochs)

    for text in ("the ending of this one was not clever", "the music of this one was superb"):
        logit = run.model.predict(np.array(vocabulary([text])), verbose=0)[0, 0]
        print(f"{text}: {'praise' if logit > 0 else 'a complaint'}")


if __name__ == "__main__":
    main()
