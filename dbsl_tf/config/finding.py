"""Finds the file of a configuration: an existing file, or one that comes with the package."""

from __future__ import annotations

import difflib
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]


def packaged_configs() -> Path:
    """Returns the folder with the configurations that come with the package."""
    installed = _PACKAGE / "configs"
    return installed if installed.is_dir() else _PACKAGE.parent / "configs"


def find_config(path: Path) -> Path:
    """Returns the file that `path` refers to.

    A name without a folder that is not a file in the working directory is looked up in the package.

    Example:
        >>> find_config(Path("quickstart.yaml")) == packaged_configs() / "quickstart.yaml"
        True
    """
    packaged = packaged_configs() / path
    return packaged if _is_a_name(path) and not path.exists() and packaged.is_file() else path


def advice(path: Path) -> str:
    """Returns advice about a `path` that does not exist: the nearest name, or all names."""
    folder = path if path.is_dir() else path.parent
    here, packaged = _names(folder), _names(packaged_configs())
    if close := difflib.get_close_matches(path.name, here, n=1, cutoff=0.5):
        return f"did you mean {folder / close[0]}?"
    if path.name in packaged:
        return f"did you mean {path.name}, which comes with dbsl_tf?"
    listed = [f"{folder} has {', '.join(here[:8])}"] if here else []
    if not _is_a_name(path):
        return listed[0] if listed else "check the path"
    listed.append(f"dbsl_tf has {', '.join(packaged)}")
    close = difflib.get_close_matches(path.name, packaged, n=1, cutoff=0.5)
    question = f"did you mean {close[0]}? " if close else ""
    return question + "; ".join(listed)


def _is_a_name(path: Path) -> bool:
    return path.name == str(path)


def _names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.glob("*.yaml")) if folder.is_dir() else []
