"""Downloads an official archive with a progress bar, a time limit and a checksum."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from dbsl_tf.common.printing import tell
from dbsl_tf.config.catalogue import Archive

if TYPE_CHECKING:
    from dbsl_tf.common.progress import LateProgress

_TIMEOUT_SECONDS = 30
_CHUNK_BYTES = 1 << 16


class DownloadError(Exception):
    """The archive could not be fetched, or is not the published one."""


class DownloadProgress:
    """Shows pooch's reports of a download with `progress`; its methods are those of tqdm.

    Attributes:
        total: total bytes, which pooch sets before anything else.
    """

    def __init__(self, progress: LateProgress) -> None:
        self._progress = progress
        self._tell: Callable[[int], None] | None = None
        self._done = 0
        self.total = 0

    def update(self, count: int) -> None:
        self._tell = self._tell or self._progress.of("downloading", self.total)
        self._done += count
        self._tell(min(self._done, self.total))

    def reset(self) -> None:
        self._done = 0

    def close(self) -> None:
        """Does nothing: the bar ends with `progress`."""


def download_archive(archive: Archive, folder: Path) -> Path:
    """Fetches `archive` into `folder` and returns its path.

    Raises:
        DownloadError: no connection, no answer for 30 seconds, an HTTP error, or a checksum
            other than the published MD5 sum.
    """
    # Imported here because most runs download nothing.
    import pooch
    import requests

    from dbsl_tf.common.progress import LateProgress

    tell(f"Downloading {archive.url}")
    pooch.get_logger().setLevel("WARNING")
    try:
        with LateProgress("bytes") as progress:
            path = pooch.retrieve(
                archive.url,
                known_hash=f"md5:{archive.md5}",
                fname=archive.file_name,
                path=folder,
                downloader=pooch.HTTPDownloader(
                    progressbar=DownloadProgress(progress),
                    chunk_size=_CHUNK_BYTES,
                    timeout=_TIMEOUT_SECONDS,
                ),
            )
    except requests.Timeout as error:
        raise DownloadError(f"no answer for {_TIMEOUT_SECONDS} s") from error
    except requests.ConnectionError as error:
        raise DownloadError(f"no connection to {archive.base_url}") from error
    except (requests.RequestException, ValueError) as error:
        raise DownloadError(" ".join(str(error).split())) from error
    return Path(path)
