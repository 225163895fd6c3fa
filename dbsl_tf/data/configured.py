"""The data set that a configuration names."""

from __future__ import annotations

from pathlib import Path

from dbsl_tf.common.errors import UserError
from dbsl_tf.common.user_cache import user_cache_folder
from dbsl_tf.config.catalogue import IMAGE_FOLDER, dataset_spec
from dbsl_tf.config.data_section import DataSection
from dbsl_tf.data.image_classification import ImageClassificationData
from dbsl_tf.data.image_folder import count_training_images, prepare_image_folder
from dbsl_tf.data.image_listing import TRAIN
from dbsl_tf.data.prepare import PreparedData, is_prepared, prepare
from dbsl_tf.data.training_data import TrainingData


def training_data(section: DataSection) -> TrainingData:
    """Returns what the section describes, its files checked.

    Raises:
        UserError: as `prepare_data`.
    """
    return ImageClassificationData(prepare_data(section), section.augment)


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


def prepare_missing(section: DataSection) -> None:
    """Calls `prepare_data` if that may need a download; otherwise imports hardly anything.

    Raises:
        UserError: as for `prepare_data`.
    """
    if section.name != IMAGE_FOLDER and not is_prepared(section.name, section.dir):
        prepare(section.name, section.dir)


def epoch_samples(section: DataSection) -> int:
    """Returns the samples in an epoch, d: `data.train_samples`, or the whole training set.

    For image_folder, the images are listed and, the first time, checked.

    Raises:
        UserError: the images cannot be listed or checked.
    """
    if section.train_samples is not None:
        return section.train_samples
    if section.name != IMAGE_FOLDER:
        return dataset_spec(section.name).train_samples
    return count_training_images(section.dir, _image_cache())


def _image_cache() -> Path:
    return user_cache_folder() / "image_folders"
