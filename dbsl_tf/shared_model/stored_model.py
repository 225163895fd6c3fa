"""What the parameter servers store: the global weights, and a slot for each pushed model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
import tensorflow as tf

from dbsl_tf.engine.engine import Engine
from dbsl_tf.shared_model.packing import StatePacking, WeightPacking

# At least two, so that tests can interrupt a push in the middle even with one server.
_FEWEST_PIECES = 2
# While a piece arrives or is merged, a server needs memory for it in addition to the model.
_PIECE_BYTES = 4_000_000


@dataclass
class Slot:
    """The variables that one mini-epoch begins with and is pushed into; pass them to its closure.

    Attributes:
        weights: in pieces (see `Packing`).
        optimizer_state: in pieces; empty if it is not kept.
        pulled: the initial weights, in pieces, if they are needed after a push; else empty, and
            `weights` holds them.
        begun: how many workers have begun with it since it was filled, int64 scalar.
        filled: the commit whose weights the slot holds; None: not known.
        start_commit: the commit whose weights the mini-epoch begins with; None: none has begun.
        attempt: number of the attempt at a mini-epoch that uses the slot; 0: none does.
    """

    weights: list[tf.Variable]
    optimizer_state: list[tf.Variable]
    pulled: list[tf.Variable]
    begun: tf.Variable
    filled: int | None = None
    start_commit: int | None = None
    attempt: int = 0

    def variables(self) -> list[tf.Variable]:
        """Returns all of them in one list, as closures get them, in the order of `Attributes`."""
        return [*self.weights, *self.optimizer_state, *self.pulled, self.begun]

    @property
    def start(self) -> list[tf.Variable]:
        """The weights that a mini-epoch begins with, in pieces."""
        return self.pulled or self.weights


@dataclass(frozen=True)
class ModelState:
    """All state of a run on the parameter servers, as float32 arrays.

    Attributes:
        commit: number of the commit that the weights belong to.
        weights: in the model's order.
        optimizer_state: of every worker, [workers, ...] each; empty if it is not kept.
        merge_state: what the merge rule keeps: by its name, one array for each trainable weight;
            what is missing is 0.
        average: of the weights over commits, in the model's order; empty if they are not averaged,
            or the average is still the weights themselves.
    """

    commit: int
    weights: list[np.ndarray]
    optimizer_state: list[np.ndarray]
    merge_state: dict[str, list[np.ndarray]] = field(default_factory=dict)
    average: list[np.ndarray] = field(default_factory=list)


@dataclass(frozen=True)
class Keeping:
    """What the servers keep for the merge rule, beside the weights.

    Attributes:
        trainable: number of weights that are trained, which come first; None: the rule treats all
            weights alike.
        copies: names of what it keeps for every trainable weight.
        pulled: whether it needs the weights that a mini-epoch began with.
    """

    trainable: int | None = None
    copies: Sequence[str] = ()
    pulled: bool = False


class StoredModel:
    """The variables on the servers, in pieces (see `Packing`) that are spread evenly over them.

    Args:
        engine: the connected cluster.
        state: their initial values; an optimiser state is kept if it has one.
        transfer_dtype: type in which pieces are sent, but for scalars of the optimiser state;
            the variables are always float32.
        in_rounds: whether mini-epochs are merged in rounds.
        keeping: what the merge rule needs.

    Attributes:
        packing: of the weights.
        state_packing: of the optimiser state of a worker.
        commit: number of the commit that the weights belong to.
        weights: the global weights, g.
        trainable_pieces: how many of these pieces hold trainable weights, and come first.
        merge_state: what the merge rule keeps, by name, beside the pieces of trainable weights.
        optimizer_state: [workers, piece] each; empty if it is not kept.
        unmerged: for each worker, the attempt that it has pushed and that is not merged yet, int64
            [workers]; 0: none.
        notes_unmerged: whether `unmerged` is kept up: only if a state is kept, or in rounds.
        snapshot: a copy of the weights.
        transfer_dtype: as given.
        sent_as: the type in which each piece is sent: of the weights, then of the optimiser state.
    """

    def __init__(
        self,
        engine: Engine,
        state: ModelState,
        transfer_dtype: tf.DType,
        in_rounds: bool = False,
        keeping: Keeping = Keeping(),
    ) -> None:
        def pieces(nbytes: float) -> int:
            each = math.ceil(nbytes / engine.parameter_servers / _PIECE_BYTES)
            return engine.parameter_servers * max(_FEWEST_PIECES, each)

        weight_bytes = sum(weight.nbytes for weight in state.weights)
        state_bytes = sum(array.nbytes for array in state.optimizer_state) / engine.workers
        self.transfer_dtype = transfer_dtype
        self._keeping = keeping
        self.packing = WeightPacking(
            [w.shape for w in state.weights], pieces(weight_bytes), keeping.trainable
        )
        self.trainable_pieces = self.packing.piece_counts[0]
        self.state_packing = StatePacking(
            [array.shape[1:] for array in state.optimizer_state], pieces(state_bytes)
        )
        self.commit = engine.variables([np.int64(state.commit)])[0]
        self.weights = engine.variables(self.packing.pack_arrays(state.weights))
        self.optimizer_state = engine.variables(
            self.state_packing.pack_arrays(state.optimizer_state)
        )
        self.unmerged = engine.variables([np.zeros(engine.workers, np.int64)])[0]
        self.notes_unmerged = in_rounds or bool(state.optimizer_state)
        self.sent_as = [transfer_dtype] * len(self.weights) + [
            tf.float32 if exact else transfer_dtype for exact in self.state_packing.exact
        ]
        self.merge_state = {
            name: self._kept(state.merge_state.get(name)) for name in keeping.copies
        }
        self.snapshot = self._zeros_like_weights()

    @property
    def sends_differences(self) -> bool:
        """Whether a push sends the difference from the pulled weights, not the weights.

        Weights rounded to a less precise type would lose small differences altogether.
        """
        return self.transfer_dtype != tf.float32

    @property
    def keeps_pulled(self) -> bool:
        """Whether a slot keeps the weights that its mini-epoch began with after the push."""
        return self.sends_differences or self._keeping.pulled

    def new_slot(self) -> Slot:
        """Returns variables for one mini-epoch in flight.

        They take one model copy on the parameter servers, two if the initial weights are kept.
        """
        return Slot(
            self._zeros_like_weights(),
            _zeros_beside(self.optimizer_state, [v.shape[1:] for v in self.optimizer_state]),
            self._zeros_like_weights() if self.keeps_pulled else [],
            *_zeros_beside([self.commit], [()]),
        )

    def slot_of(self, variables: Sequence[tf.Variable]) -> Slot:
        """Returns the slot with these `variables()`, inside a tf.function that got them."""
        rest = iter(variables)
        weights = list(islice(rest, len(self.weights)))
        optimizer_state = list(islice(rest, len(self.optimizer_state)))
        pulled = list(islice(rest, len(weights) if self.keeps_pulled else 0))
        return Slot(weights, optimizer_state, pulled, *rest)

    def _kept(self, values: Sequence[np.ndarray] | None) -> list[tf.Variable]:
        """Returns variables beside the pieces of trainable weights, with these values or 0."""
        beside = self.weights[: self.trainable_pieces]
        kept = _zeros_beside(beside, [piece.shape for piece in beside])
        if values is not None:
            for variable, value in zip(kept, self.packing.part(0).pack_arrays(values), strict=True):
                variable.assign(value)
        return kept

    def _zeros_like_weights(self) -> list[tf.Variable]:
        return _zeros_beside(self.weights, [w.shape for w in self.weights])


def _zeros_beside(
    variables: Sequence[tf.Variable], shapes: Sequence[tf.TensorShape | tuple[()]]
) -> list[tf.Variable]:
    """Returns zeros of these shapes as variables, each on the server of its counterpart."""
    created = []
    for variable, shape in zip(variables, shapes):
        with tf.device(variable.device):
            created.append(tf.Variable(tf.zeros(shape, variable.dtype), trainable=False))
    return created
