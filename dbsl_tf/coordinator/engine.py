"""The one module that knows ParameterServerStrategy and ClusterCoordinator."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import tensorflow as tf

from dbsl_tf.cluster.task import Task
from dbsl_tf.errors import ClusterError


class Engine:
    """A connected cluster: places variables, builds per-worker datasets, runs closures.

    Connecting resets TensorFlow's context: build models and variables afterwards.

    Args:
        task: the chief's task.
    """

    def __init__(self, task: Task) -> None:
        addresses = task.addresses
        # The chief does not compute: the GPUs of its machine are for the workers.
        tf.config.set_visible_devices([], "GPU")
        resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
            tf.train.ClusterSpec(addresses.as_dict()),
            task_type=task.role,
            task_id=task.index,
            rpc_layer="grpc",
        )
        self.workers = len(addresses.workers)
        self._strategy = tf.distribute.ParameterServerStrategy(resolver)
        self._coordinator = tf.distribute.coordinator.ClusterCoordinator(self._strategy)

    def variables(self, initial: list[Any]) -> list[tf.Variable]:
        """Variables on the parameter servers, spread over them in turn."""
        with self._strategy.scope():
            return [tf.Variable(value, trainable=False) for value in initial]

    def per_worker_iterator(self, dataset_fn: Callable[[], tf.data.Dataset]) -> Iterator:
        """An iterator that stands for one dataset on each worker.

        `dataset_fn` is traced once and runs on every worker; `worker_index()` inside it tells
        which. It must create no variable.
        """
        return iter(self._coordinator.create_per_worker_dataset(lambda _context=None: dataset_fn()))

    def call(self, closure: Callable, *arguments: Any) -> Any:
        """Run `closure` on some idle worker and wait for its result, as numpy values.

        If the worker dies meanwhile, another one runs the closure again from its start.

        Raises:
            ClusterError: a parameter server is gone.
        """
        return self.call_each(closure, [arguments])[0]

    def call_each(self, closure: Callable, argument_lists: Sequence[Sequence[Any]]) -> list[Any]:
        """Like `call` for several sets of arguments at once, spread over the workers."""
        with naming_lost_servers():
            running = [self._coordinator.schedule(closure, args=tuple(a)) for a in argument_lists]
            return [result.fetch() for result in running]

    @staticmethod
    def worker_index() -> tf.Tensor:
        """Inside a closure or a dataset_fn: the index of the worker that runs it, int64 scalar."""
        return tf.cast(tf.distribute.coordinator.experimental_get_current_worker_index(), tf.int64)


@contextmanager
def naming_lost_servers() -> Iterator[None]:
    """Turn TensorFlow's errors for a lost parameter server into a `ClusterError`.

    A lost worker is no error: its closure runs elsewhere.
    """
    try:
        yield
    except (tf.errors.UnavailableError, tf.errors.AbortedError) as error:
        raise ClusterError(
            "a parameter server does not answer any more, and the weights are gone with it: "
            "start it and the run again"
        ) from error
