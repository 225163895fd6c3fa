"""The report: one HTML page that needs nothing else, neither files nor scripts nor a network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from string import Template

from dbsl_tf import __version__
from dbsl_tf.reporting.comparison import Group
from dbsl_tf.reporting.comparison_section import comparison_section
from dbsl_tf.reporting.markup import element, together
from dbsl_tf.reporting.run_section import run_section

_TEMPLATE = Path(__file__).with_name("page.html")


def render_page(groups: Sequence[Group], drawn: Callable[[str], None] = lambda name: None) -> str:
    """The page of a run, or of several beside each other.

    Args:
        groups: what to report on, see `comparison.group_runs`.
        drawn: told the name of each part that is done: the comparison and every run.
    """
    runs = [run for group in groups for run in group.runs]
    single = len(runs) == 1
    title = f"Run {runs[0].name}" if single else f"{len(runs)} runs of dbsl_tf"
    parts = [element("h1", title)]
    if not single:
        parts.append(comparison_section(groups))
        drawn("comparison")
    for group in groups:
        for run in group.runs:
            parts.append(run_section(run, group, f"run{runs.index(run)}", single))
            drawn(run.name)
    parts.append(
        element(
            "footer",
            f"Made by dbsl_tf {__version__} from the runs' own records. Times are those of each "
            "machine's clock.",
        )
    )
    return Template(_TEMPLATE.read_text(encoding="utf-8")).substitute(
        title=element("title", title)[len("<title>") : -len("</title>\n")],
        body=together(*parts),
    )
