"""The order of training samples: shuffled passes in batches of exact sizes, made on a worker."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import tensorflow as tf

from dbsl_tf.data.draws import stateless_seeds
from dbsl_tf.data.held_out import HeldOut
from dbsl_tf.data.training_data import StreamSettings

# Of samples that are loaded one by one. Each may be the size of a gigabyte.
_LARGE_BATCHES_AT_ONCE = 2

# From sample numbers, int64 [B], and seeds, int64 [B, 2], to x and y, nested structures of tensors
# whose first dimension is B.
Loader = Callable[[tf.Tensor, tf.Tensor], tuple[Any, Any]]
# From x, y and a seed, int64 [2], that differs from batch to batch, to the x and y to train on.
Finish = Callable[[Any, Any, tf.Tensor], tuple[Any, Any]]


class Source(Protocol):
    """A kind of files that samples come from.

    Attributes:
        one_by_one: whether loading takes single samples, so that those of a batch are loaded at
            the same time; otherwise whole batches.
    """

    one_by_one: bool

    def held(self, samples: int | tf.Tensor) -> tf.Tensor:
        """Reads what is held in memory to load the first `samples` training samples; string."""

    def training_loader(self, held: tf.Tensor) -> Loader:
        """Returns the function that loads some of the samples for which `held` is held."""

    def test_batches(
        self, start: tf.Tensor, stop: tf.Tensor, batch: int | tf.Tensor, parallel_calls: int
    ) -> tf.data.Dataset:
        """Returns the test samples start … stop − 1 in batches, (x, y) as loaded."""

    def validation_batches(
        self, numbers: tf.Tensor, batch: int | tf.Tensor, parallel_calls: int
    ) -> tf.data.Dataset:
        """Returns some training samples in batches, (x, y) loaded as test samples are.

        Args:
            numbers: of the samples, ascending, int64 [n]; n may be 0.
            batch: samples in a batch.
            parallel_calls: samples or batches that are loaded at the same time.
        """


def training_stream(
    source: Source,
    samples: int,
    stream: StreamSettings,
    finish: Finish,
    held_out: HeldOut | None = None,
) -> tf.data.Dataset:
    """Returns batches of the sizes `stream.batch_sizes`, over and over unless they end.

    The training set is shuffled as a whole for every pass, and one pass follows the other
    whatever the batches are, so each sample is used once before any is used again. With the
    sizes of `mini_epoch_batches`, every mini-epoch has exactly its planned samples.

    The order and every draw are functions of the seed and of how many samples came before,
    whatever `stream.parallel_calls` is. So a stream resumes where it stopped when it is made again
    with `stream.first_sample`.

    Meant to be traced in a `dataset_fn`: the files are read by the worker that runs it.

    Args:
        source: of the samples.
        samples: how many of the first ones to use, without those held out.
        stream: order and sizes.
        finish: what is done with a batch that is loaded.
        held_out: samples that are passed over.
    """
    load = _loader(source, samples, held_out, stream.held)
    seed, first_sample = _scalars(stream)

    def load_at(indices: tf.Tensor, position: tf.Tensor) -> tuple[Any, Any]:
        loading_seed, _ = _seeds_at(seed, position)
        return load(indices, stateless_seeds(loading_seed, tf.size(indices)))

    indices = _shuffled(samples, seed, first_sample).rebatch(
        [1] if source.one_by_one else stream.batch_sizes
    )
    if not stream.endless:
        sizes = tf.cast(stream.batch_sizes, tf.int64)
        count = tf.reduce_sum(sizes) if source.one_by_one else tf.size(sizes, tf.int64)
        indices = indices.take(count)
    batches = _positioned(indices, first_sample).map(
        load_at, num_parallel_calls=stream.parallel_calls
    )
    parallel_calls = stream.parallel_calls
    if source.one_by_one:
        batches = batches.rebatch(stream.batch_sizes)
        # Decoding is what takes time; many finished batches of photographs would fill the memory.
        parallel_calls = _LARGE_BATCHES_AT_ONCE
    return finished(batches, stream, finish, parallel_calls)


def finished(
    batches: tf.data.Dataset, stream: StreamSettings, finish: Finish, parallel_calls: int
) -> tf.data.Dataset:
    """Returns loaded training batches as they are trained on.

    Args:
        batches: of the right sizes, from the first sample of the stream on.
        stream: they belong to.
        finish: what is done with each.
        parallel_calls: with how many at the same time.
    """
    seed, first_sample = _scalars(stream)

    def finish_at(batch: tuple[Any, Any], position: tf.Tensor) -> tuple[Any, Any]:
        _, finishing_seed = _seeds_at(seed, position)
        return finish(*batch, finishing_seed)

    return (
        _positioned(batches, first_sample)
        .map(finish_at, num_parallel_calls=parallel_calls)
        .prefetch(parallel_calls)
        .with_options(_untuned())
    )


def mini_epoch_batches(batch: int | tf.Tensor, samples: int | tf.Tensor) -> tf.Tensor:
    """Returns the sizes of the batches of one mini-epoch: [B, B, …, rest], int64 [steps].

    The last batch has the samples that remain (Lu et al., COMPSAC 2022: a worker trains d_S or
    d_L samples in batches of B_S or B_L).

    Args:
        batch: samples in a batch, B; scalar.
        samples: samples in the mini-epoch, at least 1; scalar.
    """
    batch = tf.cast(batch, tf.int64)
    samples = tf.cast(samples, tf.int64)
    rest = samples % batch
    full = tf.fill([samples // batch], batch)
    return tf.concat([full, tf.fill([tf.cast(rest > 0, tf.int32)], rest)], axis=0)


def held_for_training(source: Source, samples: int, held_out: HeldOut | None = None) -> tf.Tensor:
    """Returns what a worker holds in memory to load training samples, for `StreamSettings.held`.

    Args:
        source: of the samples.
        samples: how many of the first ones to use, without those held out.
        held_out: samples that are passed over.
    """
    if held_out is None:
        return source.held(samples)
    return source.held(held_out.other_numbers()[:samples][-1] + 1)


def _loader(
    source: Source, samples: int, held_out: HeldOut | None, held: tf.Tensor | None
) -> Loader:
    """Returns what loads samples by their numbers among those that are not held out."""
    if held is None:
        held = held_for_training(source, samples, held_out)
    load = source.training_loader(held)
    if held_out is None:
        return load
    numbers = held_out.other_numbers()[:samples]
    return lambda indices, seeds: load(tf.gather(numbers, indices), seeds)


def _scalars(stream: StreamSettings) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the seed and the first sample as tensors, int64."""
    return tf.cast(stream.seed, tf.int64), tf.cast(stream.first_sample, tf.int64)


