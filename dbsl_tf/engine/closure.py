"""A function that workers run, and how its numbers get to them and back."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from dbsl_tf.engine.byte_layout import ByteLayout
from dbsl_tf.engine.hung_workers import ON_CHIEF


class Closure:
    """Graph code that workers run; made by `Engine.closure`.

    Arguments that are numpy values, or tuples of them, are sent together as one tensor, and the
    results as another: every tensor costs a message and coordinator time.

    Args:
        function: takes a tensor for every numpy value of the call, and returns tensors of known
            shapes in any structure.
        announce: runs first on the worker, with the ticket of the call (int64 scalar).
    """

    def __init__(
        self, function: Callable, announce: Callable[[tf.Tensor], tf.Operation | tf.Tensor]
    ) -> None:
        self._function = function
        self._announce = announce
        self._functions: dict[Hashable, tuple[ByteLayout, Any]] = {}
        self._result: tuple[Any, ByteLayout] | None = None

    @property
    def traces(self) -> int:
        """Number of times the function was traced."""
        return sum(f.experimental_get_tracing_count() for _, f in self._functions.values())

    def bind(self, ticket: int, arguments: Sequence[Any]) -> tuple[Callable, tuple[Any, ...]]:
        """Returns the tf.function of a call, or its only trace, and the arguments.

        Args:
            ticket: of the call.
            arguments: of the call; others than numpy values are passed on as they are, and must
                be of the same types and shapes in all calls, except the elements of iterators of
                several `WorkerDatasets`.
        """
        structure = tuple(_number_type(argument) for argument in arguments)
        others = [a for a, kind in zip(arguments, structure) if kind is None]
        key = structure, tuple(getattr(other, "made_by", None) for other in others)
        if key not in self._functions:
            self._functions[key] = self._make_function(structure)
        layout, function = self._functions[key]
        numbers = [np.int64(ticket)]
        for argument, kind in zip(arguments, structure):
            if kind is not None:
                numbers += argument if isinstance(argument, tuple) else [argument]
        # Made here: making it on the worker would wait for it while holding the interpreter lock.
        with tf.device(ON_CHIEF):
            joined = tf.constant(layout.join_arrays(numbers))
        # Given the tf.function, ClusterCoordinator would look for the trace in every call, which
        # takes a quarter of the coordinator's time for a commit. There is no public name for it.
        traces = function._list_all_concrete_functions()
        return traces[0] if len(traces) == 1 else function, (joined, *others)

    def result(self, joined: np.ndarray) -> Any:
        """Returns the results as numpy values.

        Args:
            joined: what the tf.function of `bind` returned, uint8 [bytes].
        """
        assert self._result is not None  # The function was traced to get here.
        structure, layout = self._result
        return tf.nest.pack_sequence_as(structure, layout.split_arrays(joined))

    def _make_function(
        self, structure: Sequence[_NumberType | None]
    ) -> tuple[ByteLayout, Callable]:
        parts = [part for kind in structure if kind is not None for part in kind[1]]
        layout = ByteLayout(
            [np.dtype(np.int64), *(type_ for type_, _ in parts)],
            [(), *(shape for _, shape in parts)],
        )

        @tf.function(autograph=False)
        def call(joined: tf.Tensor, *others: Any) -> tf.Tensor:
            ticket, *numbers = layout.split(joined)
            arguments = _arguments(structure, numbers, others)
            with tf.control_dependencies([self._announce(ticket)]):
                return self._joined_result(self._function(*arguments))

        return layout, call

    def _joined_result(self, result: Any) -> tf.Tensor:
        values = [tf.convert_to_tensor(value) for value in tf.nest.flatten(result)]
        layout = ByteLayout([v.dtype.as_numpy_dtype for v in values], [v.shape for v in values])
        self._result = tf.nest.map_structure(lambda _: None, result), layout
        return layout.join(values)


_NumberType = tuple[type | None, tuple[tuple[np.dtype, tuple[int, ...]], ...]]


def _number_type(argument: Any) -> _NumberType | None:
    """Returns types and shapes of what is sent as bytes, with its tuple type; else None."""
    values = argument if isinstance(argument, tuple) else (argument,)
    if not all(isinstance(value, (np.ndarray, np.generic)) for value in values):
        return None
    kind = type(argument) if isinstance(argument, tuple) else None
    return kind, tuple((value.dtype, value.shape) for value in values)


def _arguments(
    structure: Sequence[_NumberType | None], numbers: Sequence[tf.Tensor], others: Sequence[Any]
) -> list[Any]:
    """Returns the arguments of the function, reassembled."""
    next_numbers, next_others, arguments = iter(numbers), iter(others), []
    for kind in structure:
        if kind is None:
            arguments.append(next(next_others))
            continue
        values = [next(next_numbers) for _ in kind[1]]
        if kind[0] is None:
            arguments += values
        else:
            arguments.append(kind[0](values) if kind[0] is tuple else kind[0](*values))
    return arguments
