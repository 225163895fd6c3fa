"""Batch times measured elsewhere: CSV files of batch sizes and seconds per batch."""

from __future__ import annotations

import csv
import difflib
import io
import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from dbsl_tf.common.errors import UserError
from dbsl_tf.common.files import TABLE, read_text
from dbsl_tf.common.versions import package_versions
from dbsl_tf.config.ranges import LARGEST_BATCH, LARGEST_IMAGE, LONGEST, SHORTEST
from dbsl_tf.profiling.fitting import WorkerPoints, fit_resolution
from dbsl_tf.profiling.profile_file import Point, Profile
from dbsl_tf.profiling.time_fit import Method

REQUIRED = ("batch_size", "seconds_per_batch")
OPTIONAL = ("host", "resolution")
_MOST_LINES = 100_000
_MOST_HOSTS = 1000


@dataclass(frozen=True)
class BatchTime:
    """A line of the file: the time of one batch size on one host at one resolution."""

    host: str | None
    resolution: int | None
    batch: int
    seconds: float


def profile_batch_times(path: Path | str, method: Method = "robust") -> Profile:
    """Fits a batch-times file: for each resolution, the mean of the hosts and each host.

    Hosts become workers in the order in which the file names them.

    Raises:
        UserError: the file cannot be read, a line is wrong (the message names file, line and
            column), or a resolution has fewer than two batch sizes.
    """
    rows = read_batch_times(path)
    names = list(dict.fromkeys(row.host for row in rows))
    by_resolution: dict[int | None, dict[str | None, list[Point]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for row in rows:
        by_resolution[row.resolution][row.host].append(Point(row.batch, row.seconds))
    fits = []
    for resolution, hosts in by_resolution.items():
        sizes = {point.batch for points in hosts.values() for point in points}
        if len(sizes) < 2:
            where = "" if resolution is None else f" of resolution {resolution}"
            raise UserError(
                f"{path}: column batch_size{where} has only the size {min(sizes)}; a line needs "
                "at least two sizes, and four to be trusted"
            )
        workers = {
            index: WorkerPoints(host, tuple(sorted(points, key=lambda point: point.batch)))
            for index, (host, points) in enumerate(
                sorted(hosts.items(), key=lambda item: names.index(item[0]))
            )
        }
        fits.append(fit_resolution(resolution, workers, method))
    return Profile(
        fits=tuple(fits),
        method=method,
        settings={"source": Path(path).name},
        versions=package_versions("numpy", "scipy"),
    )


def read_batch_times(path: Path | str) -> list[BatchTime]:
    """Reads the lines of a batch-times file; ignores other columns.

    Raises:
        UserError: see `profile_batch_times`.
    """
    try:
        with io.StringIO(read_text(path, TABLE, encoding="utf-8-sig"), newline="") as file:
            reader = csv.reader(file, strict=True, skipinitialspace=True)
            try:
                header = [name.strip() for name in next(reader, [])]
                columns = _columns(path, header)
                rows = [
                    _row(f"{path} line {reader.line_num}", header, columns, cells)
                    for cells in islice(reader, _MOST_LINES)
                    if any(cell.strip() for cell in cells)
                ]
                if next(reader, None) is not None:
                    raise UserError(f"{path} has more than {_MOST_LINES} lines; give fewer")
            except csv.Error as error:
                raise UserError(
                    f"{path} line {reader.line_num}: not usable as CSV ({error}); correct the line"
                ) from None
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; check the path") from None
    except UnicodeDecodeError:
        raise UserError(f"{path} is not UTF-8 text; give a CSV file") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"{path} cannot be read ({reason}); give a CSV file") from None
    if len({row.host for row in rows}) > _MOST_HOSTS:
        raise UserError(f"{path}: column host names more than {_MOST_HOSTS} hosts; give fewer")
    if not rows:
        raise UserError(f"{path} has no line below the column names; give one per batch size")
    return rows


def _columns(path: Path | str, header: Sequence[str]) -> dict[str, int]:
    """Returns where the known columns are."""
    for name in (*REQUIRED, *OPTIONAL):
        if header.count(name) > 1:
            raise UserError(f"{path} line 1: column {name} occurs twice; keep one")
    unknown = [name for name in header if name not in REQUIRED + OPTIONAL]
    for name in (*REQUIRED, *OPTIONAL):
        if name in header:
            continue
        close = difflib.get_close_matches(name, unknown, n=1, cutoff=0.75)
        if close:
            raise UserError(f"{path} line 1: column {close[0]} is not known; did you mean {name}?")
        if name in REQUIRED:
            found = ",".join(header)[:60] or "nothing"
            raise UserError(
                f"{path} line 1: column {name} is missing (found: {found}); the first line names "
                f"the columns, {','.join(REQUIRED)} and optionally {','.join(OPTIONAL)}"
            )
    return {name: header.index(name) for name in (*REQUIRED, *OPTIONAL) if name in header}


def _row(
    place: str, header: Sequence[str], columns: dict[str, int], cells: Sequence[str]
) -> BatchTime:
    if len(cells) != len(header):
        raise UserError(
            f"{place} has {len(cells)} columns instead of {len(header)} ({','.join(header)})"
        )
    texts = {name: cells[index].strip() for name, index in columns.items()}
    if texts.get("host") == "":
        raise UserError(f"{place}: column host is empty; name the host, or leave out the column")
    return BatchTime(
        host=texts.get("host"),
        resolution=_whole(place, "resolution", texts["resolution"], LARGEST_IMAGE)
        if "resolution" in texts
        else None,
        batch=_whole(place, "batch_size", texts["batch_size"], LARGEST_BATCH),
        seconds=_seconds(place, texts["seconds_per_batch"]),
    )


def _whole(place: str, column: str, text: str, most: int) -> int:
    try:
        value = int(text)
    except ValueError:
        value = 0
    if not 1 <= value <= most:
        raise UserError(
            f"{place}: column {column} is {text[:40]!r}; give a whole number from 1 to {most}"
        )
    return value


def _seconds(place: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not SHORTEST <= value <= LONGEST:
        raise UserError(
            f"{place}: column seconds_per_batch is {text[:40]!r}; give a number of seconds from "
            f"{SHORTEST} to {LONGEST}"
        )
    return value
