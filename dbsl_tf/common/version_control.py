"""The state of a file under version control."""

from __future__ import annotations

import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

_SECONDS = 5.0  # for each question; a folder over the network may not answer
# Programs that a repository names for itself are not started.
_GIT = ("git", "-c", "core.fsmonitor=false")


@dataclass(frozen=True)
class GitState:
    """Where a file is in a Git repository.

    Attributes:
        commit: that is checked out, as 40 or 64 hexadecimal digits.
        file: from the top of the repository.
        differs: whether the file is other than in that commit.
    """

    commit: str
    file: str
    differs: bool

    def as_dict(self) -> dict[str, Any]:
        """Returns it as JSON values."""
        return asdict(self)


def git_state(file: Path) -> GitState | None:
    """Returns the state of a file in Git.

    Returns:
        None if Git does not have the file, is not installed, or does not answer within seconds.
    """
    tracked = _answer(file, "ls-files", "--full-name", "--error-unmatch", "--", file.name)
    commit = _answer(file, "rev-parse", "--verify", "HEAD") if tracked else None
    if not tracked or not commit:
        return None
    differs = _answer(
        file, "diff", "--name-only", "--no-ext-diff", "--no-textconv", "HEAD", "--", file.name
    )
    return None if differs is None else GitState(commit, tracked, bool(differs))


def _answer(file: Path, *arguments: str) -> str | None:
    """Returns what a command of Git prints in the file's folder; None if it fails."""
    try:
        done = subprocess.run(
            [*_GIT, "--no-optional-locks", "-c", "core.quotePath=false", *arguments],
            cwd=file.absolute().parent,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.decode(errors="replace").strip()
