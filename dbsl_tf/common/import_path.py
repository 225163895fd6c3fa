"""Import paths, `package.module:attribute`: what a user names that is not part of this package."""

from __future__ import annotations

import difflib
import importlib
import os
import re
import sys
from collections.abc import Iterable
from typing import Any

from dbsl_tf.common.installed_packages import comes_first

IMPORT_PATH = "package.module:attribute"

_NAME = r"[^\W\d]\w*(?:\.[^\W\d]\w*)*"
_PATH = re.compile(f"({_NAME}):({_NAME})")


class NotImportable(Exception):
    """Nothing is found at an import path; the message says why and what to do."""


def is_import_path(text: str) -> bool:
    """Returns whether `text` has the form of an import path; its target need not exist."""
    return _PATH.fullmatch(text) is not None


def import_attribute(path: str) -> Any:
    """Returns what an import path names.

    Modules are found where Python finds them, and in the working directory last.

    Example:
        >>> import_attribute("math:floor")(2.5)
        2

    Raises:
        NotImportable: there is no such module or attribute, or importing it fails.
        ValueError: it is not an import path.
    """
    match = _PATH.fullmatch(path)
    if match is None:
        raise ValueError(f"{path!r} does not have the form {IMPORT_PATH}")
    module, attributes = match.groups()
    found = _module(module)
    for depth, name in enumerate(attributes.split(".")):
        if not hasattr(found, name):
            owner = ".".join([module, *attributes.split(".")[:depth]])
            close = difflib.get_close_matches(name, dir(found), n=1)
            hint = f"did you mean {close[0]}?" if close else "name one that it defines"
            if comes_first(module.partition(".")[0]):
                hint += "; a module of your own needs another name"
            raise NotImportable(f"{owner} has no {name}; {hint}")
        found = getattr(found, name)
    return found


def search_path() -> tuple[str, ...]:
    """Returns the folders in which this process finds modules."""
    return tuple(sys.path)


def search_also(folders: Iterable[str]) -> None:
    """Finds modules in these folders too, after those that are found now."""
    sys.path.extend(folder for folder in folders if folder not in sys.path)
    importlib.invalidate_caches()


def _module(name: str) -> Any:
    # `python -m` does this by itself, an installed command does not.
    folder = os.getcwd()
    if not {"", folder} & set(sys.path):
        search_also([folder])
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and f"{name}.".startswith(f"{error.name}."):
            raise NotImportable(
                f"there is no module {error.name}; start from its folder or install it"
            ) from error
        raise NotImportable(f"importing {name} fails ({_in_words(error)}); install it") from error
    except Exception as error:  # Whatever the module does.
        raise NotImportable(f"importing {name} fails ({_in_words(error)}); mend it") from error


def _in_words(error: Exception) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
