"""The file of a program's objects: what goes into it, and what is said of what cannot."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dbsl_tf.common.errors import UserError
from dbsl_tf.library.program import Program, use_program


def holding(value: Any) -> Callable[[], Any]:
    return lambda: value


def program(model: Callable[[], Any]) -> Program:
    return Program(model, None, None, None, learning_rates=(0.1,), workers=1)


def test_what_cannot_be_sent_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "program.pkl"
    for value in (threading.Lock(), (number for number in range(3))):
        with pytest.raises(UserError, match="^build_model cannot be sent to the process that trai"):
            program(holding(value)).save(path)
    assert not path.exists()


def test_large_arrays_from_outside_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "program.pkl"
    program(holding(np.zeros(1000))).save(path)
    assert not capsys.readouterr().err
    program(holding(np.zeros(5 << 20))).save(path)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("warning: build_model takes 40 MiB along to the process that trains")


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "program.pkl"
    os.mkfifo(path)
    with pytest.raises(UserError, match="program.pkl cannot be read .it is a pipe"):
        use_program(path)
