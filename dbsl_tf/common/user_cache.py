"""Where files are kept that the program can make again."""

from __future__ import annotations

import os
from pathlib import Path


def user_cache_folder() -> Path:
    """Returns `$XDG_CACHE_HOME/dbsl_tf`, or `~/.cache/dbsl_tf` where that is not set.

    As the XDG base directory specification asks, a relative $XDG_CACHE_HOME is ignored.
    """
    folder = Path(os.environ.get("XDG_CACHE_HOME") or "")
    return (folder if folder.is_absolute() else Path.home() / ".cache") / "dbsl_tf"
