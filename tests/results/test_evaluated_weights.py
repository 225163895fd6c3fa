"""Which weights of a checkpoint are evaluated, and what else there is to find them by."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dbsl_tf.common.errors import UserError
from dbsl_tf.config.evaluation_section import EvaluationSection
from dbsl_tf.results.checkpoints import Checkpoint, Checkpoints
from dbsl_tf.results.evaluated_weights import Statistics, evaluated_weights, weights_in_words

EMA = EvaluationSection(average="ema", average_epochs=1.5, batch_norm_batches=20)


def arrays(value: float) -> list[np.ndarray]:
    return [np.full(shape, value, np.float32) for shape in ((2, 3), (3,), (3,))]


def checkpoint(commit: int = 6, average: bool = True) -> Checkpoint:
    return Checkpoint(
        commit=commit,
        clocks=(commit // 2,) * 2,
        samples={32: (1, 1)},
        wall_seconds=1.0,
        time_models={},
        weights=arrays(1.0),
        optimizer_state=[],
        average=arrays(2.0) if average else [],
        averaging=("ema", 0) if average else None,
    )


def statistics(average: str = "ema") -> Statistics:
    return Statistics(average, 20, {2: np.full(3, 3.0, np.float32)})


def values(weights: list[np.ndarray]) -> list[float]:
    return [float(weight.flat[0]) for weight in weights]


class TestWeights:
    @pytest.fixture(autouse=True)
    def _set_up(self, tmp_path: Path):
        self.checkpoints = Checkpoints(tmp_path / "checkpoints", keep=2)

    def evaluated(self, saved: Checkpoint):
        self.checkpoints.save(saved)
        read = self.checkpoints.latest(print)
        return evaluated_weights(read, EMA, self.checkpoints.statistics)

    def test_the_global_ones_where_nothing_is_averaged(self):
        found = self.evaluated(checkpoint(average=False))
        assert (values(found.weights), found.words, found.remark) == (
            [1, 1, 1],
            "global weights",
            "",
        )

    def test_the_average_with_the_estimated_statistics(self):
        self.checkpoints.statistics.save(6, statistics())
        found = self.evaluated(checkpoint())
        assert values(found.weights) == [2, 2, 3]
        assert found.words == (
            "exponential moving average over 1.5 epochs, batch-norm statistics from 20 training "
            "batches"
        )

    def test_the_average_alone_where_the_evaluation_was_not_made(self):
        self.checkpoints.statistics.save(4, statistics())
        found = self.evaluated(checkpoint())
        assert values(found.weights) == [2, 2, 2]
        assert found.remark == ": exponential moving average over 1.5 epochs"

    def test_statistics_of_other_weights_do_not_count(self):
        """The run was resumed without the average, and not evaluated again."""
        self.checkpoints.statistics.save(6, statistics("ema"))
        assert values(self.evaluated(checkpoint(average=False)).weights) == [1, 1, 1]
        self.checkpoints.statistics.save(6, statistics("none"))
        assert values(self.evaluated(checkpoint(average=False)).weights) == [1, 1, 3]

    def test_statistics_go_with_the_checkpoints(self):
        files = self.checkpoints.statistics
        for commit in (2, 3, 4, 6, 8):
            if commit != 3:
                self.checkpoints.save(checkpoint(commit))
            files.save(commit, statistics())
        # The next evaluation may have come before its checkpoint.
        files.save(10, statistics())
        self.checkpoints.save(checkpoint(8))
        assert [c for c in range(12) if files.of(c)] == [6, 8, 10]
        self.checkpoints.set_aside_after(6)
        assert [c for c in range(12) if files.of(c)] == [6]

    def test_damaged_ones_are_named(self):
        files = self.checkpoints.statistics
        files.save(6, statistics())
        content = bytearray(files.path(6).read_bytes())
        content[len(content) // 2] ^= 1
        files.path(6).write_bytes(bytes(content))
        with pytest.raises(UserError, match=r"statistics-000000006\.npz cannot be read"):
            self.evaluated(checkpoint())
        files.save(6, replace(statistics(), values={1: np.zeros(5, np.float32)}))
        with pytest.raises(UserError, match=r"no such weight as 1"):
            self.evaluated(checkpoint())


def test_words() -> None:
    assert weights_in_words("none", 2.0, 0) == "global weights"
    assert weights_in_words("last", 1.0, 1) == (
        "mean over the last 1 epoch, batch-norm statistics from 1 training batch"
    )
