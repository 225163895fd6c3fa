"""Which changes of the configuration a run survives."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbsl_tf.common.errors import UserError
from dbsl_tf.config import load_config
from dbsl_tf.results.resuming import changes

CONFIG = Path(__file__).resolve().parents[2] / "configs" / "quickstart.yaml"


def config(*overrides: str):
    return load_config(CONFIG, overrides)


def test_changes_are_named_by_key() -> None:
    now = config("optimizer.base_lr=0.5", "schedule.epochs=99", "run.dir=elsewhere")
    found = changes(config(), now)
    assert [change.key for change in found] == ["optimizer.base_lr", "schedule.epochs"]
    assert "now 99" in str(found[1])


def test_nothing_changed() -> None:
    renamed = config("dual_batch.merge=compsac"), config("merge.rule=interpolate")
    assert changes(*renamed) == []
    assert changes(config(), config("run.resume=must")) == []
    assert changes(config(), config("model.stem=cifar")) == []


@pytest.mark.parametrize(
    "override",
    ["model.name=resnet20", "model.stem=imagenet", "data.name=cifar10", "cluster.workers=3"],
)
def test_what_would_make_nonsense_is_refused(override: str) -> None:
    key = override.partition("=")[0]
    with pytest.raises(UserError, match=key):
        changes(config(), config(override))


def test_another_optimizer_does_not_get_the_state_of_the_one_before() -> None:
    keep, reset = "optimizer.state=keep", "optimizer.state=reset"
    adamw = "optimizer.name=adamw"
    with pytest.raises(UserError, match="optimizer.name was sgd, now adamw: the state .* back, "):
        changes(config(keep), config(keep, adamw))
    for before, now in ((reset, reset), (keep, reset), (reset, keep)):
        assert "optimizer.name" in [c.key for c in changes(config(before), config(now, adamw))]
