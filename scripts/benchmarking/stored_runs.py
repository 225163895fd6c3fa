"""The results file, to which every run is added when it is done."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from dbsl_tf.common.errors import UserError
from dbsl_tf.common.files import TABLE, read_bytes, write_whole_text
from scripts.benchmarking import report
from scripts.benchmarking.report import Kind


@dataclass(frozen=True)
class _Run:
    peer: str
    form: str | None
    model: str
    repeat: int
    figures: dict[str, Any]

    def __post_init__(self) -> None:
        if not isinstance(self.figures.get("images_per_second"), float):
            raise ValueError("without images_per_second")


@dataclass(frozen=True)
class _Content:
    machine: dict[str, Any]
    settings: dict[str, dict[str, Any]]
    runs: list[_Run]


class StoredRuns:
    """The figures of every run, by kind and repeat number.

    An existing file is continued: the runs in it are kept.

    Args:
        path: the file.
        method: how the figures are measured, in words.
        settings: everything the figures depend on, for each model that is measured.
        machine: the machine they are measured on.

    Raises:
        UserError: the file is not a results file, is from another machine, or has runs of one of
            these models with other settings.
    """

    def __init__(
        self,
        path: Path,
        method: str,
        settings: Mapping[str, Mapping[str, Any]],
        machine: Mapping[str, Any],
    ) -> None:
        self._path = path
        self._method = method
        # In the form that they have after being written and read.
        self._settings, self._machine = json.loads(json.dumps([settings, machine]))
        self.runs: dict[Kind, dict[int, dict]] = {}
        if path.exists() and path.stat().st_size:
            self._go_on(_content(path))

    def _go_on(self, content: _Content) -> None:
        if content.machine != self._machine:
            raise self._other("on another machine or with other versions of the packages")
        for model, known in content.settings.items():
            if self._settings.setdefault(model, known) != known:
                present = self._settings[model]
                keys = sorted({*known, *present})
                changed = [key for key in keys if known.get(key) != present.get(key)]
                raise self._other(f"of {model} with other settings ({', '.join(changed)})")
        for run in content.runs:
            self.runs.setdefault((run.peer, run.form, run.model), {})[run.repeat] = run.figures

    def _other(self, how: str) -> UserError:
        return UserError(f"--output is {self._path}, which has runs {how}; give another file")

    def has(self, kind: Kind, repeat: int) -> bool:
        """Returns whether this run is already done."""
        return repeat in self.runs.get(kind, {})

    def add(self, kind: Kind, repeat: int, figures: dict) -> None:
        """Adds a run and writes the file."""
        self.runs.setdefault(kind, {})[repeat] = figures
        runs = [
            {"peer": peer, "form": form, "model": model, "repeat": number, "figures": each}
            for (peer, form, model), repeats in self.runs.items()
            for number, each in repeats.items()
        ]
        content = {
            "results": report.results(self.runs),
            "machine": self._machine,
            "method": self._method,
            "settings": self._settings,
            "runs": runs,
        }
        write_whole_text(self._path, json.dumps(content, indent=1) + "\n")


def _content(path: Path) -> _Content:
    try:
        return TypeAdapter(_Content).validate_json(read_bytes(path, TABLE))
    except (OSError, ValueError) as error:
        raise UserError(
            f"--output is {path}, which is not a results file; give another file"
        ) from error
