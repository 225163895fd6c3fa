"""The merge rule that a configuration names."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from dbsl_tf.common.errors import UserError
from dbsl_tf.common.registry import OWN
from dbsl_tf.config.registries import MERGE_RULES
from dbsl_tf.shared_model.merge import MergeRule

_KEY = "dual_batch.merge"
_ASKED = "give a function of (g, w, f) that returns what has the shape and type of g"


def merge_rule(choice: str) -> MergeRule:
    """Returns the merge rule of a name or at an import path, after trying it in a graph.

    Raises:
        UserError: there is none, or it is not what `dbsl_tf.shared_model.merge` says.
    """
    rule = MERGE_RULES.get(choice)
    named = "the function of yours" if choice == OWN else repr(choice)
    shape = [2]
    try:
        with tf.Graph().as_default():
            g, w = (tf.compat.v1.placeholder(tf.float32, shape) for _ in range(2))
            made = rule(g, w, tf.compat.v1.placeholder(tf.float32, []))
    except Exception as error:  # Whatever the function does.
        text = " ".join(str(error).split())[:200]
        raise UserError(
            f"{_KEY} is {named}, which fails ({type(error).__name__}: {text}); {_ASKED}"
        ) from error
    if not (tf.is_tensor(made) and made.dtype == tf.float32 and made.shape == shape):
        raise UserError(f"{_KEY} is {named}, which returns {_in_words(made)}; {_ASKED}")
    return rule


def _in_words(made: Any) -> str:
    if not tf.is_tensor(made):
        return "None" if made is None else f"something of type {type(made).__name__}"
    return f"{made.dtype.name} {list(made.shape)} for float32 [2]"
