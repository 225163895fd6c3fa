"""Weights that training does not change, such as those of frozen layers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from dbsl_tf.engine.engine import Engine
from dbsl_tf.shared_model.packing import Packing


class FixedWeights:
    """Kept on the parameter servers; workers pull them with every mini-epoch, and push none.

    Args:
        engine: the connected cluster.
        values: of any types; float32 ones are sent in pieces.
    """

    def __init__(self, engine: Engine, values: Sequence[np.ndarray]) -> None:
        self._packed = [value.dtype == np.float32 for value in values]
        floats = [v for v, packed in zip(values, self._packed) if packed]
        self._packing = Packing([v.shape for v in floats], engine.parameter_servers)
        self._pieces = engine.variables(self._packing.pack_arrays(floats))
        self._others = engine.variables([v for v, p in zip(values, self._packed) if not p])

    def pull(self) -> list[tf.Tensor]:
        """Returns the weights in the order of `values`, inside a closure."""
        floats = iter(self._packing.unpack([piece.read_value() for piece in self._pieces]))
        others = iter([variable.read_value() for variable in self._others])
        return [next(floats if packed else others) for packed in self._packed]
