"""The augmentations of `data.augment`: their parameters, ranges and defaults.

In YAML a step is a name (`random_flip`) or a name with parameters
(`random_crop: {padding: 4}`). Names and meanings are those of keras-cv's layers, except for
`random_resized_crop`, which replaces the resizing. An import path names a function of a user's.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field, PlainSerializer, WrapValidator
from pydantic_core import PydanticCustomError

from dbsl_tf.common.import_path import IMPORT_PATH, is_import_path
from dbsl_tf.config.registries import AUGMENT_FUNCTIONS
from dbsl_tf.config.section import Section

# Of ratios, and of the alpha of a Beta distribution: beyond them its samples are 0 or 1, or not
# numbers.
_SMALLEST, _LARGEST = 0.001, 1000
Fraction = Annotated[float, Field(ge=0, le=1)]


def _rising(bounds: tuple[float, float]) -> tuple[float, float]:
    if not _SMALLEST <= bounds[0] <= bounds[1] <= _LARGEST:
        raise PydanticCustomError("not_rising", "not rising")
    return bounds


def _part(bounds: tuple[float, float]) -> tuple[float, float]:
    if bounds[1] > 1:
        raise PydanticCustomError("above_1", "above 1")
    return bounds


Range = Annotated[tuple[float, float], Field(strict=False), AfterValidator(_rising)]


@dataclass(frozen=True)
class AugmentStep:
    """One augmentation of the training images.

    Attributes:
        name: a name of `AUGMENTATIONS` or `AUGMENT_FUNCTIONS`, or an import path.
        parameters: every parameter of that augmentation; after validation all are present.
    """

    name: str
    parameters: dict[str, Any]

    @property
    def is_builtin(self) -> bool:
        """Whether it is one of this package."""
        return self.name in AUGMENTATIONS


class RandomResizedCrop(Section):
    """Cuts out a random part of the image and resizes it; must be the first step."""

    name: Literal["random_resized_crop"]
    area: Annotated[Range, AfterValidator(_part)] = Field(
        (0.08, 1.0),
        description="smallest and largest fraction of the image's area",
        json_schema_extra={"allowed": f"two numbers from {_SMALLEST} to 1, the larger last"},
    )
    ratio: Range = Field(
        (0.75, 4 / 3),
        description="smallest and largest ratio of width to height",
        json_schema_extra={
            "allowed": f"two numbers from {_SMALLEST} to {_LARGEST}, the larger last"
        },
    )


class RandomCrop(Section):
    """Pads with zeros, then cuts a window of the image's own size at a random place."""

    name: Literal["random_crop"]
    padding: int = Field(4, ge=1, le=32, description="pixels added on every side")


class RandomFlip(Section):
    """Mirrors half of the images."""

    name: Literal["random_flip"]
    mode: Literal["horizontal", "vertical", "horizontal_and_vertical"] = Field(
        "horizontal", description="direction"
    )


class RandomTranslation(Section):
    """Shifts the image by a random fraction of its size."""

    name: Literal["random_translation"]
    height_factor: Fraction = Field(0.125, description="largest shift, as a fraction of the height")
    width_factor: Fraction = Field(0.125, description="largest shift, as a fraction of the width")


class RandomCutout(Section):
    """Blanks a rectangle at a random place."""

    name: Literal["random_cutout"]
    height_factor: Fraction = Field(
        0.5, description="height of the rectangle, as a fraction of the image"
    )
    width_factor: Fraction = Field(
        0.5, description="width of the rectangle, as a fraction of the image"
    )


class RandAugment(Section):
    """Applies a few randomly chosen operations to every image."""

    name: Literal["rand_augment"]
    augmentations_per_image: int = Field(2, ge=1, le=10, description="operations per image")
    magnitude: Fraction = Field(0.3, description="strength")
    rate: Fraction = Field(0.9, description="probability of each operation")


class MixUp(Section):
    """Blends pairs of images and their labels."""

    name: Literal["mix_up"]
    alpha: float = Field(
        0.2,
        ge=_SMALLEST,
        le=_LARGEST,
        description="parameter of the Beta(alpha, alpha) distribution of the blend",
    )


class CutMix(Section):
    """Pastes a rectangle of another image and mixes the labels by area."""

    name: Literal["cut_mix"]
    alpha: float = Field(
        1.0,
        ge=_SMALLEST,
        le=_LARGEST,
        description="parameter of the Beta(alpha, alpha) distribution of the area",
    )


AUGMENTATIONS: dict[str, type[Section]] = {
    "random_resized_crop": RandomResizedCrop,
    "random_crop": RandomCrop,
    "random_flip": RandomFlip,
    "random_translation": RandomTranslation,
    "random_cutout": RandomCutout,
    "rand_augment": RandAugment,
    "mix_up": MixUp,
    "cut_mix": CutMix,
}


def _with_name(step: Any) -> Any:
    """Turns `name` or `{name: parameters}` into `{"name": name, **parameters}`.

    A function of a user's is a step already.
    """
    if isinstance(step, AugmentStep):
        step = {step.name: step.parameters}
    if isinstance(step, dict) and len(step) == 1:
        name, parameters = next(iter(step.items()))
    else:
        name, parameters = step, {}
    if not isinstance(name, str):
        raise _refusal("give a name, or one name with its parameters: {name: {parameter: value}}")
    own = is_import_path(name) or name in AUGMENT_FUNCTIONS.names()
    if name not in AUGMENTATIONS and not own:
        close = difflib.get_close_matches(name, AUGMENTATIONS, n=1)
        guess = f"did you mean {close[0]}? Known" if close else "choose from"
        names = ", ".join((*AUGMENTATIONS, *AUGMENT_FUNCTIONS.names()))
        raise _refusal(f"{guess}: {names}; or an import path {IMPORT_PATH}")
    if parameters is None:
        parameters = {}
    if own:
        if not isinstance(parameters, dict) or not all(isinstance(key, str) for key in parameters):
            raise _refusal("give its keyword arguments as {parameter: value}")
        return AugmentStep(name, dict(parameters))
    if not isinstance(parameters, dict) or "name" in parameters:
        known = ", ".join(key for key in AUGMENTATIONS[name].model_fields if key != "name")
        raise _refusal(f"give its parameters as {{parameter: value}}; known: {known}")
    return {"name": name, **parameters}


def _refusal(allowed: str) -> PydanticCustomError:
    return PydanticCustomError("not_allowed", "{allowed}", {"allowed": allowed})


def _as_step(step: Any, validate: Callable[[Any], Section]) -> AugmentStep:
    step = _with_name(step)
    if isinstance(step, AugmentStep):
        return step
    values = validate(step).model_dump()
    return AugmentStep(name=values.pop("name"), parameters=values)


if TYPE_CHECKING:
    Augmentation = AugmentStep  # what is stored
else:
    # The union gives every wrong parameter its own place in the error.
    Augmentation = Annotated[
        RandomResizedCrop
        | RandomCrop
        | RandomFlip
        | RandomTranslation
        | RandomCutout
        | RandAugment
        | MixUp
        | CutMix,
        Discriminator("name"),
        WrapValidator(_as_step),
        PlainSerializer(lambda step: {step.name: dict(step.parameters)}),
    ]
