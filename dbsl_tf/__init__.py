"""Training with dual batch sizes on a TensorFlow parameter-server cluster.

The method is that of Lu et al., "Efficient Dual Batch Size Deep Learning for Distributed
Parameter Server Systems" (COMPSAC 2022) and of its successor (arXiv 2509.26092).
"""

from __future__ import annotations

from dbsl_tf.common.installed_packages import prefer_installed_packages_in_commands

# Before anything else is imported.
prefer_installed_packages_in_commands()

from importlib import import_module  # noqa: E402
from typing import TYPE_CHECKING, Any  # noqa: E402

if TYPE_CHECKING:
    from dbsl_tf.data.array_data import arrays
    from dbsl_tf.data.own_data import Data
    from dbsl_tf.data.stream_data import stream
    from dbsl_tf.data.tfrecord_data import tfrecords
    from dbsl_tf.library.dual_batch import DualBatch
    from dbsl_tf.library.run_callback import RunCallback
    from dbsl_tf.library.trainer import Run, Trainer
    from dbsl_tf.training.optimizers.adamw import AdamW
    from dbsl_tf.training.optimizers.lars import LARS
    from dbsl_tf.training.optimizers.sgd import SGD

__version__ = "0.1.0"
__all__ = [
    "LARS",
    "SGD",
    "AdamW",
    "Data",
    "DualBatch",
    "Run",
    "RunCallback",
    "Trainer",
    "arrays",
    "stream",
    "tfrecords",
]

# Imported when they are used: every command imports this package, and most need no TensorFlow.
_MODULES = {
    "AdamW": "training.optimizers.adamw",
    "Data": "data.own_data",
    "DualBatch": "library.dual_batch",
    "LARS": "training.optimizers.lars",
    "Run": "library.trainer",
    "RunCallback": "library.run_callback",
    "SGD": "training.optimizers.sgd",
    "Trainer": "library.trainer",
    "arrays": "data.array_data",
    "stream": "data.stream_data",
    "tfrecords": "data.tfrecord_data",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})
