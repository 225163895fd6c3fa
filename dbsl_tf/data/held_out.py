"""Training samples that are held out for validation: which ones, and how they are read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import tensorflow as tf

# The second number of the seed; the orders of the passes have the positive ones, and what is drawn
# for the samples has the negative ones from -1 on.
_STREAM = -(1 << 63)
# Records are looked through so many at a time.
_CHUNK = 1024


@dataclass(frozen=True)
class HeldOut:
    """A seeded choice of training samples, which are evaluated and never trained on.

    Every worker makes it for itself, so that no list of numbers is part of a graph.

    Attributes:
        samples: how many are held out.
        of: how many training samples there are in all.
        seed: of the choice.
    """

    samples: int
    of: int
    seed: int

    @property
    def others(self) -> int:
        """How many remain to be trained on."""
        return self.of - self.samples

    def numbers(self) -> tf.Tensor:
        """Returns the numbers of those held out, ascending, int64 [samples]."""
        import tensorflow as tf

        return tf.sort(self._shuffled()[: self.samples])

    def other_numbers(self) -> tf.Tensor:
        """Returns the numbers of those that remain, ascending, int64 [others]."""
        import tensorflow as tf

        return tf.sort(self._shuffled()[self.samples :])

    def facts(self) -> dict[str, Any]:
        """Returns what data.json says of it."""
        return {
            "train_samples": self.others,
            "validation_samples": self.samples,
            "validation_seed": self.seed,
        }

    def _shuffled(self) -> tf.Tensor:
        import tensorflow as tf

        seed = tf.constant([self.seed, _STREAM], tf.int64)
        return tf.random.experimental.stateless_shuffle(tf.range(self.of, dtype=tf.int64), seed)


def elements_at(numbers: tf.Tensor, dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Returns the elements of a data set with these numbers.

    Args:
        numbers: ascending, int64 [n]; n may be 0.
        dataset: of single tensors of one shape.
    """
    import tensorflow as tf

    # Sums, as there may be none.
    first, stop = tf.reduce_sum(numbers[:1]), tf.reduce_sum(numbers[-1:] + 1)

    def pick(chunk: tf.Tensor, elements: tf.Tensor) -> tf.data.Dataset:
        begin = first + chunk * _CHUNK
        mine = tf.boolean_mask(numbers, (begin <= numbers) & (numbers < begin + _CHUNK))
        return tf.data.Dataset.from_tensor_slices(tf.gather(elements, mine - begin))

    return dataset.skip(first).take(stop - first).batch(_CHUNK).enumerate().flat_map(pick)
