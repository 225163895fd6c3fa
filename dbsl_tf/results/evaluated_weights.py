"""Which weights of a run are evaluated and exported, and what they are called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dbsl_tf.common.files import write_whole
from dbsl_tf.config.evaluation_section import EvaluationSection
from dbsl_tf.results.checked_values import damaged, whole_number
from dbsl_tf.results.checkpoint_file import read_checkpoint, write_checkpoint
from dbsl_tf.results.records import GLOBAL_WEIGHTS

if TYPE_CHECKING:
    import numpy as np

    from dbsl_tf.results.checkpoints import Checkpoint

_STATISTIC = "statistic_"
_PATTERN = "statistics-*.npz"


def weights_in_words(average: str, epochs: float, batch_norm_batches: int) -> str:
    """Returns which weights are evaluated, for people.

    Args:
        average: `ema` or `last`, or `none` where the average is the weights themselves.
        epochs: `evaluation.average_epochs`.
        batch_norm_batches: from how many batches their statistics were estimated; 0: they were
            not.

    Example:
        >>> weights_in_words("ema", 2.0, 100)
        'exponential moving average over 2 epochs, batch-norm statistics from 100 training batches'
    """
    length = f"{epochs:g} epoch" + ("" if epochs == 1 else "s")
    text = {
        "ema": f"exponential moving average over {length}",
        "last": f"mean over the last {length}",
    }.get(average, GLOBAL_WEIGHTS)
    if batch_norm_batches:
        batches = "batch" if batch_norm_batches == 1 else "batches"
        text += f", batch-norm statistics from {batch_norm_batches} training {batches}"
    return text


@dataclass(frozen=True)
class EvaluatedWeights:
    """The weights of a checkpoint as they are evaluated.

    Attributes:
        weights: in the model's order.
        words: which they are; see `weights_in_words`.
    """

    weights: list[np.ndarray]
    words: str = GLOBAL_WEIGHTS

    @property
    def remark(self) -> str:
        """What to add to a line about them; empty for the global weights."""
        return "" if self.words == GLOBAL_WEIGHTS else f": {self.words}"


@dataclass(frozen=True)
class Statistics:
    """Statistics of batch normalisation that were estimated for the weights of a commit.

    Attributes:
        average: the rule of the average they are for; `none`: they are for the global weights.
        batches: from how many batches.
        values: by place among the weights.
    """

    average: str
    batches: int
    values: Mapping[int, np.ndarray]


class StatisticsFiles:
    """The estimated statistics of evaluated commits, in the folder of the checkpoints.

    Args:
        folder: which; made by the first `save`.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def save(self, commit: int, statistics: Statistics) -> None:
        """Writes those of a commit.

        Raises:
            UserError: they cannot be written.
        """
        facts = {"average": statistics.average, "batches": statistics.batches}
        arrays = {f"{_STATISTIC}{n:05d}": value for n, value in statistics.values.items()}
        path = self.path(commit)
        write_whole(path, lambda partial: write_checkpoint(partial, facts, arrays))

    def of(self, commit: int) -> Statistics | None:
        """Returns those of a commit; None: there are none.

        Raises:
            UserError: they cannot be read.
        """
        path = self.path(commit)
        if not path.exists():
            return None
        try:
            facts, arrays = read_checkpoint(path)
            return Statistics(
                str(facts["average"]),
                whole_number(facts["batches"], "batches"),
                {int(name.removeprefix(_STATISTIC)): value for name, value in arrays.items()},
            )
        except MemoryError:
            raise
        except Exception as error:  # A damaged file can raise nearly any exception.
            raise damaged(path, str(error)[:120]) from error

    def remove_before(self, commit: int) -> None:
        """Removes those of earlier commits."""
        for path in self._folder.glob(_PATTERN):
            if _commit_of(path) < commit:
                path.unlink(missing_ok=True)

    def remove_after(self, commit: int) -> None:
        """Removes those of later commits, which the run trains again."""
        for path in self._folder.glob(_PATTERN):
            if _commit_of(path) > commit:
                path.unlink(missing_ok=True)

    def path(self, commit: int) -> Path:
        """Returns the file of a commit, whether or not it exists."""
        return self._folder / f"statistics-{commit:09d}.npz"


def _commit_of(path: Path) -> int:
    number = path.stem.removeprefix("statistics-")
    return int(number) if number.isdigit() else 0


def evaluated_weights(
    checkpoint: Checkpoint, section: EvaluationSection, files: StatisticsFiles
) -> EvaluatedWeights:
    """Returns the weights that the run evaluates after the commit of a checkpoint.

    Where that evaluation has not been made, its statistics of batch normalisation are not known:
    then they are those that training has left.

    Raises:
        UserError: the statistics cannot be read.
    """
    weights = list(checkpoint.average or checkpoint.weights)
    average = checkpoint.averaging[0] if checkpoint.averaging and checkpoint.average else "none"
    statistics = files.of(checkpoint.commit)
    batches = 0
    if statistics is not None and statistics.average == average:
        batches = statistics.batches
        for place, value in statistics.values.items():
            if place >= len(weights) or weights[place].shape != value.shape:
                raise damaged(files.path(checkpoint.commit), f"there is no such weight as {place}")
            weights[place] = value
    return EvaluatedWeights(weights, weights_in_words(average, section.average_epochs, batches))
