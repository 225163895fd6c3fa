"""Input pipelines that every worker builds for itself, from a function that is traced once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import tensorflow as tf

from dbsl_tf.engine.hung_workers import ON_CHIEF


class WorkerDatasets:
    """Datasets of one kind, one on each worker; made by `Engine.worker_datasets`.

    A traced function is sent to every worker, and this process waits for all of them while it
    holds the interpreter lock. So the function is traced once, here, and takes what varies as
    arguments.

    Args:
        function: makes the dataset from tensors, on the worker that runs it.
        signature: of these tensors.
        create: method of ClusterCoordinator that makes a dataset on each worker.
    """

    def __init__(
        self,
        function: Callable[..., tf.data.Dataset],
        signature: Sequence[tf.TensorSpec],
        create: Callable[[Callable[[], tf.data.Dataset]], Any],
    ) -> None:
        traced = tf.function(function, autograph=False)
        self._function = traced.get_concrete_function(*signature)
        self._signature = signature
        self._create = create

    def iterator(self, *values: Any) -> Iterator:
        """Returns an iterator that stands for one on each worker.

        A worker that is restarted begins at the start of its dataset.

        Args:
            values: the tensors of the signature, as numpy values.
        """
        with tf.device(ON_CHIEF):
            arguments = [tf.constant(v, s.dtype) for v, s in zip(values, self._signature)]
        datasets = self._create(self._function)
        # It calls this on every worker, without arguments.
        datasets._dataset_fn = _Bound(self._function, arguments)
        iterator = iter(datasets)
        # A closure is traced for the elements of one kind of datasets.
        iterator.made_by = self
        return iterator


class _Bound:
    """A traced function bound to its arguments."""

    def __init__(self, function: Any, arguments: Sequence[tf.Tensor]) -> None:
        self._function = function
        self._arguments = arguments
        self.structured_outputs = function.structured_outputs

    def __call__(self) -> tf.data.Dataset:
        return self._function(*self._arguments)
