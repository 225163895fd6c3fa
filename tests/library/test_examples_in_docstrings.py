"""The examples in the docstrings of what a program uses."""

from __future__ import annotations

import doctest
import os
from pathlib import Path

import keras
import pytest

import dbsl_tf
from dbsl_tf.library import dual_batch, epochs, run_callback, trainer
from tests.library.test_trainer import build_model, samples


@pytest.mark.parametrize("module", [dual_batch, epochs, run_callback])
def test_they_say_what_happens(module: object) -> None:
    result = doctest.testmod(module)
    assert (result.failed, result.attempted > 0) == (0, True)


@pytest.mark.cluster
@pytest.mark.slow
def test_that_of_the_trainer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names = ("x", "y", "x_test", "y_test")
    known = {**dict(zip(names, samples())), "keras": keras, "dbsl_tf": dbsl_tf}
    result = doctest.testmod(trainer, extraglobs={**known, "build_model": build_model})
    assert (result.failed, result.attempted) == (0, 3)
    assert os.listdir(tmp_path) == ["runs"]
