"""One run of a sweep: its directory, the command that starts it, and whether it is finished."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dbsl_tf.common.errors import UserError
from dbsl_tf.config import Config, load_config
from dbsl_tf.config.catalogue import DATASETS
from dbsl_tf.config.overrides import override
from dbsl_tf.resolved import settings_of, time_models_of
from dbsl_tf.resolved.images import with_images
from dbsl_tf.results.resuming import changes
from dbsl_tf.results.run_directory import RunDirectory
from dbsl_tf.results.stored_config import stored_config
from dbsl_tf.results.stored_objects import read_summary
from dbsl_tf.sweeping.grid import Point


@dataclass(frozen=True)
class PlannedRun:
    """A point of the grid with a seed.

    Attributes:
        point: the point of the grid.
        seed: the value of run.seed.
        directory: the directory for run.dir.
        arguments: the arguments of dbsl_tf.train.
        config: the resulting configuration.
    """

    point: Point
    seed: int
    directory: RunDirectory
    arguments: tuple[str, ...]
    config: Config

    @property
    def name(self) -> str:
        """Point and seed, for people."""
        return f"{' '.join(self.point.overrides)} run.seed={self.seed}".strip()

    def summary(self) -> dict[str, Any] | None:
        """Returns the summary of the run; None if it is not finished.

        Raises:
            UserError: summary.json is damaged.
        """
        if not self.directory.summary.exists():
            return None
        try:
            return read_summary(self.directory)
        except UserError as error:
            raise UserError(
                f"{error}, or remove {self.directory.path} to train that run from scratch"
            ) from error

    def check_configuration(self) -> None:
        """Checks that the directory, if it holds a run, holds this one.

        Raises:
            UserError: it holds a run with another configuration.
        """
        if not self.directory.configuration.exists():
            return
        before = stored_config(self.directory)
        now = with_images(self.config, before)
        if now.time_model == type(now.time_model)():
            # It was measured then and will not be measured again.
            now = now.model_copy(update={"time_model": before.time_model})
        found = changes(before, now)
        if found:
            raise UserError(
                f"{self.directory.path} holds a run in which {found[0]}; give another --output, "
                "or remove it to train from scratch"
            )

    def check_plan(self) -> None:
        """Checks that there is a plan, as far as that is known before measuring anything.

        Raises:
            UserError: no plan satisfies the configuration.
        """
        data = self.config.data
        if data.name not in DATASETS and not data.train_samples:
            return
        settings = settings_of(self.config)
        if not settings.time_source.is_known:
            return
        models = time_models_of(settings)
        try:
            settings.schedule(models)
        except UserError as error:
            raise UserError(f"{self.name}: {error}") from error


def planned_runs(
    config_file: str,
    overrides: Sequence[str],
    grid: Sequence[Point],
    seeds: Sequence[int],
    output: Path,
) -> list[PlannedRun]:
    """Returns every point with every seed, after checking all of them.

    Args:
        config_file: `--config`.
        overrides: `key=value` for all runs.
        grid: the points.
        seeds: the seeds.
        output: the folder of the sweep.

    Raises:
        UserError: a point is not allowed or has no plan, or a directory holds another run or a
            damaged summary.
    """
    runs = []
    for point in grid:
        for seed in seeds:
            directory = RunDirectory(output / point.name / f"seed-{seed}")
            values = [
                *overrides,
                *point.overrides,
                f"run.seed={seed}",
                override("run.dir", str(directory.path)),
                "run.resume=auto",
            ]
            config = load_config(config_file, values)
            run = PlannedRun(point, seed, directory, ("--config", config_file, *values), config)
            run.check_configuration()
            run.check_plan()
            run.summary()  # Report a damaged one now, not after all the others have trained.
            runs.append(run)
    return runs
