"""Downloads an official archive with progress, a time limit and a checksum."""

from __future__ import annotations

import sys
from pathlib import Path

from dbsl_tf.config.catalogue import Archive

_TIMEOUT_SECONDS = 30
_CHUNK_BYTES = 1 << 16


class DownloadError(Exception):
    """The archive could not be fetched, or is not the published one."""


def download_archive(archive: Archive, folder: Path) -> Path:
    """Fetches `archive` into `folder` and returns its path.

    Raises:
        DownloadError: no connection, no answer for 30 seconds, an HTTP error, or a checksum
            other than the published MD5 sum.
    """
    import pooch  # Most runs download nothing.
    import requests

    print(f"Downloading {archive.url}", file=sys.stderr, flush=True)
    pooch.get_logger().setLevel("WARNING")
    downloader = pooch.HTTPDownloader(
        progressbar=sys.stderr.isatty(), chunk_size=_CHUNK_BYTES, timeout=_TIMEOUT_SECONDS
    )
    try:
        path = pooch.retrieve(
            archive.url,
            known_hash=f"md5:{archive.md5}",
            fname=archive.file_name,
            path=folder,
            downloader=downloader,
        )
    except requests.Timeout as error:
        raise DownloadError(f"no answer for {_TIMEOUT_SECONDS} s") from error
    except requests.ConnectionError as error:
        raise DownloadError(f"no connection to {archive.base_url}") from error
    except (requests.RequestException, ValueError) as error:
        raise DownloadError(" ".join(str(error).split())) from error
    return Path(path)
