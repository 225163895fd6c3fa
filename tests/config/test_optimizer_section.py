"""The section `optimizer`: which keys an optimiser has."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbsl_tf.common.errors import UserError
from dbsl_tf.config import load_config
from dbsl_tf.config.registries import OPTIMIZERS

CONFIG = Path(__file__).parents[2] / "configs" / "quickstart.yaml"


def section(*overrides: str):
    return load_config(CONFIG, [f"optimizer.{override}" for override in overrides]).optimizer


def refusal(*overrides: str) -> str:
    with pytest.raises(UserError) as caught:
        section(*overrides)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_arguments_are_the_keys_of_the_optimizer() -> None:
    assert section().arguments == {
        "momentum": 0.9,
        "nesterov": False,
        "weight_decay": 5e-4,
        "decay_mode": "l2",
    }
    assert section("name=adamw", "beta_2=0.9").arguments == {
        "weight_decay": 5e-4,
        "beta_1": 0.9,
        "beta_2": 0.9,
        "epsilon": 1e-7,
    }
    assert section("name=lars", "momentum=0.8").arguments == {
        "momentum": 0.8,
        "weight_decay": 5e-4,
        "trust_coefficient": 0.001,
    }
    own = section("name=my_optimizers:Lion", "options={beta: 0.5}", "clip_norm=2")
    assert (own.arguments, own.options, own.clip_norm) == ({}, {"beta": 0.5}, 2)


def test_every_builtin_has_keys() -> None:
    """Else `optimizer.options` would be for it, and nobody would know its arguments."""
    for name in OPTIMIZERS.names():
        assert section(f"name={name}").arguments


def test_a_key_without_effect_is_refused(subtests) -> None:
    for overrides, expected in {
        ("name=adamw", "momentum=0.5"): "optimizer.momentum is 0.5; it is for sgd and lars, and "
        "optimizer.name is adamw: leave it out or give 0.9",
        ("name=lars", "nesterov=true"): "optimizer.nesterov is true; it is for sgd, and "
        "optimizer.name is lars: leave it out or give false",
        ("beta_1=0.5",): "optimizer.beta_1 is 0.5; it is for adamw, and optimizer.name is sgd",
        ("name=a:B", "weight_decay=0"): "leave it out or give 0.0005, or use optimizer.options",
        ("options={a: 1}",): "optimizer.options is {'a': 1}; leave it out, as sgd has the keys "
        "momentum, nesterov, weight_decay, decay_mode",
    }.items():
        with subtests.test(overrides):
            assert expected in refusal(*overrides)


def test_values_out_of_range_are_refused() -> None:
    assert "optimizer.name is 'adam'; give one of sgd, adamw, lars, or an import path" in (
        refusal("name=adam")
    )
    for override in ("clip_norm=0", "epsilon=0", "beta_1=1", "trust_coefficient=0", "options=[]"):
        assert f"optimizer.{override.partition('=')[0]} is" in refusal(override)


def test_options_are_written_to_the_configuration_and_read_back(tmp_path: Path) -> None:
    config = load_config(
        CONFIG, ["optimizer.name=a.b:C", "optimizer.options={x: 1e-3, y: [1, 2], z: {w: null}}"]
    )
    path = tmp_path / "again.yaml"
    path.write_text(config.to_yaml(), encoding="utf-8")
    assert load_config(path) == config


def test_a_registered_name_can_be_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OPTIMIZERS, "_entries", dict(OPTIMIZERS._entries))
    OPTIMIZERS.register("lion", "tests.support.own_optimizers:Lion")
    assert section("name=lion", "options={warm_up: 3}").options == {"warm_up": 3}
