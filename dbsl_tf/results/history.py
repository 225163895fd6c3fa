"""history.jsonl as it is written."""

from __future__ import annotations

import json
from typing import IO

from dbsl_tf.results.records import CommitRecord, DriftRecord, EvaluationRecord


class History:
    """Writes history.jsonl as the run goes on, and keeps what it wrote.

    Args:
        file: an open text file to append to.
    """

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self.commits: list[CommitRecord] = []
        self.evaluations: list[EvaluationRecord] = []

    def committed(self, record: CommitRecord) -> None:
        self.commits.append(record)
        self._append(record)

    def evaluated(self, record: EvaluationRecord) -> None:
        self.evaluations.append(record)
        self._append(record)

    def drifted(self, record: DriftRecord) -> None:
        self._append(record)

    def _append(self, record: CommitRecord | EvaluationRecord | DriftRecord) -> None:
        self._file.write(json.dumps(record.as_dict(), allow_nan=False) + "\n")
        self._file.flush()
