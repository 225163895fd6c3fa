"""Training data of a user's own: any x and y, read and prepared on the workers."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Self

import tensorflow as tf

from dbsl_tf.common.errors import UserError
from dbsl_tf.data.held_out import HeldOut
from dbsl_tf.data.sample_stream import Loader, Source, held_for_training, training_stream
from dbsl_tf.data.sample_weights import labels_of, passing_weights_on
from dbsl_tf.data.training_data import Share, StreamSettings
from dbsl_tf.data.user_functions import (
    check_count,
    check_same_spec,
    pair_of,
    spec_text,
    traceable,
    traced_spec,
)

# (x, y) of a batch to (x, y), or (x, y, weights).
Preprocess = Callable[[Any, Any], tuple[Any, ...]]
# (x, y, seed int64 [2]) of a batch to the same.
Augment = Callable[[Any, Any, tf.Tensor], tuple[Any, ...]]


class OwnData(ABC):
    """See `TrainingData`; what all data of a user's own have in common.

    Args:
        name: what messages and records call it.
        train_samples, test_samples: sizes of the two sets.
        preprocess: of training and test batches.
        augment: of training batches, after `preprocess`.

    Raises:
        UserError: an argument is not a function, or not a number of samples.
    """

    def __init__(
        self,
        name: str,
        train_samples: int,
        test_samples: int,
        preprocess: Preprocess | None,
        augment: Augment | None,
    ) -> None:
        for key, count in (("train_samples", train_samples), ("test_samples", test_samples)):
            check_count(count, f"{name}: {key}")
        for key, function in (("preprocess", preprocess), ("augment", augment)):
            if function is not None and not callable(function):
                raise UserError(f"{name}: {key} is {function!r}; give a function or None")
        self.name = name
        self.train_samples, self.test_samples = train_samples, test_samples
        self._held_out: HeldOut | None = None
        self._preprocess, self._augment = preprocess, augment
        self._element_spec: tuple[Any, Any] | None = None

    def named(self, name: str) -> Self:
        """Returns the same data under another name."""
        renamed = copy.copy(self)
        renamed.name = name
        return renamed

    def holding_out(self, samples: int, seed: int) -> Self:
        """See `TrainingData.holding_out`."""
        others = copy.copy(self)
        others._held_out = HeldOut(samples, self._training_set, seed)
        others.train_samples = others._held_out.others
        return others

    @property
    def validation_samples(self) -> int:
        """Samples held out of the training set."""
        return self._held_out.samples if self._held_out else 0

    @property
    def _training_set(self) -> int:
        """Its size, with what is held out."""
        return self._held_out.of if self._held_out else self.train_samples

    @property
    def classes(self) -> int | None:
        """The length of y, where it is one float vector for each sample; else None."""
        y = labels_of(self.element_spec()[1])
        if isinstance(y, tf.TensorSpec) and y.dtype.is_floating and y.shape.rank == 2:
            length = y.shape[1]
            return length if length and length > 1 else None
        return None

    @property
    def class_names(self) -> list[str]:
        """The classes are numbered."""
        return [str(label) for label in range(self.classes or 0)]

    def facts(self) -> dict[str, Any]:
        """Returns the content of data.json: sizes, and what a batch is."""
        x, y = self.element_spec()
        facts = {
            "name": self.name,
            "train_samples": self.train_samples,
            "test_samples": self.test_samples,
            "x": spec_text(x),
            "y": spec_text(y),
            "transform": {"steps": "none" if self._preprocess is None else "preprocess"},
            **(self._held_out.facts() if self._held_out else {}),
        }
        return facts if self.classes is None else {**facts, "classes": self.classes}

    def element_spec(self, resolution: int | None = None) -> tuple[Any, Any]:
        """Returns the specs of x and y; traces everything, but runs nothing.

        Raises:
            UserError: the user's functions cannot be traced for a worker, or return no batches
                (x, y), or training and test batches differ in kind.
        """
        if self._element_spec is None:
            self._element_spec = self._traced_spec()
        return self._element_spec

    def _traced_spec(self) -> tuple[Any, Any]:
        stream = StreamSettings([1], 0, 1)
        train = traced_spec(self.name, lambda: self.training_batches(self.train_samples, stream))
        test = traced_spec(self.name, lambda: self.test_batches(Share(0, self.test_samples, 1)))
        check_same_spec(self.name, train, test)
        return train

    @abstractmethod
    def held(self, samples: int) -> tf.Tensor:
        """See `TrainingData.held`."""

    @abstractmethod
    def training_batches(
        self, samples: int, stream: StreamSettings, resolution: int | None = None
    ) -> tf.data.Dataset:
        """See `TrainingData.training_batches`."""

    def test_batches(self, share: Share, resolution: int | None = None) -> tf.data.Dataset:
        """See `TrainingData.test_batches`."""
        return self._evaluated(self._raw_test_batches(_as_tensors(share)))

    def validation_batches(self, share: Share, resolution: int | None = None) -> tf.data.Dataset:
        """See `TrainingData.validation_batches`."""
        if self._held_out is None:
            raise ValueError("no samples are held out")
        return self._evaluated(self._raw_validation_batches(self._held_out, _as_tensors(share)))

    def _evaluated(self, batches: tf.data.Dataset) -> tf.data.Dataset:
        if self._preprocess is not None:
            batches = batches.map(self._on_batches("preprocess", self._preprocess))
        return batches.prefetch(1)

    @abstractmethod
    def _raw_test_batches(self, share: Share) -> tf.data.Dataset:
        """Returns test batches before `preprocess`."""

    @abstractmethod
    def _raw_validation_batches(self, held_out: HeldOut, share: Share) -> tf.data.Dataset:
        """Returns batches of what is held out, before `preprocess`."""

    def _finish(self) -> Callable[[Any, Any, tf.Tensor], tuple[Any, Any]]:
        """Returns what is done with a training batch that is loaded."""
        preprocess = self._preprocess and self._on_batches("preprocess", self._preprocess)
        augment = self._augment and self._on_batches("augment", self._augment)

        def finish(x: Any, y: Any, seed: tf.Tensor) -> tuple[Any, Any]:
            if preprocess is not None:
                x, y = preprocess(x, y)
            return augment(x, y, seed) if augment is not None else (x, y)

        return finish

    def _on_batches(self, what: str, function: Callable) -> Callable[..., tuple[Any, Any]]:
        """Returns a function of loaded batches, which need not know of weights."""
        return passing_weights_on(self._called(what, function))

    def _called(
        self, what: str, function: Callable, of_batch: bool = True
    ) -> Callable[..., tuple[Any, Any]]:
        """Returns one of the user's functions, its result checked while it is traced."""
        function = traceable(function)
        return lambda *arguments: pair_of(function(*arguments), self.name, what, of_batch)


