"""Any pipeline of tf.data as training data."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any, Self

import tensorflow as tf

from dbsl_tf.common.errors import UserError
from dbsl_tf.data.held_out import HeldOut
from dbsl_tf.data.own_data import Augment, OwnData, Preprocess
from dbsl_tf.data.sample_stream import finished
from dbsl_tf.data.training_data import Share, StreamSettings
from dbsl_tf.data.user_functions import check_count, pair_with_weights

# Samples are put together to batches in two steps; few enough that large ones fit.
_CHUNK = 16


class StreamData(OwnData):
    """Samples in the order of pipelines; see `stream`.

    Args:
        make_train, make_test: make the pipelines.
        train_samples, test_samples: how many of them are one pass.
        shuffle_buffer: samples that wait to be drawn from.
        preprocess, augment: see `stream`.
    """

    def __init__(
        self,
        make_train: Callable[..., tf.data.Dataset],
        make_test: Callable[[], tf.data.Dataset],
        train_samples: int,
        test_samples: int,
        *,
        shuffle_buffer: int,
        preprocess: Preprocess | None,
        augment: Augment | None,
    ) -> None:
        super().__init__("stream", train_samples, test_samples, preprocess, augment)
        for key, function in (("make_train", make_train), ("make_test", make_test)):
            if not callable(function):
                raise UserError(
                    f"stream: {key} is a {type(function).__name__}; give a function that makes a "
                    "tf.data.Dataset"
                )
        check_count(shuffle_buffer, "stream: shuffle_buffer")
        self._make_train, self._make_test = make_train, make_test
        self._takes_seed = _arguments(make_train) == 1
        self._shuffle_buffer = shuffle_buffer

    def holding_out(self, samples: int, seed: int) -> Self:
        """Holds out the first samples of the pipeline, as there are no numbers to choose from.

        Raises:
            UserError: the pipeline may begin with others every time.
        """
        if self._takes_seed:
            raise UserError(
                f"{self.name}: make_train takes a seed, so that no samples can be held out "
                f"(validation_samples={samples}): let it take none, or hold out none"
            )
        return super().holding_out(samples, seed)

    def held(self, samples: int) -> tf.Tensor:
        """Returns nothing: pipelines hold what they need themselves."""
        return tf.constant([], tf.string)

    def training_batches(
        self, samples: int, stream: StreamSettings, resolution: int | None = None
    ) -> tf.data.Dataset:
        """See `TrainingData.training_batches`."""
        samples = min(samples, self.train_samples)
        seed = tf.cast(stream.seed, tf.int64)
        first_sample = tf.cast(stream.first_sample, tf.int64)
        first_pass, passed_over = first_sample // samples, first_sample % samples

        def one_pass(number: tf.Tensor) -> tf.data.Dataset:
            # Two numbers from one seed, far apart for every pass.
            drawn = tf.random.stateless_uniform([2], tf.stack([seed, number]), None, None, tf.int64)
            make = partial(self._make_train, drawn[0]) if self._takes_seed else self._make_train
            held_out = self.validation_samples
            elements = self._elements(make, "make_train", held_out + samples).skip(held_out)
            shuffled = _shuffled(elements, min(self._shuffle_buffer, samples), drawn)
            return shuffled.skip(tf.where(number == first_pass, passed_over, 0))

        batches = (
            tf.data.Dataset.counter(first_pass)
            .flat_map(one_pass)
            .batch(_CHUNK)
            .rebatch(stream.batch_sizes)
        )
        if not stream.endless:
            batches = batches.take(tf.size(stream.batch_sizes, tf.int64))
        return finished(batches, stream, self._finish(), stream.parallel_calls)

    def _raw_test_batches(self, share: Share) -> tf.data.Dataset:
        elements = self._elements(self._make_test, "make_test", self.test_samples)
        return elements.skip(share.start).take(share.stop - share.start).batch(share.batch)

    def _raw_validation_batches(self, held_out: HeldOut, share: Share) -> tf.data.Dataset:
        elements = self._elements(self._make_train, "make_train", held_out.samples)
        return elements.skip(share.start).take(share.stop - share.start).batch(share.batch)

    def _elements(
        self, make: Callable[[], tf.data.Dataset], what: str, samples: int
    ) -> tf.data.Dataset:
        """The first `samples` elements of a pipeline; an error where it has fewer."""
        dataset = _made(make)
        if not isinstance(dataset, tf.data.Dataset):
            raise UserError(
                f"{self.name}: {what} returns a {type(dataset).__name__}; return a "
                "tf.data.Dataset whose elements are (x, y) or (x, y, weight) of one sample"
            )
        spec = dataset.element_spec
        if not isinstance(spec, tuple) or len(spec) not in (2, 3):
            raise UserError(
                f"{self.name}: the elements of {what} are {spec}; make them (x, y) or (x, y, "
                "weight) of one sample"
            )
        for leaf in tf.nest.flatten(spec):
            if not isinstance(leaf, tf.TensorSpec) or leaf.shape.rank is None:
                raise UserError(
                    f"{self.name}: the elements of {what} contain {leaf}; give every tensor a "
                    "known number of dimensions (tf.ensure_shape)"
                )
        if len(spec) == 3:
            dataset = dataset.map(lambda *parts: pair_with_weights(parts, self.name, what))
        return _exactly(dataset, samples, f"{self.name}: {what}")


def stream(
    make_train: Callable[..., tf.data.Dataset],
    make_test: Callable[[], tf.data.Dataset],
    *,
    train_samples: int,
    test_samples: int,
    shuffle_buffer: int = 10_000,
    preprocess: Preprocess | None = None,
    augment: Augment | None = None,
) -> StreamData:
    """Returns training data made of pipelines of tf.data, which the workers build and run.

    For what is larger than the memory, or comes from elsewhere than from files. A pipeline is
    made anew for every pass, cut off after the given number of samples, and shuffled by the seed
    of the run; so it should not shuffle by itself, unless by a given seed. A run that is resumed
    skips what it has had of the pass, which takes as long as making it. Samples held out for
    validation are the first ones of the training pipeline, whatever the seed.

    Args:
        make_train: makes a pipeline of single samples (x, y) or (x, y, weight), of one shape; x
            and y may be dicts or tuples. With an argument it is given a seed, an int64 scalar that
            differs from pass to pass and worker to worker, for the order of files for example. It
            runs where the workers are, so no Python runs in it: no `from_generator`, no
            `py_function`.
        make_test: likewise, without an argument; always the same samples in the same order.
        train_samples: how many samples to use. A pipeline with fewer is an error that ends the run.
        test_samples: likewise.
        shuffle_buffer: of how many training samples the next one is drawn; they are kept in memory.
        preprocess: from (x, y) of a batch to (x, y) or (x, y, weights); of training and test
            batches.
        augment: from (x, y, seed) of a training batch to (x, y), after `preprocess`; see
            `dbsl_tf.Data`.

    Raises:
        UserError: an argument is not a function, or not a number of samples.

    Example:
        >>> import tensorflow as tf
        >>> def squares():
        ...     numbers = tf.data.Dataset.range(100)
        ...     return numbers.map(lambda n: (tf.cast(n, tf.float32)[None], n * n))
        >>> stream(squares, squares, train_samples=100, test_samples=10).facts()["y"]
        'int64 [None]'
    """
    return StreamData(
        make_train,
        make_test,
        train_samples,
        test_samples,
        shuffle_buffer=shuffle_buffer,
        preprocess=preprocess,
        augment=augment,
    )


def _made(make: Callable[[], Any]) -> Any:
    """What a function returns; what it maps may have an `if` that depends on tensors."""
    made: list[Any] = []

    # AutoGraph reaches into this and into what is called by it.
    @tf.function
    def call() -> Any:
        result = make()
        made.append(result)
        return result if isinstance(result, tf.data.Dataset) else None

    returned = call()
    return made[-1] if returned is None else returned


def _arguments(function: Callable) -> int:
    """How many positional arguments a function has to be given; optional ones do not count."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return 0
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(p.kind in kinds and p.default is p.empty for p in parameters)


