"""The merge rule that a configuration names."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from dbsl_tf.common.errors import UserError
from dbsl_tf.common.registry import OWN
from dbsl_tf.config.merge_section import MergeSection
from dbsl_tf.config.registries import MERGE_RULES
from dbsl_tf.shared_model.merging import AnyRule
from dbsl_tf.shared_model.outer import Moment

_KEY = "merge.rule"
_FUNCTION = "give a function of (g, w, f) that returns what has the shape and type of g"
_CLASS = "give a class as in dbsl_tf.shared_model.outer"
_SHAPE = [2]


def merge_rule(section: MergeSection, workers: int, in_rounds: bool = False) -> AnyRule:
    """Returns the merge rule of a configuration, after trying it in a graph.

    Args:
        section: names it.
        workers: their number, n.
        in_rounds: whether all of them are merged at once (BSP).

    Raises:
        UserError: there is none, it is not what `dbsl_tf.shared_model.merge` or
            `dbsl_tf.shared_model.outer` says, or it does not fit the other keys.
    """
    section = section.settled(workers)
    rule = MERGE_RULES.get(section.rule)
    named = "what you gave" if section.rule == OWN else repr(section.rule)
    if isinstance(rule, type):
        return _outer_optimizer(rule, named, section, workers, in_rounds)
    for key in ("learning_rate", "momentum"):
        if getattr(section, key) is not None:
            raise UserError(
                f"merge.{key} is {getattr(section, key)}; leave it out, as {_KEY} is {named}, a "
                "function of (g, w, f)"
            )
    _try_function(rule, named)
    return rule


def _try_function(rule: Any, named: str) -> None:
    try:
        with tf.Graph().as_default():
            made = rule(_number(_SHAPE), _number(_SHAPE), _number([]))
    except Exception as error:  # Whatever the function does.
        raise _fails(named, error, _FUNCTION) from error
    _check_weight(made, named, _FUNCTION)


def _outer_optimizer(
    made_by: Any, named: str, section: MergeSection, workers: int, in_rounds: bool
) -> Any:
    try:
        optimizer = made_by(
            workers=workers, learning_rate=section.learning_rate, momentum=section.momentum
        )
        copies, works_with = tuple(optimizer.copies), tuple(optimizer.synchronization)
        with tf.Graph().as_default():
            share, *numbers = _number([]), _number([]), _number([])
            completes = tf.compat.v1.placeholder(tf.bool, [])
            result = optimizer.step(
                _number(_SHAPE),
                _number(_SHAPE),
                {name: _number(_SHAPE) for name in copies},
                Moment(share, completes, *numbers),
            )
            weight, kept = result
    except Exception as error:  # Whatever the class does.
        raise _fails(named, error, _CLASS) from error
    _check_weight(weight, named, _CLASS)
    if not isinstance(kept, dict) or set(kept) != set(copies):
        found = sorted(kept) if isinstance(kept, dict) else type(kept).__name__
        raise UserError(
            f"{_KEY} is {named}, whose step returns {found} beside the weights and not "
            f"{sorted(copies)}, its copies; {_CLASS}"
        )
    for value in kept.values():
        _check_weight(value, named, _CLASS)
    needed, mode = ("rounds", "asp or ssp") if in_rounds else ("asynchronous", "bsp")
    if needed not in works_with:
        raise UserError(
            f"{_KEY} is {named}, which works with {' and '.join(works_with) or 'nothing'} only; "
            f"set sync.mode to {mode}, or give another rule"
        )
    return optimizer


def _number(shape: list[int]) -> tf.Tensor:
    return tf.compat.v1.placeholder(tf.float32, shape)


def _fails(named: str, error: Exception, asked: str) -> UserError:
    text = " ".join(str(error).split())[:200]
    return UserError(f"{_KEY} is {named}, which fails ({type(error).__name__}: {text}); {asked}")


def _check_weight(made: Any, named: str, asked: str) -> None:
    if not (tf.is_tensor(made) and made.dtype == tf.float32 and made.shape == _SHAPE):
        raise UserError(f"{_KEY} is {named}, which returns {_in_words(made)}; {asked}")


def _in_words(made: Any) -> str:
    if not tf.is_tensor(made):
        return "None" if made is None else f"something of type {type(made).__name__}"
    return f"{made.dtype.name} {list(made.shape)} for float32 [2]"
