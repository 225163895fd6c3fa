"""`dbsl plan` where epochs are merged more or less often, and a run is planned as a whole."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dbsl_tf.cli import plan

CONFIG = str(Path(__file__).parents[2] / "configs" / "cifar100_compsac.yaml")
MERGES = (
    *("schedule.epochs=10", "schedule.milestones=[4]", "schedule.gamma=0.5"),
    *("schedule.mini_epochs_per_epoch=4", "schedule.merge_interval=quadratic"),
    "schedule.final_local_epochs=2",
)


def test_a_table_has_the_mini_epochs_of_every_part(capsys: pytest.CaptureFixture[str]) -> None:
    assert plan.main(["--config", CONFIG, *MERGES]) == 0
    text = capsys.readouterr().out
    assert "mini-epochs per epoch" in text
    assert [line.split()[1] for line in text.splitlines() if line.split()[:1] == ["1-4"]] == ["4"]
    for part in ("5-8 ", "9-10 ", " 1/2 ", "M is the number of mini-epochs"):
        assert part in text
    assert plan.main(["--config", CONFIG]) == 0
    assert "mini-epoch" not in capsys.readouterr().out


def test_json_has_them_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert plan.main(["--config", CONFIG, "--json", *MERGES]) == 0
    values = json.loads(capsys.readouterr().out)
    assert values["mini_epochs_per_epoch"] == 4
    assert [part["mini_epochs"] for part in values["schedule"]] == [16, 4, 1]
    assert values["schedule_seconds"]["predicted"] == pytest.approx(
        sum(part["predicted_seconds"] for part in values["schedule"])
    )
