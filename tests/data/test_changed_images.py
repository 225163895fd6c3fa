"""Images that are replaced or removed after they were checked."""

from __future__ import annotations

import re

import pytest

from dbsl_tf.common.errors import ClusterError, ParameterServerLost, UserError
from dbsl_tf.config.data_section import DataSection
from dbsl_tf.data.changed_images import naming_changed_images
from dbsl_tf.data.configured import training_data
from dbsl_tf.data.training_data import Share
from tests.data.small_images import write_image_folder


@pytest.fixture
def images(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    write_image_folder(tmp_path / "images")
    return tmp_path / "images"


def data_of(images):
    return training_data(DataSection(name="image_folder", dir=images, image_size=32))


def test_they_are_named(images) -> None:
    data = data_of(images)
    replaced, removed = images / "val" / "bee" / "photo1.png", images / "train/ant/photo0.jpg"
    replaced.write_text("no image")
    with pytest.raises(UserError) as caught, naming_changed_images(data):
        list(data.test_batches(Share(start=0, stop=6, batch=6)))
    assert str(caught.value) == (
        f"data.dir is {images}: 1 image(s) changed after they were checked and cannot be read: "
        "val/bee/photo1.png (not a JPEG, PNG or WebP image); restore or remove them, and start "
        "again"
    )
    removed.unlink()
    both = re.escape(
        "2 image(s) changed after they were checked and cannot be read: train/ant/photo0.jpg ("
    )
    with pytest.raises(UserError, match=both), naming_changed_images(data):
        raise ClusterError("worker 1 failed (InvalidArgumentError: no image)")


def test_they_are_not_blamed_for_anything_else(images) -> None:
    data = data_of(images)
    (images / "val" / "bee" / "photo1.png").write_bytes(
        (images / "val" / "ant" / "photo1.png").read_bytes()
    )
    with pytest.raises(ClusterError, match="worker 1"), naming_changed_images(data):
        raise ClusterError("worker 1 failed (InvalidArgumentError: no image)")
    (images / "val" / "bee" / "photo1.png").unlink()
    with pytest.raises(ParameterServerLost), naming_changed_images(data):
        raise ParameterServerLost("ps-0 has ended")
    digits = training_data(DataSection(name="digits"))
    with pytest.raises(ClusterError), naming_changed_images(digits):
        raise ClusterError("worker 1 failed (InvalidArgumentError: no image)")


def test_what_no_file_can_cause_costs_no_second_check(images, capfd) -> None:
    data = data_of(images)
    (images / "val" / "bee" / "photo1.png").write_text("no image")
    capfd.readouterr()
    with pytest.raises(ClusterError, match="memory"), naming_changed_images(data):
        raise ClusterError("worker 1 failed (ResourceExhaustedError: no memory)")
    assert capfd.readouterr().err == ""
