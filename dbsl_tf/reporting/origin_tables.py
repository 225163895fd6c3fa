"""Tables about what one run was made of: its data, hardware, software, and how it was started."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from itertools import groupby
from typing import Any

from dbsl_tf.reporting.comparison import value_text
from dbsl_tf.reporting.parts import Part, Table
from dbsl_tf.reporting.recorded_run import RecordedRun
from dbsl_tf.reporting.wording import percent
from dbsl_tf.results.records import GLOBAL_WEIGHTS

# What data.json has for every class.
_BY_CLASS = ("class_names", "class_counts")
_CLASSES_SHOWN = 50


def start_table(run: RecordedRun) -> Table | None:
    """Returns how and where the run was started, each time; None if that is not recorded."""
    rows = []
    for start in run.starts:
        began = "begun"
        if start.get("commit"):
            began = f"resumed after commit {start['commit']}"
        at = start.get("time")
        if isinstance(at, int | float):
            with suppress(ValueError, OverflowError, OSError):
                began += f", {datetime.fromtimestamp(at).astimezone():%Y-%m-%d %H:%M %Z}"
        rows.append((began, _start_text(start)))
    return Table("How it was started", (), rows, texts=2) if rows else None


def _start_text(start: Mapping[str, Any]) -> str:
    parts = [str(start["command"])] if start.get("command") else []
    git = start.get("git")
    if isinstance(git, Mapping):
        state = "changed since" if git.get("differs") else "as in"
        parts.append(f"{git.get('file')} {state} Git commit {git.get('commit')}")
    memory = start.get("memory_bytes")
    size = f"{memory / 2**30:.0f} GiB of memory" if isinstance(memory, int | float) else ""
    machine = _machine_text(start, size)
    return "; ".join([*parts, f"coordinator on {machine}"] if machine else parts)


def _machine_text(facts: Mapping[str, Any], more: str = "") -> str:
    """Returns a machine in words, such as "node1: AMD EPYC, AVX2, 2 cores"."""
    cores, gpus = facts.get("cores"), facts.get("gpus")
    parts = [facts.get("processor"), facts.get("instructions")]
    parts += [f"{cores} cores" if cores else "", more]
    parts += [", ".join(map(str, gpus)) if isinstance(gpus, list) else ""]
    text = ", ".join(str(part) for part in parts if part)
    return ": ".join(filter(None, [str(facts.get("host") or ""), text]))


def data_table(run: RecordedRun) -> Table | None:
    """Returns a description of the data; None if it is not recorded."""
    # A thousand names would crowd out everything else.
    told = {key: value for key, value in run.data.items() if key not in _BY_CLASS}
    transform = told.pop("transform", None)
    if isinstance(transform, Mapping):
        told |= {f"test images: {key}": value for key, value in transform.items()}
    data = [(key, value_text(value)) for key, value in told.items()]
    return Table("The data", (), data, texts=2) if data else None


def class_table(run: RecordedRun) -> Table | None:
    """Returns how many images the classes have, those with the fewest first; None if unknown."""
    counts = run.data.get("class_counts")
    if not isinstance(counts, Mapping):
        return None
    rows = [(name, *found) for name, found in counts.items() if _are_two_numbers(found)]
    rows.sort(key=lambda row: row[1])
    shown = rows[:_CLASSES_SHOWN]
    fewest = f"; the {len(shown)} of {len(rows)} with the fewest" if len(shown) < len(rows) else ""
    caption = f"Images of each class{fewest}"
    return Table(caption, ("class", "training", "test"), shown) if shown else None


def _are_two_numbers(value: Any) -> bool:
    return isinstance(value, list) and [type(number) for number in value] == [int, int]


def accuracy_table(run: RecordedRun) -> Table | None:
    """Returns the accuracy of each class as `dbsl evaluate` found it, the lowest first."""
    classes = run.by_class.get("classes")
    if not classes:
        return None
    known = [c for c in classes if c.get("accuracy") is not None]
    known.sort(key=lambda found: found["accuracy"])
    shown = known[:_CLASSES_SHOWN]
    lowest = f", the {len(shown)} lowest of {len(known)}" if len(shown) < len(known) else ""
    data = run.by_class.get("data")
    where = f"on {data}" if data else "on the test set"
    weights = run.by_class.get("weights", GLOBAL_WEIGHTS)
    which = "" if weights == GLOBAL_WEIGHTS else f" ({weights})"
    commit = run.by_class.get("commit")
    caption = f"Accuracy of each class {where} after commit {commit}{which}{lowest}"
    rows = [(c.get("name"), c.get("samples"), percent(c["accuracy"])) for c in shown]
    return Table(caption, ("class", "images", "accuracy"), rows) if shown else None


def compute_part(run: RecordedRun) -> Part:
    """Returns what the workers computed with, which is known for finished runs."""
    compute = run.summary.get("compute")
    if not isinstance(compute, Mapping) or "onednn" not in compute:
        text = "is not recorded" if run.finished else "is recorded when a run is finished"
        return f"What the workers computed with {text}."
    rows = [
        ("precision", str(compute.get("precision"))),
        ("XLA", _on(compute.get("xla"))),
        ("oneDNN", f"{_on(compute['onednn'])} ({_reason(compute.get('onednn_reason'))})"),
        ("Winograd's filtering", _on(compute.get("winograd", False))),
    ]
    workers = compute.get("workers")
    known = [w for w in workers if isinstance(w, Mapping)] if isinstance(workers, list) else []

    def told(worker: Mapping[str, Any]) -> str:
        text = _machine_text(worker) or "not known"
        return (
            text if compute["onednn"] is not None else f"{text}, oneDNN {_on(worker.get('onednn'))}"
        )

    for text, alike in groupby(known, told):
        numbers = [worker.get("worker") for worker in alike]
        if len(numbers) == 1:
            rows.append((f"worker {numbers[0]}", text))
        else:
            rows.append((f"workers {numbers[0]} to {numbers[-1]}, each", text))
    return Table("Computing", (), rows, texts=2)


def _on(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return "not the same on all workers"


def _reason(reason: Any) -> str:
    """Returns why, in words; see `dbsl_tf.common.onednn.Decision`."""
    known = {
        "key": "compute.onednn",
        "environment": "TF_ENABLE_ONEDNN_OPTS",
        "auto": "automatic choice",
    }
    return known.get(str(reason), "TensorFlow's choice")


def versions_part(run: RecordedRun) -> Part:
    """Returns the versions of the software, which are known for finished runs."""
    versions = run.summary.get("versions")
    if not isinstance(versions, Mapping):
        return "Versions are recorded when a run is finished."
    return Table("Versions", ("package", "version"), list(versions.items()), texts=2)
