"""The folder for files that the program can make again."""

from __future__ import annotations

from pathlib import Path

from dbsl_tf.common.errors import UserError


def user_cache_folder() -> Path:
    """Returns `$XDG_CACHE_HOME/dbsl_tf`, or `~/.cache/dbsl_tf` if that variable is not set.

    As the XDG base directory specification asks, a relative $XDG_CACHE_HOME is ignored.

    Raises:
        UserError: there is neither, because the user has no home folder.
    """
    # Imported here because most runs name their folders and need no cache folder.
    from platformdirs import user_cache_path

    try:
        return user_cache_path("dbsl_tf")
    except RuntimeError as error:
        raise UserError(
            "the user has no home folder for the cache: set XDG_CACHE_HOME to the absolute path "
            "of a folder for it"
        ) from error