def _untuned() -> tf.data.Options:
    """Options under which TensorFlow tunes nothing: every number of calls is given here.

    To close an iterator that is tuned can take until the next round of the tuner, a minute at
    worst, during which nothing is done (TensorFlow 2.21).
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return options


def _shuffled(samples: int, seed: tf.Tensor, first_sample: tf.Tensor) -> tf.data.Dataset:
    """Returns one permutation of 0 … samples − 1 after the other, int64 [samples].

    The first one lacks what comes before `first_sample`.
    """
    first_pass, passed_over = first_sample // samples, first_sample % samples

    def permutation(number: tf.Tensor) -> tf.Tensor:
        indices = tf.random.experimental.stateless_shuffle(
            tf.range(samples), seed=tf.stack([seed, number])
        )
        return indices[tf.where(number == first_pass, passed_over, 0) :]

    return tf.data.Dataset.counter(first_pass).map(permutation)


def _positioned(batches: tf.data.Dataset, first_sample: tf.Tensor) -> tf.data.Dataset:
    """Pairs every batch with how many samples came before it in the stream, an int64 scalar.

    The first dimension of a batch, of whatever structure, is that of its samples.
    """

    def add(position: tf.Tensor, batch: Any) -> tuple[tf.Tensor, tuple[Any, tf.Tensor]]:
        size = tf.shape(tf.nest.flatten(batch)[-1], tf.int64)[0]
        return position + size, (batch, position)

    return batches.scan(first_sample, add)


def _seeds_at(seed: tf.Tensor, position: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the seeds of loading and of finishing, int64 [2] each."""
    # A negative number, as the orders of the passes have the positive ones.
    loading, finishing = tf.unstack(stateless_seeds(tf.stack([seed, -1 - position]), 2))
    return loading, finishing