def _shuffled(dataset: tf.data.Dataset, buffer: int, seed: tf.Tensor) -> tf.data.Dataset:
    """`Dataset.shuffle` by two seeds, int64 [2], and by nothing else: no global seed counts."""
    specs = tf.nest.flatten(dataset.element_spec)
    variant = tf.raw_ops.ShuffleDataset(
        input_dataset=tf.data.experimental.to_variant(dataset),
        buffer_size=tf.constant(buffer, tf.int64),
        seed=seed[0],
        seed2=seed[1],
        output_types=[spec.dtype for spec in specs],
        output_shapes=[spec.shape for spec in specs],
        reshuffle_each_iteration=False,
    )
    return tf.data.experimental.from_variant(variant, dataset.element_spec)


def _exactly(dataset: tf.data.Dataset, samples: int, what: str) -> tf.data.Dataset:
    """The first `samples` elements; an error, with both numbers, where there are fewer."""

    def empty(spec: tf.TensorSpec) -> tf.Tensor:
        return tf.zeros([size or 0 for size in spec.shape], spec.dtype)

    end = tf.nest.map_structure(empty, dataset.element_spec)
    not_ended = tf.data.Dataset.from_tensors(False).repeat()
    marked = tf.data.Dataset.zip((not_ended, dataset)).concatenate(
        tf.data.Dataset.from_tensors((True, end))
    )

    def check(count: tf.Tensor, marked: tuple[tf.Tensor, Any]) -> tuple[tf.Tensor, Any]:
        ended, element = marked
        short = tf.debugging.Assert(
            tf.logical_not(ended),
            [f"{what} ends after", count, f"samples, but has to make {samples}"],
        )
        with tf.control_dependencies([short]):
            return count + 1, tf.nest.map_structure(tf.identity, element)

    return marked.scan(tf.constant(0, tf.int64), check).take(samples)
