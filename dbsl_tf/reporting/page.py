"""The report: one self-contained HTML page, without other files, scripts or network access.

The live page of `dbsl watch` is the same with a script that renews it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from jinja2 import Environment, PackageLoader, StrictUndefined

from dbsl_tf import __version__
from dbsl_tf.common import palette
from dbsl_tf.reporting.comparison import Group
from dbsl_tf.reporting.comparison_section import comparison_section
from dbsl_tf.reporting.run_section import run_section


def render_page(
    groups: Sequence[Group],
    drawn: Callable[[str], None] = lambda name: None,
    live: int = 0,
) -> str:
    """Returns the page about one run, or about several side by side.

    Args:
        groups: the runs to report on, see `comparison.group_runs`.
        drawn: called with the name of each finished part: the comparison and every run.
        live: the number of the drawing, of a page that renews itself; see
            `dbsl_tf.operating.live_page`. 0: it does not.
    """
    runs = [run for group in groups for run in group.runs]
    single = len(runs) == 1
    comparison = None
    if not single:
        comparison = comparison_section(groups)
        drawn("comparison")
    sections = []
    for group in groups:
        for run in group.runs:
            sections.append(run_section(run, group, f"run{runs.index(run)}"))
            drawn(run.name)
    return (
        _environment()
        .get_template("page.html")
        .render(
            title=f"Run {runs[0].name}" if single else f"{len(runs)} runs of dbsl_tf",
            comparison=comparison,
            runs=sections,
            version=__version__,
            palette=palette,
            live=live,
        )
    )


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("dbsl_tf.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["pieces"] = _pieces
    return environment


def _pieces(label: str) -> Iterable[tuple[str, str, str]]:
    """Returns a label as pieces of text, symbol and index; the last two may be empty: n_S, B_L."""
    parts = [*re.split(r"\b([nBd])_([SL])\b", label), "", ""]
    return zip(parts[::3], parts[1::3], parts[2::3])
