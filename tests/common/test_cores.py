"""Which cores a process may use."""

from __future__ import annotations

import os
from unittest import mock

import pytest

from dbsl_tf.common import cores
from dbsl_tf.common.cores import available_cores, core_count


class TestAvailableCores:
    def test_those_the_process_is_held_to(self):
        with mock.patch.object(os, "sched_getaffinity", return_value={7, 2}, create=True):
            assert available_cores() == [2, 7]

    def test_all_where_the_system_does_not_tell(self):
        system = mock.Mock(spec=["cpu_count"])
        system.cpu_count.return_value = 3
        with mock.patch("dbsl_tf.common.cores.os", system):
            assert available_cores() == [0, 1, 2]


@pytest.mark.parametrize(
    ("quota", "expected"), [(None, 4), (8.0, 4), (4.0, 4), (2.9, 2), (1.0, 1), (0.2, 1)]
)
def test_the_time_of_fewer_cores_is_that_of_fewer_cores(
    monkeypatch: pytest.MonkeyPatch, quota: float | None, expected: int
) -> None:
    monkeypatch.setattr(cores, "available_cores", lambda: [0, 1, 2, 3])
    monkeypatch.setattr(cores, "cpu_quota", lambda: quota)
    assert core_count() == expected
