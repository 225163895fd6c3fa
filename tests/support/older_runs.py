"""A run that was trained before its files had checksums, as it lay on the disk."""

from __future__ import annotations

import tarfile
from pathlib import Path

_ARCHIVE = Path(__file__).parent / "older_run.tar.xz"


def unpack_older_run(folder: Path) -> Path:
    """The directory of a run of the digits in `folder`: two workers, three epochs, finished.

    It was interrupted once, after its second epoch, and has one checkpoint. The output of its
    servers and model.keras were left out.
    """
    with tarfile.open(_ARCHIVE) as archive:
        # Python before 3.11.4 has no filters, and no argument for one.
        archive.extraction_filter = getattr(tarfile, "data_filter", None)
        archive.extractall(folder)
    return folder / "older"
