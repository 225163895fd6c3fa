"""What a key of the configuration can name: built-ins, what is registered, import paths."""

from __future__ import annotations

import difflib
import hashlib
import importlib.util
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from dbsl_tf.common.errors import UserError
from dbsl_tf.common.import_path import (
    IMPORT_PATH,
    NotImportable,
    import_attribute,
    is_import_path,
)

# The name of what a program gave to `dbsl_tf.Trainer`, in the configurations of its runs.
OWN = "own"


class Registry:
    """Callables by name, open to others.

    A built-in can be given as an import path, which is imported when it is first asked for, so the
    names are known without what they stand for.

    Args:
        key: the key of the configuration that names one, such as `optimizer.name`; the keyword
            arguments beside it are in `options`, here `optimizer.options`.
        builtins: callables or their import paths, by name.

    Example:
        >>> shapes = Registry("drawing.shape", {"dict": "builtins:dict"})
        >>> @shapes.register("square")
        ... def square(side=1):
        ...     return {"width": side, "height": side}
        >>> shapes.names()
        ('dict', 'square')
        >>> shapes.make("square", {"side": 2})
        {'width': 2, 'height': 2}
    """

    def __init__(self, key: str, builtins: Mapping[str, Callable[..., Any] | str]) -> None:
        self._key = key
        self._options_key = f"{key.rpartition('.')[0]}.options"
        self._builtins = frozenset(builtins)
        self._entries: dict[str, Callable[..., Any] | str] = dict(builtins)
        self._fingerprints: dict[str, str] = {}

    def register(
        self, name: str, entry: Callable[..., Any] | str | None = None, fingerprint: str = ""
    ) -> Any:
        """Registers a callable, or its import path, under a name; without one, a decorator.

        What others registered before under that name is replaced.

        Args:
            name: without ':'.
            entry: the callable or its import path.
            fingerprint: see `fingerprint`.

        Raises:
            ValueError: it is the name of a built-in, or no name.
        """
        if name in self._builtins:
            raise ValueError(f"{name!r} is a built-in {self._key}; choose another name")
        if not name or ":" in name:
            raise ValueError(f"{name!r} is not a name; choose one without ':'")
        if entry is None:
            return lambda decorated: self.register(name, decorated, fingerprint)
        self._entries[name] = entry
        self._fingerprints[name] = fingerprint
        return entry

    def names(self) -> tuple[str, ...]:
        """Returns the names, built-ins first."""
        return tuple(self._entries)

    def is_builtin(self, name: str) -> bool:
        """Returns whether it is the name of a built-in."""
        return name in self._builtins

    def fingerprint(self, choice: str) -> str:
        """Returns a text that changes with the code of a choice, as far as that is known.

        What was measured with one text does not hold with another. That of a built-in is empty;
        that of an import path follows the file of the module.
        """
        if choice in self._entries or choice == OWN:
            return self._fingerprints.get(choice, "")
        spec = importlib.util.find_spec(choice.partition(":")[0])
        if spec is None or spec.origin is None or not Path(spec.origin).is_file():
            return ""
        return hashlib.sha256(Path(spec.origin).read_bytes()).hexdigest()

    @property
    def allowed(self) -> str:
        """What can be chosen, in words."""
        return f"one of {', '.join(self._entries)}, or an import path {IMPORT_PATH}"

    def problem(self, choice: str) -> str | None:
        """Returns what to do instead of a choice that cannot be one; None: it can.

        Nothing is imported, so an import path that leads nowhere is found out by `get`.
        """
        if choice in self._entries or choice == OWN or is_import_path(choice):
            return None
        close = difflib.get_close_matches(choice, self._entries, n=1)
        return f"give {self.allowed}" + (f"; did you mean {close[0]}?" if close else "")

    def get(self, choice: str) -> Callable[..., Any]:
        """Returns the callable of a name or at an import path.

        Raises:
            UserError: there is none.
        """
        problem = self.problem(choice)
        if problem:
            raise self._error(choice, problem)
        if choice == OWN and choice not in self._entries:
            raise self._error(
                choice,
                "that is part of a program which trained with dbsl_tf.Trainer: give the directory "
                "of its run, or start the program again",
            )
        entry = self._entries.get(choice, choice)
        if isinstance(entry, str):
            try:
                entry = import_attribute(entry)
            except NotImportable as error:
                raise self._error(choice, str(error)) from error
        if not callable(entry):
            raise self._error(choice, f"that is {_kind(entry)}; name a class or a function")
        return entry

    def make(
        self, choice: str, options: Mapping[str, Any] | None = None, methods: Sequence[str] = ()
    ) -> Any:
        """Returns what the chosen callable returns for these keyword arguments.

        Args:
            choice: a name or an import path.
            options: the keyword arguments.
            methods: that what is returned must have.

        Raises:
            UserError: there is no such callable, it does not take these options, refuses them with
                a ValueError or TypeError, or returns something without these methods.
        """
        options = dict(options or {})
        function = self.get(choice)
        try:
            made = function(**options)
        except (TypeError, ValueError) as error:
            text = " ".join(str(error).split())
            raise UserError(
                f"{self._options_key} is {options}, which {choice} does not take ({text}); give "
                "its keyword arguments"
            ) from error
        missing = [name for name in methods if not callable(getattr(made, name, None))]
        if missing:
            raise self._error(
                choice,
                f"that returns {_kind(made)}, which has no method {missing[0]}; return an object "
                f"with {' and '.join(methods)}",
            )
        return made

    def _error(self, choice: str, text: str) -> UserError:
        return UserError(f"{self._key} is {choice!r}; {text}")


def _kind(value: Any) -> str:
    return "None" if value is None else f"something of type {type(value).__name__}"
