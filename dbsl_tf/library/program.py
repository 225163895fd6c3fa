"""The objects of a user's program that a run is made of, as a file in its directory.

A run trains in a process of its own, and may be resumed, evaluated or exported in another one
still. None of them can import what a notebook cell or a script has defined, so the functions and
classes themselves are in the file (cloudpickle); what lies in modules is imported from where the
program found it.
"""

from __future__ import annotations

import hashlib
import pickle
from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import cloudpickle

from dbsl_tf.common.errors import UserError, reason_of
from dbsl_tf.common.files import CHECKPOINT, read_bytes, write_whole
from dbsl_tf.common.import_path import search_also, search_path
from dbsl_tf.common.printing import tell
from dbsl_tf.common.registry import OWN
from dbsl_tf.config.registries import (
    DATA,
    LEARNING_RATES,
    MERGE_RULES,
    MODELS,
    OBJECTIVES,
    OPTIMIZERS,
)

_DIGEST_BYTES = 32
# Of one object: more is likely data that its functions use by accident.
_LARGE_BYTES = 32 << 20
# What a program knows the objects by.
_SPOKEN = {"model": "build_model", "objective": "loss or metrics", "merge": "plan.merge"}


@dataclass(frozen=True)
class Program:
    """What the user's program gave a `dbsl_tf.Trainer`.

    Attributes:
        model: builds the model.
        data: says where the data come from; see `dbsl_tf.data.training_data.TrainingData`.
        optimizer: of the workers; see `dbsl_tf.training.optimizers.optimizer.Optimizer`.
        objective: loss and metrics; see `ObjectiveSettings`.
        learning_rates: the base learning rate at the beginning of every mini-epoch of the run.
        workers: number of workers, n.
        starts: at which epoch each of the learning rates begins, rising; empty: n of them are an
            epoch.
        merge: see `dbsl_tf.shared_model.merge` and `outer`; None: a built-in rule.
        search_path: where the program's modules are found.
    """

    model: Callable[[], Any]
    data: Any
    optimizer: Any
    objective: Any
    learning_rates: tuple[float, ...]
    workers: int
    merge: Callable[..., Any] | None = None
    starts: tuple[float, ...] = ()
    search_path: tuple[str, ...] = field(default_factory=search_path)

    def register(self, fingerprints: Mapping[str, str]) -> None:
        """Makes all of it what the configuration of its run calls `own`.

        Args:
            fingerprints: of `model`, `data`, `optimizer` and `objective`.
        """
        MODELS.register(OWN, self.model, fingerprints["model"])
        DATA.register(OWN, lambda: self.data, fingerprints["data"])
        OPTIMIZERS.register(OWN, lambda: self.optimizer, fingerprints["optimizer"])
        OBJECTIVES.register(OWN, lambda: self.objective, fingerprints["objective"])
        LEARNING_RATES.register(OWN, lambda: self._learning_rate)
        if self.merge is not None:
            MERGE_RULES.register(OWN, self.merge)

    def _learning_rate(self, epoch: float) -> float:
        if self.starts:
            return self.learning_rates[max(0, bisect_right(self.starts, epoch) - 1)]
        # As earlier versions have written it.
        number = round(epoch * self.workers)
        return self.learning_rates[min(number, len(self.learning_rates) - 1)]

    def save(self, path: Path) -> None:
        """Writes the objects, whole or not at all.

        Raises:
            UserError: one of them cannot be pickled, or the file cannot be written.
        """
        parts: dict[str, bytes] = {}
        for part in fields(self):
            name = _SPOKEN.get(part.name, part.name)
            try:
                parts[part.name] = cloudpickle.dumps(getattr(self, part.name))
            except Exception as error:
                raise UserError(
                    f"{name} cannot be sent to the process that trains ({reason_of(error):.200}): "
                    "let its functions create what they need instead of using variables, tensors "
                    "or open files from outside"
                ) from error
            if len(parts[part.name]) > _LARGE_BYTES:
                tell(
                    f"warning: {name} takes "
                    f"{len(parts[part.name]) >> 20} MiB along to the process that trains: let it "
                    "read large arrays from a file instead of using them from outside"
                )
        content = pickle.dumps(parts)
        digest = hashlib.sha256(content).digest()
        write_whole(path, lambda partial: partial.write_bytes(digest + content))


def use_program(path: Path) -> None:
    """Reads what `Program.save` wrote and registers it; this runs the program's code.

    Raises:
        UserError: the file cannot be read, was damaged, or needs a module that is not there.
    """
    try:
        content = read_bytes(path, CHECKPOINT)
    except OSError as error:
        raise UserError(
            f"{path} cannot be read ({error.strerror}): it holds what a program gave to "
            "dbsl_tf.Trainer; give the directory of its run, or start the program again"
        ) from error
    digest, content = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
    if hashlib.sha256(content).digest() != digest:
        raise UserError(
            f"{path} is damaged (its checksum is not that of its content): start the program "
            "that made it again"
        )
    parts: dict[str, bytes] = pickle.loads(content)
    try:
        # Modules of the program come after those of Python and of this package.
        search_also(pickle.loads(parts["search_path"]))
        program = Program(**{name: pickle.loads(part) for name, part in parts.items()})
    except Exception as error:
        raise UserError(
            f"{path} cannot be loaded ({reason_of(error):.200}): start the program that made it "
            "again, with the packages that it needs"
        ) from error
    program.register({name: hashlib.sha256(part).hexdigest() for name, part in parts.items()})
