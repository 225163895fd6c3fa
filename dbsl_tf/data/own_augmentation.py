"""Augmentations of images that a user has written, named in `data.augment`.

Such a function takes images, float32 [B, H, W, 3] in 0 … 255, labels, float32 [B, classes], and a
seed, int64 [2], and the parameters in the configuration as keyword arguments; it returns images and
labels of the same shapes. It runs on the workers, and draws from `tf.random.stateless_…` with the
seed, which is another for every batch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import tensorflow as tf

from dbsl_tf.common.errors import UserError
from dbsl_tf.config.registries import AUGMENT_FUNCTIONS

_ASKED = (
    "give a function of (images, labels, seed) that returns images and labels of the same shapes"
)


def own_augmentation(
    name: str, parameters: Mapping[str, Any]
) -> Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]:
    """Returns the function of a name or at an import path, with its parameters.

    Raises:
        UserError: there is none.
    """
    return partial(AUGMENT_FUNCTIONS.get(name), **parameters)


def check_own_augmentation(name: str, parameters: Mapping[str, Any], image_size: int) -> None:
    """Tries such a function in a graph.

    Raises:
        UserError: there is none, or it is not what it should be.
    """
    own = own_augmentation(name, parameters)
    # AutoGraph reaches into functions that are called, as in training.
    function = tf.function(lambda *batch: own(*batch))
    given = tf.TensorSpec([None, image_size, image_size, 3]), tf.TensorSpec([None, None])
    try:
        with tf.Graph().as_default():
            images, labels = (tf.compat.v1.placeholder(s.dtype, s.shape) for s in given)
            made = function(images, labels, tf.compat.v1.placeholder(tf.int64, [2]))
    except Exception as error:  # Whatever the function does.
        text = " ".join(str(error).split())[-200:]
        raise UserError(
            f"data.augment has {name!r}, which fails ({type(error).__name__}: {text}); {_ASKED}"
        ) from error
    if not (isinstance(made, tuple) and len(made) == 2 and all(map(_fits, made, given))):
        parts = made if isinstance(made, tuple) else (made,)
        text = " and ".join(map(_in_words, parts)) or "an empty tuple"
        raise UserError(f"data.augment has {name!r}, which returns {text}; {_ASKED}")


def _in_words(made: Any) -> str:
    return f"{made.dtype.name} {made.shape}" if tf.is_tensor(made) else type(made).__name__


def _fits(made: Any, given: tf.TensorSpec) -> bool:
    return (
        tf.is_tensor(made)
        and made.dtype == given.dtype
        and made.shape.is_compatible_with(given.shape)
    )
