"""Which cores a process may use."""

from __future__ import annotations

import os
from unittest import mock

from dbsl_tf.common.cores import available_cores


class TestAvailableCores:
    def test_those_the_process_is_held_to(self):
        with mock.patch.object(os, "sched_getaffinity", return_value={7, 2}, create=True):
            assert available_cores() == [2, 7]

    def test_all_where_the_system_does_not_tell(self):
        system = mock.Mock(spec=["cpu_count"])
        system.cpu_count.return_value = 3
        with mock.patch("dbsl_tf.common.cores.os", system):
            assert available_cores() == [0, 1, 2]
