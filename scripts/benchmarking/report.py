"""Shows the benchmark's results: one line for each peer and model, in a table and as bars."""

from __future__ import annotations

import math
import platform
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dbsl_tf.common.palette import DARK, LIGHT
from dbsl_tf.common.versions import package_versions
from scripts.benchmarking.measurements import medians, ratio_to_ceiling

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.table import Table

CEILING = "ceiling"
PANELS_IN_A_ROW = 3
PACKAGES = ("tensorflow", "keras-core", "keras-cv", "keras", "tf-keras", "numpy", "torch")
# Peer, its form (None if it has only one), model.
Kind = tuple[str, str | None, str]


def results(runs: Mapping[Kind, Mapping[int, Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """Returns the entries of the JSON file.

    Args:
        runs: the figures of every run, by kind and repeat number.
    """
    entries = []
    for (peer, form, model), by_repeat in runs.items():
        if not by_repeat:
            continue
        speeds = {repeat: run["images_per_second"] for repeat, run in by_repeat.items()}
        ceiling = {
            repeat: run["images_per_second"]
            for repeat, run in runs.get((CEILING, None, model), {}).items()
        }
        entries.append(
            {
                "peer": peer,
                "form": form,
                "model": model,
                **medians(list(by_repeat.values())),
                "ratio_to_ceiling": ratio_to_ceiling(speeds, ceiling),
                "images_per_second_of_repeats": list(speeds.values()),
            }
        )
    return entries


def machine() -> dict[str, Any]:
    """Returns what the figures were measured on."""
    import os

    import psutil

    from dbsl_tf.common.cores import available_cores
    from dbsl_tf.common.processor import this_processor

    processor = this_processor()
    return {
        "processor": processor.name,
        "instructions": processor.instructions,
        "cores_used": len(available_cores()),
        "cores": os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "system": platform.platform(),
        "versions": package_versions(*PACKAGES),
    }


def label(entry: Mapping[str, Any]) -> str:
    """Returns a peer's name, with its form if it has several."""
    return f"{entry['peer']} ({entry['form']})" if entry["form"] else entry["peer"]


def table(
    entries: Sequence[Mapping[str, Any]],
    model: str,
    network_gbit: float | None = None,
    markdown: bool = False,
) -> Table:
    """Returns the results of one model; with `markdown` for use in a document."""
    from rich.box import HEAVY_HEAD, MARKDOWN
    from rich.table import Table

    made = Table(title=_title(model, network_gbit), box=MARKDOWN if markdown else HEAVY_HEAD)
    made.add_column("peer")
    for heading in (
        "images/s",
        "of ceiling",
        "CPU s / 1000",
        "MB / 1000",
        "model copies / mini-epoch",
        "worker MB",
        "server MB",
        "start-up s",
        "others' cores",
    ):
        made.add_column(heading, justify="right")
    for entry in entries:
        if entry["model"] == model:
            made.add_row(label(entry), *cells(entry))
    return made


def cells(entry: Mapping[str, Any]) -> list[str]:
    """Returns the figures of one line of the table; "-" for those a peer lacks."""
    peaks = entry["peak_bytes"]
    ratio = entry["ratio_to_ceiling"]
    # A peer of one process is its own worker.
    worker = peaks.get("worker", peaks.get("main"))
    return [
        f"{entry['images_per_second']:.1f}",
        "-" if ratio is None else f"{ratio:.3f}",
        f"{entry['cpu_seconds_per_1000_images']:.2f}",
        f"{entry['bytes_per_1000_images'] / 1e6:.1f}",
        f"{entry['model_copies_per_mini_epoch']:.2f}",
        _megabytes(worker),
        _megabytes(peaks.get("server")),
        f"{entry['startup_seconds']:.1f}",
        f"{entry['cores_used_by_others']:.2f}",
    ]


def _title(model: str, network_gbit: float | None) -> str:
    return model if network_gbit is None else f"{model}, a link of {network_gbit:g} Gbit/s"


def _megabytes(count: float | None) -> str:
    return "-" if count is None else f"{count / 1e6:.0f}"


def figure(entries: Sequence[Mapping[str, Any]], network_gbit: float | None = None) -> Figure:
    """Returns bars of images/s, one panel for each model; thin lines span the repeats."""
    from matplotlib.figure import Figure

    models = list(dict.fromkeys(entry["model"] for entry in entries))
    columns = min(len(models), PANELS_IN_A_ROW)
    rows = math.ceil(len(models) / columns)
    made = Figure(figsize=(5.5 * columns, 3.5 * rows), layout="constrained")
    for number, model in enumerate(models, 1):
        axes = made.add_subplot(rows, columns, number)
        shown = [entry for entry in entries if entry["model"] == model][::-1]
        speeds = [entry["images_per_second"] for entry in shown]
        repeats = [entry["images_per_second_of_repeats"] for entry in shown]
        below = [speed - min(each) for speed, each in zip(speeds, repeats)]
        above = [max(each) - speed for speed, each in zip(speeds, repeats)]
        colours = [DARK if entry["peer"] == "dbsl_tf" else LIGHT for entry in shown]
        axes.barh(list(map(label, shown)), speeds, xerr=(below, above), color=colours)
        axes.set_title(_title(model, network_gbit))
        axes.set_xlabel("images/s")
    return made