class IndexedData(OwnData):
    """Own data of which any sample can be asked for by its number; shuffled as a whole."""

    def held(self, samples: int) -> tf.Tensor:
        """See `TrainingData.held`."""
        samples = min(samples, self.train_samples)
        return held_for_training(self._source(), samples, self._held_out)

    def training_batches(
        self, samples: int, stream: StreamSettings, resolution: int | None = None
    ) -> tf.data.Dataset:
        """See `TrainingData.training_batches`."""
        samples = min(samples, self.train_samples)
        return training_stream(self._source(), samples, stream, self._finish(), self._held_out)

    def _raw_test_batches(self, share: Share) -> tf.data.Dataset:
        source = self._source()
        return source.test_batches(share.start, share.stop, share.batch, share.parallel_calls)

    def _raw_validation_batches(self, held_out: HeldOut, share: Share) -> tf.data.Dataset:
        numbers = held_out.numbers()[share.start : share.stop]
        return self._source().validation_batches(numbers, share.batch, share.parallel_calls)

    @abstractmethod
    def _source(self) -> Source:
        """Returns where the samples come from."""


class Data(IndexedData):
    """Data of which a function of your own loads any samples by their numbers.

    All functions are traced once and run on the workers, as graphs: they consist of TensorFlow's
    operations, read files that every worker has at the same paths, and hold no tensors. What
    `load` returns is for the samples asked for, in their order, every tensor [B, …]. x and y may
    be dicts or tuples of tensors.

    Weights of samples, [B], are what the loss of each is multiplied by before the mean over the
    batch is taken; for losses of more dimensions, [B, T] for example, they may have these too.
    Metrics do not count them, as those of Keras's `compile(metrics=…)` do not.

    Every pass over the training samples is shuffled as a whole, by the seed of the run.

    Args:
        load: from sample numbers, int64 [B], to (x, y) or (x, y, weights). Training samples have
            the numbers 0 … train_samples − 1, and test sample i has the number train_samples + i.
        train_samples: how many there are, at least 1.
        test_samples: likewise.
        preprocess: from (x, y) of a batch to (x, y), whose samples keep their weights, or to
            (x, y, weights); of training and test batches.
        augment: from (x, y, seed) of a training batch to the same, after `preprocess`. The seed is
            int64 [2], another for every batch: give it to the operations of `tf.random.stateless_…`
            and a run that is resumed draws what it would have drawn.

    Raises:
        UserError: an argument is not a function, or not a number of samples.

    Example:
        >>> import tensorflow as tf
        >>> def load(indices):
        ...     x = tf.cast(indices, tf.float32)[:, None] / 100.0
        ...     return x, tf.math.sin(x)
        >>> Data(load, train_samples=80, test_samples=20).facts()["x"]
        'float32 [None, 1]'
    """

    def __init__(
        self,
        load: Callable[[tf.Tensor], tuple[Any, ...]],
        train_samples: int,
        test_samples: int,
        preprocess: Preprocess | None = None,
        augment: Augment | None = None,
    ) -> None:
        super().__init__("data", train_samples, test_samples, preprocess, augment)
        if not callable(load):
            raise UserError(f"data: load is {load!r}; give a function")
        self._load = load

    def _source(self) -> Source:
        return _Loading(self._called("load", self._load), self._training_set)


