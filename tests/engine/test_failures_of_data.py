"""An assertion that fails in a graph is told as it is, and is no lost server."""

from __future__ import annotations

import pytest
import tensorflow as tf

from dbsl_tf.common.errors import ClusterError, ParameterServerLost
from dbsl_tf.engine.failures import naming_lost_servers

# As it comes from a cluster, shortened.
MESSAGE = """Graph execution error:

Detected at node Assert/AssertGuard/Assert defined at (most recent call last):
<stack traces unavailable>
2 root error(s) found.
  (0) INVALID_ARGUMENT:   assertion failed: [mine: make_train ends after] [60] [samples, but has]
\t [[{{node Assert/AssertGuard/Assert}}]]
Additional GRPC error information from remote target /job:ps/replica:0/task:0/device:CPU:0
"""


def test_an_assertion_of_data_is_told() -> None:
    with pytest.raises(ClusterError) as caught, naming_lost_servers():
        raise tf.errors.InvalidArgumentError(None, None, MESSAGE)
    assert not isinstance(caught.value, ParameterServerLost)
    assert "InvalidArgumentError: mine: make_train ends after 60 samples, but has" in str(
        caught.value
    )
