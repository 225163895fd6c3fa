"""The model that callbacks see, of a run that trains in another process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

# What callbacks may ask of a model without needing its weights.
_NEEDS_NO_WEIGHTS = frozenset({"name", "built", "run_eagerly", "jit_compile"})


class ObservedOptimizer:
    """What callbacks see of the optimiser: its base learning rate, a number that may be set.

    Args:
        rate: that of the schedule, now.
        changed: given another one that a callback has set.
    """

    def __init__(self, rate: float, changed: Callable[[float], None]) -> None:
        self._rate = rate
        self._changed = changed

    def show(self, rate: float) -> None:
        """The schedule has come to this rate."""
        self._rate = rate

    @property
    def learning_rate(self) -> float:
        """The base learning rate."""
        return self._rate

    @learning_rate.setter
    def learning_rate(self, rate: Any) -> None:
        if float(rate) != self._rate:
            self._rate = float(rate)
            self._changed(self._rate)


class ObservedModel:
    """Stands for the model; whatever else is asked of it is asked of the real one.

    Args:
        model: the real one.
        optimizer: what callbacks see of the optimiser.
        fetch: gives the real model the weights of the run; called when they are needed.
    """

    def __init__(self, model: Any, optimizer: ObservedOptimizer, fetch: Callable[[], None]) -> None:
        vars(self).update(
            _model=model, _fetch=fetch, _stale=False, optimizer=optimizer, stop_training=False
        )

    def outdate(self) -> None:
        """Have the weights fetched when they are touched next."""
        vars(self)["_stale"] = True

    def __getattribute__(self, name: str) -> Any:
        # Callbacks may ask whether it is a model of Keras.
        if name == "__class__":
            return type(object.__getattribute__(self, "_model"))
        return object.__getattribute__(self, name)

    def __getattr__(self, name: str) -> Any:
        own = vars(self)
        if own["_stale"] and name not in _NEEDS_NO_WEIGHTS:
            own["_stale"] = False
            own["_fetch"]()
        return getattr(own["_model"], name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in ("stop_training", "optimizer"):
            vars(self)[name] = value
        else:
            setattr(vars(self)["_model"], name, value)

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        return self.__getattr__("__call__")(*arguments, **keywords)
