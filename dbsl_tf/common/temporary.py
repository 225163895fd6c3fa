"""The folder for temporary files."""

from __future__ import annotations

import tempfile

from dbsl_tf.common.errors import UserError


def temporary_folder() -> str:
    """Returns the folder for temporary files, as `tempfile` finds it.

    Raises:
        UserError: none can be written.
    """
    try:
        return tempfile.gettempdir()
    except FileNotFoundError as error:
        raise UserError(
            "no folder for temporary files can be written; set TMPDIR to the path of one"
        ) from error
