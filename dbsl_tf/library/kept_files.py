"""Files of a run that come back if it could not go on with others in their place."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dbsl_tf.common.errors import UserError


@contextmanager
def kept_if_refused(*paths: Path) -> Iterator[Callable[[], None]]:
    """Restores files as they were when the block raises a `UserError`.

    A directory may hold another program's run, which must still be usable after that is said.

    Args:
        paths: files; those that are not there are removed.

    Yields:
        A function that ends this: from then on the files stay as the block left them.
    """
    before = {path: path.read_bytes() if path.is_file() else None for path in paths}
    try:
        yield before.clear
    except UserError:
        # What was refused counts more than a disk that fails meanwhile.
        with suppress(OSError):
            for path, content in before.items():
                if content is None:
                    path.unlink(missing_ok=True)
                else:
                    path.write_bytes(content)
        raise
