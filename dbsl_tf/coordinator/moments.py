"""Named moments in the work of a worker; tests of faults make workers die there."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tensorflow as tf

BEFORE_PULL = "before pull"
IN_THE_LOOP = "in the loop"
DURING_PUSH = "during push"
AFTER_PUSH = "after push"
DURING_EVALUATION = "during evaluation"


def passing(moment: str, worker: tf.Tensor) -> tf.Operation:
    """In a closure: what `worker` (int64 scalar) runs when it passes `moment`; nothing."""
    import tensorflow as tf

    return tf.no_op()
