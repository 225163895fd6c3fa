"""Graph code that this process runs by itself, whatever becomes of the cluster."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf


class LocalFunction:
    """A function of arrays, traced once and run in a session of its own.

    In a process that is connected to a cluster, every other new operation waits for workers that
    hang. Thread-safe.

    Args:
        function: of tensors, to a tensor or a flat list of them.
        specs: of its arguments.

    Raises:
        ValueError: it reads a variable.
    """

    def __init__(self, function: Callable[..., Any], specs: Sequence[tf.TensorSpec]) -> None:
        traced = tf.function(function, autograph=False).get_concrete_function(*specs)
        if any(tensor.dtype == tf.resource for tensor in traced.captured_inputs):
            raise ValueError("it reads a variable that is not part of its state")
        captured = [tensor.numpy() for tensor in traced.captured_inputs]
        definition = traced.graph.as_graph_def()
        for nodes in (definition.node, *(f.node_def for f in definition.library.function)):
            for node in nodes:
                node.device = ""
        graph = tf.Graph()
        with graph.as_default():
            tf.import_graph_def(definition, name="")
        # A negative number: in the thread that calls.
        options = tf.compat.v1.ConfigProto(device_count={"GPU": 0}, inter_op_parallelism_threads=-1)
        self._session = tf.compat.v1.Session(graph=graph, config=options)
        self.output_specs = [tf.TensorSpec(o.shape, o.dtype) for o in traced.outputs]
        run = self._session.make_callable(
            [tensor.name for tensor in traced.outputs], [tensor.name for tensor in traced.inputs]
        )
        self._run: Callable[..., list[np.ndarray]] = lambda *arrays: run(*arrays, *captured)

    def __call__(self, *arrays: np.ndarray) -> list[np.ndarray]:
        """Returns what the function returns for these arguments."""
        return self._run(*arrays)
