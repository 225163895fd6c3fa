"""Data of a user's own by the configuration: `data.name` is an import path."""

from __future__ import annotations

import pytest

from dbsl_tf.common.errors import UserError
from dbsl_tf.config import Config, load_config
from dbsl_tf.data.array_data import ArrayData
from dbsl_tf.data.configured import epoch_samples, prepare_on_worker, training_data
from tests.support.tiny_runs import CONFIGURATION

FLOWERS = "tests.support.flowers:flowers"


@pytest.fixture
def configure(tmp_path):
    def load(*overrides: str) -> Config:
        path = tmp_path / "own.yaml"
        path.write_text(CONFIGURATION.replace("ISOLATION", "auto"))
        given = {"data.name": FLOWERS, "data.train_samples": "null"}
        given |= dict(override.split("=", 1) for override in overrides)
        return load_config(path, [f"{key}={value}" for key, value in given.items()])

    return load


def test_the_arrays_are_written_to_the_folder_of_the_run(configure, tmp_path):
    data = training_data(configure("data.options={train: 40}").data, tmp_path / "run")
    assert isinstance(data, ArrayData)
    assert (data.name, data.train_samples, data.test_samples) == (FLOWERS, 40, 20)
    assert (data.classes, data.facts()["x"]) == (4, "float32 [None, 32, 32, 3]")
    assert (tmp_path / "run" / "train.bin").stat().st_size == 40 * (32 * 32 * 3 + 4 * 4)


def test_data_dir_is_the_folder_where_it_is_given(configure, tmp_path):
    section = configure(f"data.dir={tmp_path / 'shared'}").data
    training_data(section, tmp_path / "run")
    assert (tmp_path / "shared" / "arrays.json").exists()
    assert not (tmp_path / "run").exists()


def test_without_a_folder_they_are_temporary(configure):
    section = configure().data
    assert epoch_samples(section) == 100
    assert training_data(section).train_samples == 100


def test_samples_of_an_epoch_as_given(configure):
    assert epoch_samples(configure("data.train_samples=30").data) == 30


def test_what_is_held_out_is_in_no_epoch(configure):
    section = configure("data.validation_samples=30").data
    assert epoch_samples(section) == 70
    data = training_data(section, seed=5)
    assert (data.train_samples, data.validation_samples, data.test_samples) == (70, 30, 20)
    facts = data.facts()
    assert (facts["train_samples"], facts["validation_samples"]) == (70, 30)
    assert facts["validation_seed"] == 5
    assert "validation_samples" not in training_data(configure().data).facts()


def test_a_worker_imports_nothing(configure):
    prepare_on_worker(configure("data.name=there.is:none").data)


def test_kept_in_the_directory_of_a_run_it_is_the_same(configure, tmp_path):
    config = configure("data.options={train: 40}")
    path = tmp_path / "kept.yaml"
    path.write_text(config.to_yaml())
    assert load_config(path) == config


@pytest.mark.parametrize(
    ("overrides", "text"),
    [
        (["data.name=there.is:none"], "there is no module there"),
        (["data.name=tests.support.flowers:flower"], "did you mean flowers"),
        (["data.name=tests.support.flowers:CLASSES"], "name a class or a function"),
        (["data.name=tests.support.flowers:nothing"], "returns a dict, which is not training data"),
        (["data.options={petals: 5}"], "data.options is {'petals': 5}, which"),
        (["data.train_samples=101"], "train_samples is 101: .* has 100 training samples"),
        (["data.validation_samples=100"], "validation_samples is 100; give 0 to 99, as .* has 100"),
        (
            ["data.validation_samples=30", "data.train_samples=71"],
            "data.train_samples is 71; give null or 1 to 70, as .* and data.validation_samples is",
        ),
        (["data.options={size: 0}"], r"x_train has the shape \[100, 0, 0, 3\]"),
    ],
)
def test_what_is_found_out_when_it_is_made(configure, overrides, text):
    with pytest.raises(UserError, match=text) as caught:
        training_data(configure(*overrides).data)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("overrides", "text"),
    [
        (["data.augment=[random_flip]"], "data.augment is .*leave it out.* an augment function"),
        (["data.image_size=64"], "data.image_size is 64; leave it out"),
        (["data.max_bad_files=2"], "data.max_bad_files is 2; leave it out"),
        (["progressive.mode=single", "progressive.resolutions=[16, 32]"], "progressive.mode is"),
        (["data.name=digits", "data.options={a: 1}"], "data.options is .* digits takes none"),
        (["data.name=flowers"], "one of digits, cifar10, .* or an import path"),
    ],
)
def test_what_the_configuration_alone_tells(configure, overrides, text):
    with pytest.raises(UserError, match=text) as caught:
        configure(*overrides)
    assert "\n" not in str(caught.value)


def test_names_of_data_sets_are_corrected(configure):
    with pytest.raises(UserError, match="did you mean cifar10"):
        configure("data.name=cifar-10")
