"""Checkpoints: everything a run needs to go on, one file for each."""

from __future__ import annotations

import json
import re
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dbsl_tf.common.errors import UserError
from dbsl_tf.common.files import write_whole

if TYPE_CHECKING:
    import numpy as np

_FORMAT = 1
_NAME = re.compile(r"commit-[0-9]{9,}\.npz")
_UNREADABLE = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    EOFError,
    RuntimeError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)


@dataclass(frozen=True)
class Checkpoint:
    """A run between two commits.

    Attributes:
        commit: commits merged.
        clocks: mini-epochs of each worker among them, as synchronisation counts them.
        samples: samples that each worker has taken from its stream of training data, for each
            resolution.
        wall_seconds: time trained so far.
        time_models: a, b and c of every worker that the plan in force was made with, for each
            resolution.
        weights: in the model's order.
        velocity: of every worker's optimiser, [workers, ...] for each trainable weight; empty
            where it is not kept.
    """

    commit: int
    clocks: tuple[int, ...]
    samples: dict[int, tuple[int, ...]]
    wall_seconds: float
    time_models: dict[int, tuple[tuple[float, float, float], ...]]
    weights: list[np.ndarray]
    velocity: list[np.ndarray]


class Checkpoints:
    """The checkpoints of a run: a folder of .npz files, the newest few of which are kept.

    A file appears under its name only when it is whole and on the disk. Reading needs no
    unpickling.

    Args:
        folder: where they are; made by the first `save`.
        keep: how many to keep.
    """

    def __init__(self, folder: Path, keep: int) -> None:
        self._folder = folder
        self._keep = keep

    def save(self, checkpoint: Checkpoint) -> Path:
        """Write a checkpoint, then remove the oldest beyond those to keep.

        Raises:
            UserError: it cannot be written, because the disk is full for example.
        """
        import numpy as np

        progress = {
            "format": _FORMAT,
            "commit": checkpoint.commit,
            "clocks": checkpoint.clocks,
            "samples": checkpoint.samples,
            "wall_seconds": checkpoint.wall_seconds,
            "time_models": checkpoint.time_models,
        }
        arrays = {f"weight_{i:05d}": array for i, array in enumerate(checkpoint.weights)}
        arrays |= {f"velocity_{i:05d}": array for i, array in enumerate(checkpoint.velocity)}
        path = self._path(checkpoint.commit)
        write_whole(
            path,
            lambda partial: np.savez(partial, progress=np.array(json.dumps(progress)), **arrays),
        )
        # Newer ones are of no use, and are not to push this one out.
        up_to_this = [f for f in self._files() if commit_of(f) <= checkpoint.commit]
        for old in up_to_this[: -self._keep]:
            old.unlink(missing_ok=True)
        for left_by_a_crash in self._folder.glob(".*.commit-*.npz"):
            left_by_a_crash.unlink(missing_ok=True)
        return path

    def latest(
        self, report: Callable[[str], None], lacks: Callable[[int], str] = lambda commit: ""
    ) -> Checkpoint | None:
        """The newest checkpoint to go on from; None where there is no file at all.

        Args:
            report: told in a line of each that is damaged, and of those that lack something.
            lacks: what the history lacks of a commit, in words; empty: nothing.

        Raises:
            UserError: there are files, but none can be used.
        """
        files = self._files()
        usable = [file for file in files if not lacks(commit_of(file))]
        if usable != files:
            problem = lacks(commit_of(files[-1]))
            if not usable:
                raise UserError(
                    f"{problem}, and {self._folder} has no checkpoint from which the run can go on "
                    "without that: restore the history, or give another run.dir to begin anew"
                )
            report(f"{problem}: going on from a checkpoint before that")
        for path in reversed(usable):
            try:
                return _read(path)
            except _UNREADABLE as error:
                report(f"{path} is damaged ({_reason(error)}): trying the one before it")
        if files:
            raise UserError(
                f"none of the {len(usable)} checkpoint(s) in {self._folder} can be read: restore "
                "one, or give another run.dir to begin anew"
            )
        return None

    def set_aside_after(self, commit: int) -> None:
        """Take those after `commit` out of use, as the run goes on from there without them.

        They were damaged, or the history lacks what they hold. They keep their name with
        `.unused` after it.

        Raises:
            UserError: they cannot be renamed.
        """
        for path in self._files():
            if commit_of(path) <= commit:
                continue
            try:
                path.rename(path.with_name(f"{path.name}.unused"))
            except OSError as error:
                raise UserError(
                    f"{path} is of no use to the run any more, and cannot be renamed "
                    f"({error.strerror or error}): remove it"
                ) from error

    def at(self, commit: int) -> Checkpoint:
        """The checkpoint after `commit` commits.

        Raises:
            UserError: there is none, or it cannot be read.
        """
        path = self._path(commit)
        if path not in self._files():
            known = ", ".join(str(commit_of(file)) for file in self._files())
            raise UserError(
                f"{self._folder} has no checkpoint of commit {commit}; it has "
                f"{known or 'none at all'}"
            )
        try:
            return _read(path)
        except _UNREADABLE as error:
            raise UserError(
                f"{path} is damaged ({_reason(error)}); choose another checkpoint"
            ) from error

    def _path(self, commit: int) -> Path:
        return self._folder / f"commit-{commit:09d}.npz"

    def _files(self) -> list[Path]:
        return checkpoint_files(self._folder)


def checkpoint_files(folder: Path) -> list[Path]:
    """The checkpoints in a folder, oldest first, whether or not they can be read."""
    return sorted(
        (f for f in folder.glob("commit-*.npz") if _NAME.fullmatch(f.name)), key=commit_of
    )


def commit_of(path: Path) -> int:
    """The commit that the name of a checkpoint says."""
    return int(path.stem.removeprefix("commit-"))


def _read(path: Path) -> Checkpoint:
    import numpy as np

    with np.load(path, allow_pickle=False) as content:
        progress = json.loads(str(content["progress"]))
        if progress["format"] != _FORMAT:
            raise ValueError(f"format {progress['format']}, known is {_FORMAT}")
        names = sorted(content.files)
        return Checkpoint(
            commit=int(progress["commit"]),
            clocks=tuple(progress["clocks"]),
            samples={
                int(resolution): tuple(taken) for resolution, taken in progress["samples"].items()
            },
            wall_seconds=float(progress["wall_seconds"]),
            time_models={
                int(resolution): tuple((a, b, c) for a, b, c in models)
                for resolution, models in progress["time_models"].items()
            },
            weights=[content[name] for name in names if name.startswith("weight_")],
            velocity=[content[name] for name in names if name.startswith("velocity_")],
        )


def _reason(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return text[:120] or type(error).__name__
