"""The published grids, as they are kept in published.yaml."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict

from dbsl_tf.common.errors import UserError
from dbsl_tf.config.yaml_text import read_yaml
from dbsl_tf.sweeping.grid import Point

Scalar = Annotated[str, BeforeValidator(str)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PublishedRow(_Part):
    """What a single run of the authors came to.

    Attributes:
        at: its values of the grid's first keys, as in an override.
        accuracy: on the test images at the last commit, in percent.
        best: the highest of any commit, in percent; None: not known.
        loss: at the last commit.
        seconds: from the start to the last commit; None: not known.
        source: a name in the file's sources; None: that of the grid.
    """

    at: tuple[Scalar, ...]
    accuracy: float
    loss: float
    best: float | None = None
    seconds: float | None = None
    source: str | None = None


class Grid(_Part):
    """A published grid of experiments; the first row is the one that others are compared with.

    Attributes:
        title: what it is about.
        config: the name of a configuration of this package: the full scale.
        set: overrides of it.
        source: a name in the file's sources, for rows that have none of their own.
        keys: what differs between the rows.
        headings: a short name for each key.
        rows: in the published order.
        table: the number by which it can be called too, such as table5; None: none.
        small: further overrides for the small scale; None: there is no such scale.
    """

    title: str
    config: str
    set: tuple[str, ...]
    source: str
    keys: tuple[str, ...]
    headings: tuple[str, ...]
    rows: tuple[PublishedRow, ...]
    table: str | None = None
    small: tuple[str, ...] | None = None

    @property
    def points(self) -> list[Point]:
        """The rows as points of a sweep, in order."""
        return [Point(tuple(zip(self.keys, row.at, strict=False))) for row in self.rows]

    def label(self, index: int) -> str:
        """Returns what a row is called for people, such as n_S=1 k=1.05."""
        return " ".join(
            f"{name}={value}" for name, value in zip(self.headings, self.rows[index].at)
        )

    @property
    def source_names(self) -> list[str]:
        """The names of all sources of its rows, in order."""
        return list(dict.fromkeys(row.source or self.source for row in self.rows))


class SmallSpeed(_Part):
    """How fast the small scale is on the machine on which that was measured.

    Attributes:
        seconds_per_sample: on one core, for images of `pixels` × `pixels`.
        pixels: height and width of those images.
        seconds_per_batch: on one core.
        seconds_per_run: what a run takes beside its steps, such as starting servers.
    """

    seconds_per_sample: float
    pixels: int
    seconds_per_batch: float
    seconds_per_run: float


class _File(_Part):
    sources: dict[str, str]
    small_speed: SmallSpeed
    grids: dict[str, Grid]


@dataclass(frozen=True)
class Chosen:
    """A grid as it was asked for.

    Attributes:
        name: of the grid.
        grid: the grid.
        remark: what to say of the name that was given; empty: nothing.
    """

    name: str
    grid: Grid
    remark: str = ""


@cache
def published() -> _File:
    """Returns all that published.yaml holds."""
    text = files(__package__).joinpath("published.yaml").read_text(encoding="utf-8")
    return _File.model_validate(read_yaml(text))


def names() -> list[str]:
    """Returns the names of the grids and tables, for people."""
    grids = published().grids.items()
    return [f"{name} ({grid.table})" if grid.table else name for name, grid in grids]


def choose(name: str) -> Chosen:
    """Returns the grid with a name or the number of a table.

    Raises:
        UserError: there is none.

    Example:
        >>> choose("table5").name
        'dual_batch'
    """
    grids = published().grids
    if name in grids:
        return Chosen(name, grids[name])
    for other, grid in grids.items():
        if name == grid.table:
            remark = (
                f"{name} is taken to be the grid {other}: the numbers of the papers' tables are "
                "inferred, not read; see docs/reproducing.md"
            )
            return Chosen(other, grid, remark)
    raise UserError(f"no published grid is called {name!r}; they are {', '.join(names())}")
