"""A simulated run, and clusters of several sizes, for people to read."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from dbsl_tf.common.terminal import narrow
from dbsl_tf.simulation.outcome import Outcome
from dbsl_tf.simulation.scaling import ScalePoint, saturation

_SHARES = {
    "training": "training",
    "pulling": "pulling the weights",
    "pushing": "pushing the weights",
    "waiting": "waiting for the merge and for others",
    "evaluating": "evaluating",
    "lost": "training lost by failures",
    "down": "down after failures",
}

# Headings of columns, and what of `Outcome.utilisation` they show.
_BUSY = {"compute": "workers' compute", "network": "server network", "merging": "merging"}


def print_outcome(outcome: Outcome, console: Console | None = None) -> None:
    """Prints the result of a simulated run, see `narrow`."""
    console = narrow(console)
    console.print(outcome_table(outcome))
    busy = outcome.utilisation[outcome.bottleneck]
    console.print(f"bottleneck: {outcome.bottleneck}, busy {busy:.1%} of the time")


def outcome_table(outcome: Outcome) -> Table:
    """Returns a table with a figure a row."""
    scenario = outcome.scenario
    table = Table()
    table.add_column("simulated")
    table.add_column("", justify="right")
    small = scenario.roles.count("small")
    table.add_row("workers, small of them", f"{scenario.workers:,}, {small:,}")
    table.add_row("epochs, commits", f"{scenario.epochs:,}, {len(outcome.workers):,}")
    calendar = scenario.calendar
    if (merges := calendar.mini_epochs_per_epoch) > 1:
        least = min(stretch.mini_epochs for stretch in scenario.stretches)
        text = f"{merges}" if least == merges else f"{merges} to {least}"
        table.add_row("mini-epochs per epoch", text)
    if calendar.local_epochs:
        table.add_row("local epochs at the end", f"{calendar.local_epochs:,}")
    table.add_row("seconds per epoch", f"{outcome.epoch_seconds:,.3f}")
    table.add_row("commits per second", f"{outcome.commits_per_second:,.3f}")
    percentiles = ", ".join(f"{value:g}" for value in outcome.staleness_percentiles.values())
    table.add_row("staleness, mean", f"{outcome.mean_staleness:.3f}")
    table.add_row(f"of {_percent(outcome)} % at most", percentiles)
    if outcome.load_imbalance is not None:
        table.add_row("load imbalance, small over large", f"{outcome.load_imbalance:.4f}")
    fewest, most = outcome.commits_of_workers
    table.add_row("commits per worker", f"{fewest:,} to {most:,}")
    if outcome.failures:
        table.add_row("failures", f"{outcome.failures:,}")
    table.add_section()
    for name, text in _SHARES.items():
        if (share := outcome.worker_shares[name]) or name == "training":
            table.add_row(f"workers' time: {text}", f"{share:.1%}")
    table.add_section()
    for name, busy in outcome.utilisation.items():
        table.add_row(f"busy: {name}", f"{busy:.1%}")
    return table


def print_scaling(points: Sequence[ScalePoint], console: Console | None = None) -> None:
    """Prints clusters of several sizes, and where their parameter servers saturate."""
    console = narrow(console)
    console.print(scaling_table(points))
    for point in points:
        if point.problem is not None:
            console.print(f"{point.workers:,} workers: {point.problem}")
    console.print(saturation_sentence(points))


def scaling_table(points: Sequence[ScalePoint]) -> Table:
    """Returns a table with a size a row."""
    # Nine columns have to fit into 80 characters.
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for heading in ("workers", "epoch s", "commits/s", "stale", "99 %"):
        table.add_column(heading, justify="right")
    for heading in _BUSY:
        table.add_column(heading, justify="right")
    table.add_column("limit")
    short = {name: heading for heading, name in _BUSY.items()}
    for point in points:
        if (outcome := point.outcome) is None:
            continue
        busy = outcome.utilisation
        table.add_row(
            f"{point.workers:,}",
            f"{outcome.epoch_seconds:,.3f}",
            f"{outcome.commits_per_second:,.2f}",
            f"{outcome.mean_staleness:,.2f}",
            f"{outcome.staleness_percentiles[99]:,.0f}",
            *(f"{busy[name]:.1%}" for name in _BUSY.values()),
            short.get(outcome.bottleneck, "worker net"),
        )
    return table


def saturation_sentence(points: Sequence[ScalePoint]) -> str:
    """Returns where the parameter servers saturate, in a sentence."""
    outcomes = [point.outcome for point in points if point.outcome is not None]
    limits = outcomes[-1].scenario.server_limits
    limit = min(limits, key=lambda name: limits[name])
    if math.isinf(limits[limit]):
        return "Saturation: nothing limits the parameter servers."
    at = saturation(points)
    what = f"the parameter servers can do at most {limits[limit]:,.4g} commits/s ({limit})"
    if at is not None:
        return f"Saturation: {what}, which about {at:,.0f} workers need."
    if outcomes[0].scenario.offered_load >= 1:
        return f"Saturation: {what}, fewer than {outcomes[0].scenario.workers:,} workers need."
    return f"Saturation: {what}, more than {outcomes[-1].scenario.workers:,} workers need."


def _percent(outcome: Outcome) -> str:
    return ", ".join(map(str, outcome.staleness_percentiles))
