"""Weights that a run begins with, out of files that may hold anything."""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import keras
import keras_core
import numpy as np
import pytest

from dbsl_tf.common.errors import UserError
from dbsl_tf.models import build_model, model_weights
from dbsl_tf.training.initial_weights import load_initial_weights
from tests.support.trained_networks import CLASSES, DROPOUT, disturbed_model, trained

TERABYTES = (1 << 20, 1 << 20)
# More than a file for `own_model` may hold.
TOO_MUCH = 100 << 20
LARGE = 50_000_000


def own_model(units: int = 4) -> Any:
    model = keras.Sequential(
        [keras.Input([6]), keras.layers.Dense(units), keras.layers.BatchNormalization()]
    )
    model.compile("adam", "mse")
    model.optimizer.build(model.trainable_variables)
    return model


@keras.saving.register_keras_serializable("tests")
class Scaling(keras.layers.Layer):
    """Makes a variable of an array."""

    def build(self, input_shape: Any) -> None:
        self.scale = keras.Variable(np.ones(3, np.float32))

    def call(self, inputs: Any) -> Any:
        return inputs * self.scale


def scaling_model() -> Any:
    return keras.Sequential([keras.Input([2]), keras.layers.Dense(3), Scaling()])


def check_same(ours: list[Any], theirs: list[Any]) -> None:
    assert len(ours) == len(theirs) > 0
    for one, other in zip(ours, theirs):
        np.testing.assert_array_equal(one.numpy(), other.numpy())


@pytest.mark.parametrize("name", ["a.keras", "a.weights.h5"])
@pytest.mark.parametrize("build", [own_model, scaling_model])
def test_those_of_a_model_from_outside(tmp_path: Path, name: str, build: Callable) -> None:
    stored, model = build(), build()
    stored.weights[0].assign(stored.weights[0] + 1)
    (stored.save if name.endswith(".keras") else stored.save_weights)(tmp_path / name)
    load_initial_weights(model, tmp_path / name)
    check_same(model.weights, stored.weights)


def test_those_of_a_built_in_model(tmp_path: Path) -> None:
    stored = disturbed_model()
    stored.save_weights(tmp_path / "a.weights.h5")
    trained(stored).to_keras().save(tmp_path / "model.keras")
    for path in (tmp_path / "a.weights.h5", tmp_path / "model.keras", tmp_path):
        model = build_model(keras_core, "resnet8", CLASSES, DROPOUT, seed=1)
        load_initial_weights(model, path)
        check_same(model_weights(model), model_weights(stored))


def make_pipe(path: Path) -> None:
    os.mkfifo(path)


def link_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def make_huge(path: Path) -> None:
    path.touch()
    os.truncate(path, 1 << 40)


def make_folder(path: Path) -> None:
    (path / "model.keras").mkdir(parents=True)


def write_rubbish(path: Path) -> None:
    path.write_bytes(b"rubbish" * 1000)


@pytest.mark.parametrize("name", ["a.keras", "a.weights.h5"])
@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (make_pipe, "it is a pipe, a socket or a device"),
        (link_device, "it is a pipe, a socket or a device"),
        (make_huge, "it has more than 67,"),
        (make_folder, "Is a directory"),
        (write_rubbish, ""),
    ],
)
def test_what_is_no_such_file(tmp_path: Path, name: str, make: Callable, reason: str) -> None:
    make(tmp_path / name)
    check_refused(tmp_path / name, reason)


def many_numbers(file: h5py.File, path: str) -> None:
    file.create_dataset(path, TERABYTES, chunks=(1, 1 << 10))


def compressed(file: h5py.File, path: str) -> None:
    file.create_dataset(path, data=np.zeros([6, 4], np.float32), compression="gzip")


def linked(file: h5py.File, path: str) -> None:
    file[path] = h5py.SoftLink("/optimizer")


def linked_elsewhere(file: h5py.File, path: str) -> None:
    file[path] = h5py.ExternalLink("/etc/passwd", "/")


