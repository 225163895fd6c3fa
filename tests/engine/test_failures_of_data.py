"""An assertion that fails in a graph is told as it is, and is no lost server."""

from __future__ import annotations

import pytest
import tensorflow as tf

from dbsl_tf.common.errors import ClusterError, ParameterServerLost
from dbsl_tf.engine.failures import naming_lost_servers, server_was_lost

# As it comes from a cluster, shortened.
MESSAGE = """Graph execution error:

Detected at node Assert/AssertGuard/Assert defined at (most recent call last):
<stack traces unavailable>
2 root error(s) found.
  (0) INVALID_ARGUMENT:   assertion failed: [mine: make_train ends after] [60] [samples, but has]
\t [[{{node Assert/AssertGuard/Assert}}]]
Additional GRPC error information from remote target /job:ps/replica:0/task:0/device:CPU:0
"""

UNREADABLE = """Graph execution error:

Detected at node decode_image/DecodeImage defined at (most recent call last):
<stack traces unavailable>
2 root error(s) found.
  (0) INVALID_ARGUMENT:  Error in user-defined function passed to ParallelMapDatasetV2:7 \
transformation with iterator: Iterator::Root::Prefetch::ParallelMapV2: Unknown image file format.
\t [[{{node decode_image/DecodeImage}}]]
  (1) CANCELLED:  Function was cancelled before it was started
Additional GRPC error information from remote target /job:ps/replica:0/task:0/device:CPU:0
"""
GONE = "/data/Resources/train/ant/photo.png; No such file or directory\n\t [[{{node ReadFile}}]]"


@pytest.mark.parametrize(
    "error",
    [
        tf.errors.InvalidArgumentError(None, None, UNREADABLE),
        tf.errors.NotFoundError(None, None, GONE),
    ],
)
def test_an_image_that_cannot_be_read_is_no_lost_server(error: Exception) -> None:
    assert not server_was_lost(error)


def test_a_parameter_server_that_lost_its_variables_is_lost() -> None:
    for error in (
        tf.errors.NotFoundError(
            None, None, "Container localhost does not exist. (Could not find resource: localhost/v)"
        ),
        tf.errors.InvalidArgumentError(
            None, None, "Unable to find a context_id matching the specified one (7)."
        ),
    ):
        assert server_was_lost(error)


def test_an_assertion_of_data_is_told() -> None:
    with pytest.raises(ClusterError) as caught, naming_lost_servers():
        raise tf.errors.InvalidArgumentError(None, None, MESSAGE)
    assert not isinstance(caught.value, ParameterServerLost)
    assert "InvalidArgumentError: mine: make_train ends after 60 samples, but has" in str(
        caught.value
    )
