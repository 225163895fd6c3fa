"""Statistics of batch normalisation from training batches, rather than those training has left.

As in Stochastic Weight Averaging (Izmailov et al., arXiv 1803.05407): weights that are averaged
need statistics of their own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import tensorflow as tf

from dbsl_tf.models.layer_classes import layer_classes
from dbsl_tf.training.network import Network

_State = tuple[tf.Tensor, tuple[tf.Tensor, ...]]


class BatchStatistics:
    """The means and variances by which layers of batch normalisation normalise batches.

    They are those of keras-core and Keras 3, and classes derived from them. Layers are left out
    that do not normalise by the batch alone (`renorm`), take in nothing of it (a momentum of 1) or
    are not trained.

    Args:
        network: whose layers they are.

    Attributes:
        places: of their moving means and variances among the weights of the network.
    """

    def __init__(self, network: Network) -> None:
        self._network = network
        place_of = {
            id(variable): network.trainable_count + index
            for index, variable in enumerate(network.statistics)
        }
        self._layers: list[tuple[Any, list[int]]] = []
        for layer in network.model._flatten_layers():
            if not _normalizes_batches(layer):
                continue
            places = [place_of.get(id(v)) for v in (layer.moving_mean, layer.moving_variance)]
            if None not in places:
                self._layers.append((layer, [place for place in places if place is not None]))
        self.places = [place for _, places in self._layers for place in places]

    @tf.autograph.experimental.do_not_convert
    def sums(
        self, network: Network, weights: Sequence[tf.Tensor], batches: tf.data.Dataset, first: Any
    ) -> list[tf.Tensor]:
        """Returns the sums of each statistic over batches, in the order of `places`.

        The network is in training mode. Its dropout is a function of the number of the batch, so
        that the sums over some batches do not depend on who adds up which.

        Args:
            network: the same one, bound.
            weights: in its order.
            batches: of (x, y).
            first: the number of the first one, int64 scalar.
        """

        # In tuples, as tf.data makes lists single tensors.
        def add(state: _State, x: Any) -> _State:
            number, sums = state
            found = self._of_batch(network, weights, number, x)
            return number + 1, tuple(total + each for total, each in zip(sums, found))

        none = tuple(tf.zeros_like(weights[place]) for place in self.places)
        start = tf.cast(first, tf.int64), none
        return list(batches.reduce(start, lambda state, batch: add(state, batch[0]))[1])

    def _of_batch(
        self, network: Network, weights: Sequence[tf.Tensor], number: tf.Tensor, x: Any
    ) -> list[tf.Tensor]:
        """Returns each statistic of a batch.

        A layer moves its statistics from m to p·m + (1 − p)·s by the momentum p and those of the
        batch, s; beginning with m = 0, what it has afterwards tells s.
        """
        began = list(weights)
        for place in self.places:
            began[place] = tf.zeros_like(began[place])
        trainable, statistics = network.split(began)
        with _counted_calls([layer for layer, _ in self._layers]) as calls:
            _, moved, _, _ = network.train(trainable, statistics, network.seed_states(number), x)
        found = []
        for (layer, places), count in zip(self._layers, calls):
            for place in places:
                if count == 0:  # The model does not use the layer.
                    found.append(weights[place])
                    continue
                # A layer that is used in several places has moved them as often.
                taken_in = 1.0 - layer.momentum**count
                found.append(moved[place - network.trainable_count] / taken_in)
        return found


def _normalizes_batches(layer: Any) -> bool:
    kinds = layer_classes("BatchNormalization")
    return isinstance(layer, kinds) and layer.momentum < 1 and not getattr(layer, "renorm", False)


@contextmanager
def _counted_calls(layers: Sequence[Any]) -> Iterator[list[int]]:
    """Counts how often each layer is called, while a model is traced."""
    calls = [0] * len(layers)
    own = [vars(layer).get("call") for layer in layers]

    def call(index: int, original: Any, *arguments: Any, **keywords: Any) -> Any:
        calls[index] += 1
        return original(*arguments, **keywords)

    try:
        for index, layer in enumerate(layers):
            # Not as an attribute, which Keras would have a look at.
            vars(layer)["call"] = partial(call, index, layer.call)
        yield calls
    finally:
        for layer, before in zip(layers, own):
            del vars(layer)["call"]
            if before is not None:
                vars(layer)["call"] = before
