"""Classes of Keras's layers, of whichever Keras is in use."""

from __future__ import annotations

import sys
from typing import Any

_KERAS = ("keras", "keras_core")


def layer_classes(name: str) -> tuple[Any, ...]:
    """Returns the layer class of this name of Keras 3 and of keras-core, if they are imported.

    Example:
        >>> [each.__name__ for each in layer_classes("Conv2D")]  # both are imported
        ['Conv2D', 'Conv2D']
    """
    return tuple(
        getattr(sys.modules[keras].layers, name) for keras in _KERAS if keras in sys.modules
    )
