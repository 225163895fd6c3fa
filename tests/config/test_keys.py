from __future__ import annotations

import re

import pytest

from dbsl_tf.common.errors import UserError
from dbsl_tf.config import (
    AUGMENTATIONS,
    DATASET_NAMES,
    describe_augmentations,
    describe_keys,
    load_config,
)
from dbsl_tf.config.catalogue import DATASETS, IMAGE_FOLDER


def test_every_key_has_a_meaning_and_allowed_values() -> None:
    for description in (*describe_keys(), *describe_augmentations()):
        assert description.meaning, description.key
        assert description.allowed, description.key


def test_ranges_choices_and_defaults_are_told() -> None:
    keys = {description.key: description for description in describe_keys()}
    assert keys["model.dropout"].allowed == "a number from 0 to below 1"
    assert keys["data.train_samples"].allowed == "a whole number from 1 to 10000000000, or null"
    assert keys["dual_batch.rounding"].allowed == "one of nearest, floor"
    assert keys["dual_batch.rounding"].default == "nearest"
    assert keys["optimizer.nesterov"].default == "false"
    assert keys["schedule.epochs"].default is None
    assert keys["time_model.a"].default == "null"
    assert keys["profile.memory_budget"].allowed.endswith("8GB or 8GiB, or null")


@pytest.mark.parametrize("value", ["1e308", "1e-300", str(2**61), "-1e308"])
def test_every_number_has_a_range(tmp_path, value: str) -> None:
    """It lies far beyond what anyone trains with."""
    path = tmp_path / "run.yaml"
    path.write_text("data: {name: digits}\nmodel: {name: resnet8}\nschedule: {epochs: 1}\n")
    for description in describe_keys():
        # A milestone beyond the end is allowed. So is a small factor.
        if "number" not in description.allowed or description.key == "schedule.milestones":
            continue
        if value == "1e-300" and not description.allowed.startswith(("a whole", "a list of whole")):
            continue
        for text in (value, f"[{value}]"):
            with pytest.raises(UserError, match=re.escape(description.key)):
                load_config(path, [f"{description.key}={text}"])


def test_a_default_can_be_given_as_it_is_written(tmp_path) -> None:
    required = ["data.name=digits", "model.name=resnet8", "schedule.epochs=1"]
    path = tmp_path / "empty.yaml"
    path.write_text("")
    written = [f"{key.key}={key.default}" for key in describe_keys() if key.default is not None]
    assert load_config(path, [*required, *written]) == load_config(path, required)


def test_every_augmentation_is_described() -> None:
    described = {description.key.partition(".")[0] for description in describe_augmentations()}
    assert described == set(AUGMENTATIONS)


def test_the_names_are_those_of_the_catalogue() -> None:
    assert set(DATASET_NAMES) == {*DATASETS, IMAGE_FOLDER}
