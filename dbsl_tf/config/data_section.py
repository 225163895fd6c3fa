"""The section `data`."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from dbsl_tf.common.import_path import IMPORT_PATH
from dbsl_tf.common.registry import OWN
from dbsl_tf.config.augment import AUGMENTATIONS, Augmentation, AugmentStep
from dbsl_tf.config.catalogue import DATASETS, IMAGE_FOLDER, IMAGE_FOLDER_SIZE, dataset_spec
from dbsl_tf.config.paths import UsablePath
from dbsl_tf.config.ranges import LARGEST_IMAGE, MOST_SAMPLES, SMALLEST_IMAGE
from dbsl_tf.config.registries import DATA, chosen_from
from dbsl_tf.config.section import Section, across_keys
from dbsl_tf.config.tags import Effect, Fixed, SameWork, Timed

# Of the shorter side, tested on after random_resized_crop: 224 of 256 pixels (He et al., CVPR
# 2016, section 3.4).
_TESTED_SHARE = 0.875
# Of data that are not known to be images.
_NO_RESOLUTION = 1


Sharing: TypeAlias = Literal["shared", "disjoint"]


class DataSection(Section):
    """The training data."""

    name: Annotated[
        str,
        chosen_from(DATA),
        Effect.RESULT,
        Fixed("the classes would be different"),
        Timed("data"),
        SameWork(),
    ] = Field(
        description="data set; image_folder: JPEG, PNG and WebP files in data.dir/train and "
        "data.dir/val, one folder per class; or a function of yours that returns dbsl_tf.arrays, "
        "tfrecords, stream or Data",
        json_schema_extra={"allowed": DATA.allowed},
    )
    options: Annotated[dict[str, Any], Effect.RESULT, Timed("data_options", added=True)] = Field(
        {},
        description="keyword arguments of a function of yours",
        json_schema_extra={"allowed": "a mapping of names to values"},
    )
    dir: Annotated[UsablePath | None, Effect.CONDUCT, Timed("files")] = Field(
        None,
        description="folder that holds the data sets; null: the user's cache folder. For "
        "dbsl_tf.arrays of yours: where they are written; null: data/ in run.dir",
    )
    train_samples: Annotated[
        int | None,
        Effect.RESULT,
        SameWork(),
        Fixed("an epoch would have other samples", if_both=("data.sharing", "disjoint")),
    ] = Field(
        None,
        ge=1,
        le=MOST_SAMPLES,
        description="train on only the first N samples that are not held out; null: on all of them",
    )
    validation_samples: Annotated[
        int,
        Effect.RESULT,
        Fixed("what is held out now was trained on, or the other way round"),
        SameWork(),
    ] = Field(
        0,
        ge=0,
        le=MOST_SAMPLES,
        description="hold out so many training samples, chosen by run.seed, and evaluate on them "
        "during the training; the test set is then evaluated at the end only. 0: hold out none",
    )
    sharing: Annotated[
        Sharing, Effect.RESULT, Fixed("it would not be known which samples the epoch has had")
    ] = Field(
        "shared",
        description="which samples workers train; shared: each goes through the whole training set "
        "in an order of its own; disjoint: each sample is trained by one worker in an epoch, "
        "whatever happens to workers",
    )
    image_size: Annotated[int | None, Effect.RESULT, Timed("resolutions")] = Field(
        None,
        ge=SMALLEST_IMAGE,
        le=LARGEST_IMAGE,
        description="height and width to which images are resized, in pixels; null: the size of "
        "the data set's images; of an image_folder, the median of the shorter sides of the "
        "training images, at most 224",
    )
    test_crop: Annotated[float | None, Effect.RESULT] = Field(
        None,
        ge=0.1,
        le=1,
        description="side of the square that is cut out of the middle of every test and validation "
        "image of an image_folder, as a fraction of the image's shorter side; null: "
        f"{_TESTED_SHARE} with random_resized_crop, else 1, as in training",
    )
    max_bad_files: Annotated[int, Effect.RESULT] = Field(
        0,
        ge=0,
        le=MOST_SAMPLES,
        description="how many unreadable images of an image_folder may be left out",
    )
    augment: Annotated[
        tuple[Augmentation, ...], Field(strict=False), Effect.RESULT, Timed("augment")
    ] = Field(
        (),
        description="augmentations in the order they are applied, each a name or "
        "{name: {parameter: value}}; or functions of yours from (images, labels, seed) of a batch "
        "to (images, labels), and their keyword arguments",
        json_schema_extra={
            "allowed": f"a list of {', '.join(AUGMENTATIONS)}, or import paths {IMPORT_PATH}"
        },
    )

    @field_validator("train_samples", mode="after")
    @classmethod
    def _within_the_data_set(cls, samples: int | None, info: Any) -> int | None:
        name = info.data.get("name")
        if samples is not None and name in DATASETS:
            available = dataset_spec(name).train_samples
            if samples > available:
                raise PydanticCustomError(
                    "not_allowed",
                    "{allowed}",
                    {"allowed": f"give null or 1 to {available}, all that {name} has"},
                )
        return samples

    @field_validator("augment", mode="after")
    @classmethod
    def _framing_first(cls, steps: tuple[AugmentStep, ...]) -> tuple[AugmentStep, ...]:
        if any(step.name == "random_resized_crop" for step in steps[1:]):
            raise PydanticCustomError(
                "not_allowed",
                "{allowed}",
                {
                    "allowed": "random_resized_crop determines the size of the images: put it "
                    "first, and only once"
                },
            )
        return steps

    @model_validator(mode="after")
    def _nothing_without_effect(self) -> DataSection:
        if self.name != IMAGE_FOLDER and self.is_builtin and self.test_crop is not None:
            raise across_keys(
                ("data.test_crop", "data.name"),
                self.test_crop,
                f"leave it out: it is for {IMAGE_FOLDER}, and images of {self.name} are tested "
                "whole",
            )
        if self.is_builtin:
            if self.options:
                raise across_keys(
                    ("data.options", "data.name"),
                    self.options,
                    f"leave it out, as {self.name} takes none; the other keys are its options",
                )
            return self
        for key, remedy in (
            ("augment", "give dbsl_tf.arrays and the like an augment function"),
            ("image_size", "give dbsl_tf.arrays and the like a preprocess function"),
            ("test_crop", "give dbsl_tf.arrays and the like a preprocess function"),
            ("max_bad_files", "use data.options"),
        ):
            value = getattr(self, key)
            if value != type(self).model_fields[key].default:
                raise across_keys(
                    (f"data.{key}", "data.name"),
                    value,
                    f"leave it out: it is for the data sets of this package, and {self.name} is a "
                    f"function of yours; {remedy}",
                )
        return self

    @model_validator(mode="after")
    def _enough_to_train_on(self) -> DataSection:
        if self.name in DATASETS:
            problem = self.holds_out_too_many(dataset_spec(self.name).train_samples)
            if problem is not None:
                key, value, allowed = problem
                raise across_keys((key, "data.validation_samples"), value, allowed)
        return self

    def holds_out_too_many(self, present: int) -> tuple[str, int, str] | None:
        """Returns the key at fault, its value and what is allowed; None if enough remain.

        Args:
            present: training samples, with those that are to be held out.
        """
        wanted, held_out = self.train_samples, self.validation_samples
        name = "your data" if self.name == OWN else self.name
        has = f"{name} has {present} training samples"
        if held_out and held_out >= present:
            allowed = f"give 0 to {present - 1}, as {has}"
            return "data.validation_samples", held_out, allowed
        if held_out and wanted is not None and wanted > present - held_out:
            allowed = (
                f"give null or 1 to {present - held_out}, as {has} and data.validation_samples "
                f"is {held_out}"
            )
            return "data.train_samples", wanted, allowed
        return None

    @property
    def is_builtin(self) -> bool:
        """Whether it is one of the data sets of this package."""
        return DATA.is_builtin(self.name)

    @property
    def tested_share(self) -> float:
        """Side of the square that is tested, as a fraction of an image's shorter side."""
        if self.test_crop is not None:
            return self.test_crop
        cropped = self.augment and self.augment[0].name == "random_resized_crop"
        return _TESTED_SHARE if cropped and self.name == IMAGE_FOLDER else 1.0

    @property
    def resolution(self) -> int:
        """Height and width of the images the network sees, in pixels; 1 for data of a user's.

        224 for an image_folder whose images have not been looked at, see
        `dbsl_tf.resolved.images`.
        """
        if not self.is_builtin:
            return _NO_RESOLUTION
        native = DATASETS[self.name].image_size if self.name in DATASETS else IMAGE_FOLDER_SIZE
        return self.image_size or native
