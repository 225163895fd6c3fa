"""The data set that a configuration names."""

from __future__ import annotations

import atexit
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from dbsl_tf.common.errors import UserError
from dbsl_tf.common.quiet import import_tensorflow_quietly
from dbsl_tf.common.temporary import temporary_folder
from dbsl_tf.common.user_cache import user_cache_folder
from dbsl_tf.config.catalogue import IMAGE_FOLDER, dataset_spec
from dbsl_tf.config.data_section import DataSection
from dbsl_tf.config.registries import DATA
from dbsl_tf.data.changed_images import ChangedImages
from dbsl_tf.data.image_classification import ImageClassificationData
from dbsl_tf.data.image_folder import (
    ImageData,
    count_training_images,
    leave_out,
    prepare_image_folder,
    usual_size,
)
from dbsl_tf.data.image_listing import TRAIN
from dbsl_tf.data.own_copy import hold_own_copy
from dbsl_tf.data.prepare import PreparedData, is_prepared, prepare
from dbsl_tf.data.training_data import TrainingData

# What a function of a user's must return.
_METHODS = ("training_batches", "test_batches", "element_spec", "facts")


def training_data(section: DataSection, folder: Path | None = None, seed: int = 0) -> TrainingData:
    """Returns what the section describes, its files checked.

    Args:
        section: of the configuration.
        folder: where arrays of a user's own are written, unless `data.dir` says so; None: one that
            is removed with this process.
        seed: of the choice of samples that are held out for validation.

    Raises:
        UserError: as `prepare_data`; or what `data.name` imports cannot be imported, does not take
            `data.options`, returns something else than training data, or too few of them; or too
            many samples are held out.
    """
    if section.is_builtin:
        images = ImageClassificationData(
            prepare_data(section), section.augment, test_crop=section.tested_share
        )
        return _holding_out(section, images, seed)
    made = _made(section)
    # Imported late: they load TensorFlow.
    from dbsl_tf.data.array_data import Arrays
    from dbsl_tf.data.own_data import OwnData

    if isinstance(made, Arrays):
        made = made.write(section.dir or folder or _temporary_folder())
    if isinstance(made, OwnData):
        made = made.named(section.name)
    missing = [name for name in _METHODS if not callable(getattr(made, name, None))]
    if missing:
        raise UserError(
            f"data.name is {section.name!r}; that returns a {type(made).__name__}, which is not "
            "training data; return dbsl_tf.arrays, tfrecords, stream or Data"
        )
    if section.train_samples is not None and section.train_samples > made.train_samples:
        raise UserError(
            f"data.train_samples is {section.train_samples}: {section.name} has "
            f"{made.train_samples} training samples; give null or 1 to {made.train_samples}"
        )
    return _holding_out(section, made, seed)


def _holding_out(section: DataSection, data: TrainingData, seed: int) -> TrainingData:
    if not section.validation_samples:
        return data
    _check_enough_remain(section, data.train_samples)
    if not callable(getattr(data, "holding_out", None)):
        raise UserError(
            f"data.validation_samples is {section.validation_samples}; give 0, as a "
            f"{type(data).__name__} has no method holding_out, or return dbsl_tf.arrays, "
            "tfrecords, stream or Data"
        )
    return data.holding_out(section.validation_samples, seed)


def _check_enough_remain(section: DataSection, present: int) -> None:
    problem = section.holds_out_too_many(present)
    if problem is not None:
        key, value, allowed = problem
        raise UserError(f"{key} is {value}; {allowed}")


def _made(section: DataSection) -> Any:
    """What a function of a user's returns."""
    import_tensorflow_quietly()
    return DATA.make(section.name, section.options)


@cache
def _temporary_folder() -> Path:
    folder = tempfile.TemporaryDirectory(prefix="dbsl_tf-arrays-", dir=temporary_folder())
    atexit.register(folder.cleanup)
    return Path(folder.name)


def prepare_on_worker(section: DataSection) -> None:
    """Checks the files that a worker reads, and has the chief's graphs read these.

    Data of a user's own are at the chief's paths.

    Raises:
        UserError: as `prepare_data`.
    """
    if section.is_builtin:
        hold_own_copy(prepare_data(section))


def prepare_data(section: DataSection) -> PreparedData:
    """Returns the checked files of the data set.

    Raises:
        UserError: see `prepare` and `prepare_image_folder`; or the configuration wants to train on
            more images than an image folder has, including the unreadable ones.
    """
    if section.name != IMAGE_FOLDER:
        return prepare(section.name, section.dir)
    data = prepare_image_folder(
        section.dir,
        image_size=section.image_size,
        max_bad_files=section.max_bad_files,
        cache=_image_cache(),
    )
    left_out = sum(name.startswith(f"{TRAIN}/") for name in data.unreadable)
    present = data.spec.train_samples + left_out
    if section.train_samples is not None and section.train_samples > present:
        raise UserError(
            f"data.train_samples is {section.train_samples}: {data.directory} has {present} "
            f"training images; give null or 1 to {present}"
        )
    return data


def leave_out_changed(section: DataSection, changed: ChangedImages) -> None:
    """Leaves images out from now on that cannot be read any more, until their files here change.

    Raises:
        UserError: more are unreadable than `data.max_bad_files`, or the folder cannot be read.
    """
    assert section.dir is not None
    if changed.directory is None:
        # Nobody would notice here that they have been mended elsewhere.
        data = prepare_data(section)
        known = data.unreadable if isinstance(data, ImageData) else {}
        if len({*known, *changed.reasons}) > section.max_bad_files:
            raise changed
    leave_out(section.dir, changed.reasons, _image_cache())
    prepare_data(section)


def prepare_missing(section: DataSection) -> None:
    """Calls `prepare_data` if that may need a download; otherwise imports hardly anything.

    Raises:
        UserError: as for `training_data`.
    """
    if not section.is_builtin:
        # It may download something, too.
        _made(section)
    elif section.name != IMAGE_FOLDER and not is_prepared(section.name, section.dir):
        prepare(section.name, section.dir)


def epoch_samples(section: DataSection) -> int:
    """Returns the samples in an epoch, d: `data.train_samples`, or all that are not held out.

    For image_folder, the images are listed and, the first time, checked.

    Raises:
        UserError: the images cannot be listed or checked, or too many are held out.
    """
    if section.train_samples is not None:
        return section.train_samples
    if not section.is_builtin:
        return training_data(section).train_samples
    if section.name != IMAGE_FOLDER:
        return dataset_spec(section.name).train_samples - section.validation_samples
    present = count_training_images(section.dir, _image_cache())
    _check_enough_remain(section, present)
    return present - section.validation_samples


def usual_image_size(section: DataSection) -> int | None:
    """Returns the resolution that suits an image folder, in pixels; see `usual_size`.

    None if there are no images to look at, and none are needed, as `data.train_samples` is given.

    Raises:
        UserError: the images cannot be listed or checked.
    """
    if section.dir is None:
        return None
    if section.train_samples is not None and not (section.dir / TRAIN).is_dir():
        return None
    return usual_size(section.dir, _image_cache())


def _image_cache() -> Path:
    return user_cache_folder() / "image_folders"
