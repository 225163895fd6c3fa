"""Functions of a user's own, traced for the workers, and what is checked of their results."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import tensorflow as tf

from dbsl_tf.common.errors import UserError
from dbsl_tf.data.sample_weights import WeightedLabels

# Operations that call Python, which the workers have not got.
_PYTHON_CALLS = {"PyFunc", "PyFuncStateless", "EagerPyFunc"}
# A graph with constants of this size is sent to every worker again and again.
_LARGEST_GRAPH = 32 << 20
_LAYERS = (
    " (layers have variables: make those of Keras part of the model, and use tf.image in place of "
    "those of keras-cv)"
)


def traceable(function: Callable) -> Callable:
    """Returns a function whose `if` and `while` may depend on tensors, as in `Dataset.map`.

    AutoGraph does not reach into what is mapped on a worker; see `WorkerDatasets`.
    """
    return tf.function(function)


def check_count(value: object, where: str) -> None:
    """Checks a number of samples.

    Raises:
        UserError: it is not a whole number of at least 1.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise UserError(f"{where} is {value!r}; give a whole number, 1 or more")


def pair_of(result: Any, name: str, what: str, of_batch: bool = True) -> tuple[Any, Any]:
    """Returns the x and y that a function has returned; of (x, y, weights), y has the weights.

    Args:
        result: of the function.
        name: of the data.
        what: the function is called.
        of_batch: whether the first dimension of every tensor is that of samples.

    Raises:
        UserError: it is not tensors or structures of tensors, or not a batch.
    """
    if not isinstance(result, tuple) or len(result) not in (2, 3):
        kind = f"{len(result)} values" if isinstance(result, tuple) else _kind(result)
        raise UserError(f"{name}: {what} returns {kind}; return (x, y) or (x, y, weights)")
    for part, value in zip(("x", "y", "the weights"), result):
        leaves = tf.nest.flatten(value)
        for leaf in leaves:
            if not tf.is_tensor(leaf) or isinstance(leaf, (tf.RaggedTensor, tf.SparseTensor)):
                raise UserError(
                    f"{name}: {what} returns {_kind(leaf)} in {part}; return tensors, all samples "
                    "of one shape"
                )
            if of_batch and not leaf.shape.rank:
                raise UserError(
                    f"{name}: {what} returns a tensor of {_shape_text(leaf)} in {part}; give every "
                    "tensor a known number of dimensions, the first of which is that of the "
                    "samples (tf.ensure_shape)"
                )
        if not leaves:
            raise UserError(
                f"{name}: {what} returns no tensor in {part}; return (x, y) or (x, y, weights)"
            )
    return pair_with_weights(result, name, what)


def pair_with_weights(values: tuple[Any, ...], name: str, what: str) -> tuple[Any, Any]:
    """Returns (x, y) as it is, and (x, y, weights) as x and labels with weights.

    Args:
        values: tensors, their specs, or structures of them.
        name: of the data.
        what: made them.

    Raises:
        UserError: the weights are not one tensor of numbers.
    """
    if len(values) == 2:
        return values
    x, y, weights = values
    dtype = getattr(weights, "dtype", None)
    if dtype is None or dtype == tf.string:
        raise UserError(
            f"{name}: {what} gives {_kind(weights) if dtype is None else 'text'} as weights of "
            "samples; give one tensor of numbers"
        )
    return x, WeightedLabels(y, weights)


@contextmanager
def naming_faults(name: str) -> Iterator[None]:
    """Turns whatever goes wrong while a user's functions are traced into one line.

    Raises:
        UserError: something did.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        text = str(error)
        places = re.findall(r'File "([^"]+)", line (\d+)', text)
        own = [place for place in places if "/tensorflow/" not in place[0]]
        where = f", {own[-1][0]} line {own[-1][1]}" if own else ""
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        message = lines[-1] if lines else "no message"
        raise UserError(
            f"{name}: its functions cannot be traced for the workers ({type(error).__name__}: "
            f"{message}{where}); use TensorFlow's operations{_LAYERS}"
        ) from error


def traced_spec(name: str, make: Callable[[], tf.data.Dataset]) -> tuple[Any, Any]:
    """Traces a dataset of batches as for a worker, without running anything.

    Returns:
        The specs of x and y, whose first dimension is None.

    Raises:
        UserError: it cannot be made on a worker, or its elements are not batches (x, y).
    """
    specs: list[Any] = []

    @tf.function(autograph=False)
    def trace() -> tf.Tensor:
        dataset = make()
        specs.append(dataset.element_spec)
        return tf.data.experimental.to_variant(dataset)

    with naming_faults(name):
        concrete = trace.get_concrete_function()
    graph = concrete.graph.as_graph_def()
    called = {node.op for node in graph.node}
    called |= {node.op for function in graph.library.function for node in function.node_def}
    if called & _PYTHON_CALLS:
        raise UserError(
            f"{name}: its functions call Python while they run (tf.py_function, "
            "tf.numpy_function or Dataset.from_generator), which a worker cannot; use "
            "TensorFlow's operations, or dbsl_tf.arrays"
        )
    if concrete.captured_inputs:
        raise UserError(
            f"{name}: its functions use a variable, or a tensor that was made outside of them, "
            f"which a worker does not have; make tensors inside, or read them from a file{_LAYERS}"
        )
    if graph.ByteSize() > _LARGEST_GRAPH:
        raise UserError(
            f"{name}: its functions hold {graph.ByteSize() >> 20} MiB of constants, at most "
            f"{_LARGEST_GRAPH >> 20} MiB are sent to the workers; read them from a file, or use "
            "dbsl_tf.arrays"
        )
    return tf.nest.map_structure(lambda spec: _batched(name, spec), specs[-1])


def _batched(name: str, spec: Any) -> tf.TensorSpec:
    if not spec.shape.rank:
        raise UserError(
            f"{name}: a tensor of x or y has {_shape_text(spec)}; give every tensor a known number "
            "of dimensions (tf.ensure_shape)"
        )
    return tf.TensorSpec([None, *spec.shape[1:]], spec.dtype)


def check_same_spec(name: str, train: Any, test: Any) -> None:
    """Checks that training and test batches are of one kind.

    Raises:
        UserError: they are not.
    """
    try:
        tf.nest.assert_same_structure(train, test)
        same = all(
            one.dtype == other.dtype and one.shape.is_compatible_with(other.shape)
            for one, other in zip(tf.nest.flatten(train), tf.nest.flatten(test))
        )
    except (TypeError, ValueError):
        same = False
    if not same:
        raise UserError(
            f"{name}: training batches are {spec_text(train)}, but test batches "
            f"{spec_text(test)}; make both of one structure, type and shape"
        )


def spec_text(spec: Any) -> str:
    """Returns a spec in words, such as (float32 [None, 8], int32 [None])."""
    if isinstance(spec, tf.TensorSpec):
        return f"{spec.dtype.name} {spec.shape.as_list()}"
    if isinstance(spec, WeightedLabels):
        return f"{spec_text(spec.labels)} with weights {spec_text(spec.weights)}"
    if isinstance(spec, dict):
        return "{" + ", ".join(f"{key}: {spec_text(part)}" for key, part in spec.items()) + "}"
    return "(" + ", ".join(map(spec_text, spec)) + ")"


def _shape_text(spec: tf.TensorSpec | tf.Tensor) -> str:
    return "unknown shape" if spec.shape.rank is None else f"shape {spec.shape.as_list()}"


def _kind(value: Any) -> str:
    return "None" if value is None else f"a {type(value).__name__}"