class _Loading:
    """See `Source`: a function that loads any samples by their numbers."""

    one_by_one = False

    def __init__(self, load: Callable[[tf.Tensor], tuple[Any, Any]], train_samples: int) -> None:
        self._load = load
        self._train_samples = train_samples

    def held(self, samples: int | tf.Tensor) -> tf.Tensor:
        return tf.constant([], tf.string)

    def training_loader(self, held: tf.Tensor) -> Loader:
        return lambda indices, seeds: self._load(tf.cast(indices, tf.int64))

    def test_batches(
        self, start: tf.Tensor, stop: tf.Tensor, batch: int | tf.Tensor, parallel_calls: int
    ) -> tf.data.Dataset:
        indices = tf.data.Dataset.range(start, stop).batch(batch)
        return indices.map(
            lambda numbers: self._load(self._train_samples + numbers),
            num_parallel_calls=parallel_calls,
        )

    def validation_batches(
        self, numbers: tf.Tensor, batch: int | tf.Tensor, parallel_calls: int
    ) -> tf.data.Dataset:
        indices = tf.data.Dataset.from_tensor_slices(numbers).batch(batch)
        return indices.map(self._load, num_parallel_calls=parallel_calls)


def _as_tensors(share: Share) -> Share:
    """Returns the same with its numbers as int64 tensors."""
    return replace(
        share,
        start=tf.cast(share.start, tf.int64),
        stop=tf.cast(share.stop, tf.int64),
        batch=tf.cast(share.batch, tf.int64),
    )
