"""Which errors of TensorFlow end a run, which name a lost server, and which pass."""

from __future__ import annotations

import tensorflow as tf

from dbsl_tf.common.errors import ClusterError, ParameterServerLost
from dbsl_tf.engine.failures import is_retriable, naming_lost_servers, unreachable_server

CUT_OFF = (
    "2 root error(s) found.\n  (0) INTERNAL: Unable to parse request\n"
    "Additional GRPC error information from remote target /job:worker/replica:0/task:0"
    " while calling /tensorflow.eager.EagerService/RunComponentFunction:\n"
    "  (1) CANCELLED: RecvFromRemoteAsync is cancelled."
)
ASSERTION = """Graph execution error:

Detected at node Assert/Assert defined at (most recent call last):
  File "/somewhere/train.py", line 79, in <module>

assertion failed: [not below zero:] [7]
\t [[{{node Assert/Assert}}]]
Additional GRPC error information from remote target /job:worker/replica:0/task:1:
:UNKNOWN:Error received from peer"""

UNREACHABLE = """Graph execution error:

2 root error(s) found.
  (0) UNAVAILABLE:  failed to connect to all addresses; last error: connect failed: No route to host
Additional GRPC error information from remote target /job:ps/replica:0/task:3/device:CPU:0 while \
calling /tensorflow.eager.EagerService/RunComponentFunction:
  (1) CANCELLED:  Function was cancelled before it was started
Additional GRPC error information from remote target /job:worker/replica:0/task:1 while calling \
/tensorflow.eager.EagerService/Enqueue:
"""

OUT_OF_RANGE = """Graph execution error:

2 root error(s) found.
  (0) INVALID_ARGUMENT:   Received a label value of -1 which is outside the valid range of [0, 4)
\t [[{{node cond/while/SparseSoftmaxCrossEntropyWithLogits}}]]
Additional GRPC error information from remote target /job:worker/replica:0/task:1 while calling \
/tensorflow.WorkerService/RecvTensor:
\t [[cond/then/_0/cond/Identity_2/_72]]
Additional GRPC error information from remote target /job:ps/replica:0/task:0/device:CPU:0 while \
calling /tensorflow.eager.EagerService/RunComponentFunction:
  (1) INVALID_ARGUMENT:  Received a label value of -1 which is outside the valid range of [0, 4)
"""


def named(error):
    with naming_lost_servers():
        raise error


class FailuresTest(tf.test.TestCase):
    def test_a_call_that_was_cancelled_or_cut_off_is_tried_again(self):
        for error in (
            tf.errors.CancelledError(None, None, "Please reschedule the function."),
            tf.errors.InternalError(None, None, CUT_OFF),
        ):
            self.assertTrue(is_retriable(error))

    def test_a_fault_of_the_call_or_of_a_parameter_server_is_not(self):
        for error in (
            tf.errors.InternalError(None, None, "CUDA is out of sorts"),
            tf.errors.InvalidArgumentError(None, None, ASSERTION),
            tf.errors.CancelledError(None, None, "from remote target /job:ps/replica:0/task:0"),
            tf.errors.UnavailableError(None, None, "failed to connect"),
        ):
            self.assertFalse(is_retriable(error))

    def test_a_fault_is_reported_without_traces_of_the_source(self):
        with self.assertRaises(ClusterError) as caught:
            named(tf.errors.InvalidArgumentError(None, None, ASSERTION))
        self.assertEqual(
            str(caught.exception),
            "worker 1 failed (InvalidArgumentError: not below zero: 7)",
        )

    def test_what_an_operation_refuses_is_no_lost_server(self):
        with self.assertRaisesRegex(ClusterError, r"^worker 1 failed \(.* Received a label value"):
            named(tf.errors.InvalidArgumentError(None, None, OUT_OF_RANGE))

    def test_a_missing_file_comes_with_advice(self):
        message = "a worker failed .*/cache/train.bin; No such file.*a data.dir that.*same paths"
        with self.assertRaisesRegex(ClusterError, message):
            named(
                tf.errors.NotFoundError(None, None, "/cache/train.bin; No such file or directory")
            )

    def test_too_little_memory_comes_with_advice(self):
        message = "a worker failed .*OOM.*lower dual_batch.large_batch, or progressive.large_batch"
        with self.assertRaisesRegex(ClusterError, message):
            named(tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor"))

    def test_a_lost_server_is_named(self):
        with self.assertRaisesRegex(ParameterServerLost, "no longer answers"):
            named(tf.errors.UnavailableError(None, None, "failed to connect"))

    def test_a_parameter_server_that_a_worker_did_not_reach_is_named(self):
        for kind in (tf.errors.UnavailableError, tf.errors.AbortedError):
            self.assertEqual(unreachable_server(kind(None, None, UNREACHABLE)), "ps-3")
        for error in (
            tf.errors.InvalidArgumentError(None, None, UNREACHABLE),
            tf.errors.UnavailableError(None, None, "remote target /job:worker/replica:0/task:1"),
            TypeError(UNREACHABLE),
        ):
            self.assertIsNone(unreachable_server(error))

    def test_what_is_no_error_of_tensorflow_is_left_alone(self):
        with self.assertRaisesRegex(KeyError, "lost"):
            named(KeyError("lost"))


if __name__ == "__main__":
    tf.test.main()
