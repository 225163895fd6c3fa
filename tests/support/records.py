"""Records with unremarkable values, for tests that care about a few of them."""

from __future__ import annotations

from typing import Any

from dbsl_tf.results.records import CommitRecord, EvaluationRecord, NoiseRecord


def commit_record(**values: Any) -> CommitRecord:
    defaults = dict(
        commit=1, epoch=1, worker=0, role="small", resolution=32, batch=10, samples=100,
        steps=10, started=0.0, seconds=1.0, loop_seconds=0.9, learning_rate=0.1,
        update_factor=0.8, staleness=0, train_loss=2.0, train_accuracy=0.25,
    )  # fmt: skip
    return CommitRecord(**{**defaults, **values})


def evaluation_record(**values: Any) -> EvaluationRecord:
    defaults = dict(
        commit=2, epoch=1, resolution=32, test_loss=1.5, test_accuracy=0.5, samples=360,
        started=1.0, seconds=0.5,
    )  # fmt: skip
    return EvaluationRecord(**{**defaults, **values})


def noise_record(**values: Any) -> NoiseRecord:
    defaults = dict(
        commit=2, epoch=1, resolution=32, small_batch=16, large_batch=64, batches=8, gradient=0.5,
        variance=60.0, noise=120.0, low=80.0, high=200.0, started=1.0, seconds=0.5,
    )  # fmt: skip
    return NoiseRecord(**{**defaults, **values})
