"""Workarounds for places where TensorFlow blocks this whole process when one worker hangs.

None of them uses public names of TensorFlow; they fit the version that requirements.txt pins.
"""

from __future__ import annotations

import tensorflow as tf
from tensorflow.python.distribute.coordinator import coordinator_context
from tensorflow.python.eager import context, executor

ON_CHIEF = "/job:chief/replica:0/task:0/device:CPU:0"
_REPLACED = "replaced"  # attribute of functions that replace those of TensorFlow
_OUTSIDE = "the index of a worker is known only in a function that runs on one"


def install_workarounds() -> None:
    """Patches TensorFlow for the whole process; call it before connecting to a cluster."""
    _leave_executors_at_once()
    # Whenever a function is garbage-collected, every worker is informed while the interpreter lock
    # is held. Keeping them costs little: there are few, and training traces none.
    context.Context.remove_function = lambda self, name: None


def _leave_executors_at_once() -> None:
    """Deletes synchronous executors without waiting for their pending operations.

    After every call, the ClusterCoordinator thread of a worker switches from the worker's executor
    to that of the process. It then waits for everything pending there, such as the deletion of a
    tensor on another worker, which a worker that hangs never confirms.
    """
    wait_and_delete = executor.Executor.__del__
    if getattr(wait_and_delete, _REPLACED, False):
        return

    def delete(self: executor.Executor) -> None:
        if self.is_async():
            wait_and_delete(self)
        else:
            executor.pywrap_tfe.TFE_DeleteExecutor(self.handle())

    setattr(delete, _REPLACED, True)
    executor.Executor.__del__ = delete


def worker_index() -> tf.Tensor:
    """Returns the index of the worker that runs a function, int64 scalar.

    `experimental_get_current_worker_index` makes its tensor on the worker, and waits for it while
    holding the interpreter lock: if the worker hangs, all threads of this process stop. This one is
    made on the chief, once per function.

    Raises:
        RuntimeError: the function does not run on a worker.
    """
    graph = tf.compat.v1.get_default_graph()
    if not hasattr(graph, "capture_call_time_value"):
        raise RuntimeError(_OUTSIDE)
    return graph.capture_call_time_value(
        _index_now, tf.TensorSpec([], tf.int64), key="dbsl_tf.worker_index"
    )


def _index_now() -> tf.Tensor:
    running = coordinator_context.get_current_dispatch_context()
    if running is None:
        raise RuntimeError(_OUTSIDE)
    with tf.init_scope(), tf.device(ON_CHIEF):
        return tf.constant(running.worker_index, tf.int64)
