"""Logs that are kept when somebody was told to read them."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbsl_tf.common.errors import ClusterError
from dbsl_tf.common.kept_logs import logs_until_named


def test_they_go_when_nobody_was_told_of_them() -> None:
    lines: list[str] = []
    with logs_until_named(lines.append) as (folder, report):
        (folder / "worker-0.log").touch()
        report("measuring")
    assert lines == ["measuring"]
    assert not folder.exists()


def test_they_stay_when_a_line_names_them() -> None:
    lines: list[str] = []
    with logs_until_named(lines.append) as (folder, report):
        (folder / "worker-0.log").touch()
        report(f"worker-0 ended with SIGKILL, see {folder / 'worker-0.log'}")
    assert Path(lines[0].split()[-1]).exists()
    (folder / "worker-0.log").unlink()
    folder.rmdir()


def test_they_stay_when_an_error_names_them() -> None:
    with pytest.raises(ClusterError), logs_until_named(print) as (folder, _):
        raise ClusterError(f"no worker is left: see {folder}/worker-0.log")
    folder.rmdir()
    with pytest.raises(KeyboardInterrupt), logs_until_named(print) as (folder, _):
        raise KeyboardInterrupt
    assert not folder.exists()
