"""What containers and schedulers allow a process, for both versions of control groups."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbsl_tf.common.cgroups import cpu_quota
from tests.support.cgroups import write_groups

VERSION_1 = "7:memory:/jobs/a\n4:cpu,cpuacct:/jobs/a\n0::/"


@pytest.mark.parametrize(
    ("own", "files", "expected"),
    [
        # In a container, whose own group is the root.
        ("0::/", {"cpu.max": "250000 100000"}, 2.5),
        ("0::/", {"cpu.max": "max 100000"}, None),
        ("0::/", {}, None),
        # The limit of a job is that of its steps.
        ("0::/a/b/c", {"a/b/cpu.max": "400000 100000", "a/b/c/cpu.max": "max 100000"}, 4),
        ("0::/a/b", {"a/cpu.max": "100000 100000", "a/b/cpu.max": "800000 100000"}, 1),
        (VERSION_1, {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, None),
        (
            VERSION_1,
            {"cpu/jobs/a/cpu.cfs_quota_us": "150000", "cpu/jobs/a/cpu.cfs_period_us": "50000"},
            3,
        ),
        # As Docker shows it: the path is that outside, the folder its own.
        (
            "4:cpu,cpuacct:/docker/0f",
            {"cpu/cpu.cfs_quota_us": "50000", "cpu/cpu.cfs_period_us": "100000"},
            0.5,
        ),
        ("nonsense\n::", {"cpu.max": "1 1"}, None),
        ("0::/", {"cpu.max": "many 0"}, None),
    ],
)
def test_the_tightest_limit_counts(
    tmp_path: Path, own: str, files: dict[str, str], expected: float | None
) -> None:
    assert cpu_quota(write_groups(tmp_path, own, files)) == expected


def test_a_system_without_them_has_no_limit(tmp_path: Path) -> None:
    assert cpu_quota(tmp_path) is None
