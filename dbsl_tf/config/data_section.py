"""The section `data`."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from dbsl_tf.common.import_path import IMPORT_PATH
from dbsl_tf.config.augment import AUGMENTATIONS, Augmentation, AugmentStep
from dbsl_tf.config.catalogue import DATASETS, IMAGE_FOLDER_SIZE, dataset_spec
from dbsl_tf.config.paths import UsablePath
from dbsl_tf.config.registries import DATA, chosen_from
from dbsl_tf.config.section import Section, across_keys
from dbsl_tf.config.tags import Effect, Fixed, SameWork, Timed

# Of data that are not known to be images.
_NO_RESOLUTION = 1


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
        description="data set; image_folder: JPEG and PNG files in data.dir/train and "
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
    train_samples: Annotated[int | None, Effect.RESULT, SameWork()] = Field(
        None, ge=1, description="train on only the first N samples; null: on all of them"
    )
    image_size: Annotated[int | None, Effect.RESULT, Timed("resolutions")] = Field(
        None,
        ge=8,
        le=2048,
        description="height and width to which images are resized, in pixels; null: the size of "
        "the data set's images, 224 for image_folder",
    )
    max_bad_files: Annotated[int, Effect.RESULT] = Field(
        0, ge=0, description="how many unreadable images of an image_folder may be left out"
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

    @property
    def is_builtin(self) -> bool:
        """Whether it is one of the data sets of this package."""
        return DATA.is_builtin(self.name)

    @property
    def resolution(self) -> int:
        """Height and width of the images the network sees, in pixels; 1 for data of a user's."""
        if not self.is_builtin:
            return _NO_RESOLUTION
        native = DATASETS[self.name].image_size if self.name in DATASETS else IMAGE_FOLDER_SIZE
        return self.image_size or native
