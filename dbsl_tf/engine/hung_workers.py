"""What TensorFlow does that would stop this whole process when one worker hangs, done otherwise.

None of it has a public name in TensorFlow; it holds for the version that requirements.txt pins.
"""

from __future__ import annotations

import tensorflow as tf
from tensorflow.python.distribute.coordinator import coordinator_context
from tensorflow.python.eager import context, executor

ON_CHIEF = "/job:chief/replica:0/task:0/device:CPU:0"
_REPLACED = "replaced"  # attribute of what stands in the place of TensorFlow's own
_OUTSIDE = "the index of a worker is known only in a function that runs on one"


def outlive_them() -> None:
    """Make the changes that hold for the whole process, from before it connects to a cluster."""
    _leave_executors_at_once()
    # To forget a function is told to every worker with the interpreter's lock held, whenever the
    # garbage collector comes upon one. There are few, and none is traced while training goes on.
    context.Context.remove_function = lambda self, name: None


def _leave_executors_at_once() -> None:
    """Let go of executors that are not asynchronous without waiting for what others do with them.

    ClusterCoordinator's thread of a worker leaves the worker's executor after every call and takes
    up that of the whole process. It then waits for all that the process has under way there, such
    as the deletion of a tensor on some other worker, which a worker that hangs never confirms.
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
    """In a function that a worker runs: the index of this worker, int64 scalar.

    `experimental_get_current_worker_index` makes its tensor on the worker, and waits for that with
    the interpreter's lock held: where the worker hangs, no thread of this process goes on. This
    makes it on the chief, one for all that asks for it in a function.

    Raises:
        RuntimeError: no worker runs the function.
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