def read_elsewhere(file: h5py.File, path: str) -> None:
    file.create_dataset(path, (6, 4), np.uint8, external=[("/etc/passwd", 0, 24)])


def several_names(file: h5py.File, path: str) -> None:
    file["other"] = file[path] = np.zeros([6, 4], np.float32)
    file["again"] = file[path]


def texts(file: h5py.File, path: str) -> None:
    file.create_dataset(path, (6, 4), h5py.string_dtype())


def empty(file: h5py.File, path: str) -> None:
    file[path] = h5py.Empty(np.float32)


DECLARED: list[tuple[Callable, str]] = [
    (many_numbers, "its arrays have 4,398,"),
    (compressed, "compressed, or lies elsewhere"),
    (linked, "is a link"),
    (linked_elsewhere, "is a link"),
    (read_elsewhere, "compressed, or lies elsewhere"),
    (several_names, "has several names"),
    (texts, "is not an array of numbers"),
    (empty, "is not an array of numbers"),
]


@pytest.mark.parametrize(("declare", "reason"), DECLARED)
@pytest.mark.parametrize("name", ["a.keras", "a.weights.h5"])
def test_an_array_that_is_none_or_too_large(
    tmp_path: Path, name: str, declare: Callable, reason: str
) -> None:
    path = tmp_path / "a.weights.h5"
    own_model().save_weights(path)
    with h5py.File(path, "r+") as file:
        kernel = next(n for n in find(file) if file[n].shape == (6, 4))
        del file[kernel]
        declare(file, kernel)
    if name == "a.keras":
        own_model().save(tmp_path / name)
        change(tmp_path / name, "model.weights.h5", lambda _: path.read_bytes())
    check_refused(tmp_path / name, reason)


def test_a_model_that_unpacks_to_too_much(tmp_path: Path) -> None:
    path = tmp_path / "a.keras"
    own_model().save(path)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("assets/vocabulary.txt", bytes(TOO_MUCH))
    assert path.stat().st_size < 1 << 20
    check_refused(path, "it unpacks to 104,")


def test_a_model_without_weights(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.keras", "w") as archive:
        archive.writestr("config.json", "{}")
    check_refused(tmp_path / "a.keras", "it has no model.weights.h5")


def test_a_configuration_of_large_layers_takes_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.keras"
    own_model().save(path)

    def enlarge(content: bytes) -> bytes:
        config = json.loads(content)
        layers = config["config"]["layers"]
        dense = next(layer for layer in layers if layer["class_name"] == "Dense")
        dense["config"]["units"] = LARGE
        return json.dumps(config).encode()

    change(path, "config.json", enlarge)
    model = own_model(5)
    Path("/proc/self/clear_refs").write_text("5")
    before = peak_kilobytes()
    check_refused(path, "", model)
    assert peak_kilobytes() - before < 6 * 4 * LARGE / 1024 / 2


def test_weights_of_another_model(tmp_path: Path) -> None:
    path = tmp_path / "a.keras"
    own_model().save(path)
    with pytest.raises(UserError, match=r"do not fit the model \(number 1 of 6 has the shape"):
        load_initial_weights(own_model(5), path)


def check_refused(path: Path, reason: str, model: Any = None) -> None:
    with pytest.raises(UserError) as caught:
        load_initial_weights(model or own_model(), path)
    assert f"model.weights is {path}, which cannot be loaded (" in str(caught.value)
    assert reason in str(caught.value) and "\n" not in str(caught.value)


def find(file: h5py.File) -> list[str]:
    names: list[str] = []
    file.visititems(lambda n, found: names.append(n) if isinstance(found, h5py.Dataset) else None)
    return names


def change(path: Path, member: str, other: Callable[[bytes], bytes]) -> None:
    """Replace a member of a .keras file."""
    written = io.BytesIO()
    with zipfile.ZipFile(path) as before, zipfile.ZipFile(written, "w") as after:
        for name in before.namelist():
            content = before.read(name)
            after.writestr(name, other(content) if name == member else content)
    path.write_bytes(written.getvalue())


def peak_kilobytes() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
