"""Which cores a process may use."""

from __future__ import annotations

import os
import unittest
from unittest import mock

from dbsl_tf.common.cores import available_cores


class AvailableCoresTest(unittest.TestCase):
    def test_those_the_process_is_held_to(self):
        with mock.patch.object(os, "sched_getaffinity", return_value={7, 2}, create=True):
            self.assertEqual(available_cores(), [2, 7])

    def test_all_where_the_system_does_not_tell(self):
        system = mock.Mock(spec=["cpu_count"])
        system.cpu_count.return_value = 3
        with mock.patch("dbsl_tf.common.cores.os", system):
            self.assertEqual(available_cores(), [0, 1, 2])


if __name__ == "__main__":
    unittest.main()
