"""Whether two momenta are warned of."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbsl_tf.config import load_config
from dbsl_tf.resolved import resolve
from dbsl_tf.resolved.two_momenta import warn_of_two_momenta

CONFIG = Path(__file__).parents[2] / "configs" / "cifar10_small.yaml"
ROUNDS = (
    "sync.mode=bsp", "sync.staleness=null", "merge.rule=nesterov", "data.train_samples=10000",
    "cluster.workers=4", "dual_batch.small_workers=0", "dual_batch.large_batch=125",
)  # fmt: skip


def _warning(capsys: pytest.CaptureFixture, *overrides: str) -> str:
    run = resolve(load_config(CONFIG, [*ROUNDS, *overrides]))
    warn_of_two_momenta(run.settings, run.schedule.plain)
    return capsys.readouterr().err


def test_short_mini_epochs_are_warned_of(capsys: pytest.CaptureFixture) -> None:
    told = _warning(capsys, "schedule.mini_epochs_per_epoch=10")
    assert told.startswith("warning: merge.rule=nesterov has a momentum (0.9)")
    assert "optimizer.momentum=0.9" in told
    assert "only 2 step(s): training is unstable from 1/26" in told
    assert told.count("\n") == 1


@pytest.mark.parametrize(
    "override",
    [
        "schedule.mini_epochs_per_epoch=4",  # five steps
        "optimizer.state=reset",
        "optimizer.momentum=0",
        "merge.momentum=0",
        "merge.rule=delta",
        "merge.rule=average",
    ],
)
def test_others_are_not(capsys: pytest.CaptureFixture, override: str) -> None:
    assert _warning(capsys, "schedule.mini_epochs_per_epoch=10", override) == ""


def test_adamw_has_one_too(capsys: pytest.CaptureFixture) -> None:
    adamw = ("optimizer.name=adamw", "optimizer.nesterov=false")
    told = _warning(capsys, "schedule.mini_epochs_per_epoch=10", *adamw)
    assert "optimizer.beta_1=0.9" in told
