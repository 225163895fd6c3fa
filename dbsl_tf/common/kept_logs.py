"""A folder for the logs of servers, which is kept if somebody was told to read them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from dbsl_tf.common.temporary import temporary_folder

Report = Callable[[str], None]


@contextmanager
def logs_until_named(report: Report) -> Iterator[tuple[Path, Report]]:
    """Yields a temporary folder, and what to call instead of `report`.

    The folder is removed at the end, unless a line named a file in it, or an error does.

    Args:
        report: called with every line.

    Raises:
        UserError: no folder for temporary files can be written.
    """
    folder = Path(tempfile.mkdtemp(prefix="dbsl_tf-logs-", dir=temporary_folder()))
    named = False

    def note(line: str) -> None:
        nonlocal named
        named = named or str(folder) in line
        report(line)

    try:
        yield folder, note
    except Exception as error:
        named = named or str(folder) in str(error)
        raise
    finally:
        if not named:
            shutil.rmtree(folder, ignore_errors=True)
