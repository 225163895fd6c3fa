"""Measures what a commit costs the coordinator, with mini-epochs that do no work.

    python scripts/benchmark_coordinator.py [--workers 2,8,32] [--parameters 100000,10000000]
        [--epochs 100] --output FILE

A real cluster of server processes on this machine, one after the other for each number of workers
and size of model. Its workers answer at once, without pulling or pushing; handing out, merging on
the parameter server, records and the order of commits are those of a training. Measured from the
end of the first tenth of the commits to the last commit: commits a second, and the processor time
of the coordinator's process for each. The workers and the server use the same cores, so the former
says what this machine can do, the latter what the coordinator needs wherever it runs.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT)]

import numpy as np  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402

from dbsl_tf.common.files import check_writable, write_whole_text  # noqa: E402
from dbsl_tf.planning import Demand, TimeModel, plan_dual_batch  # noqa: E402
from dbsl_tf.planning.progressive import PlannedSubStage, TrainingSchedule  # noqa: E402
from dbsl_tf.schedules import ResolutionSettings, SubStage  # noqa: E402

RESOLUTION = 32
SECONDS_TO_START = 120
SECONDS_A_CELL = 900


def main(arguments: Sequence[str]) -> int:
    """Measure every combination in a process of its own, and report."""
    options = parse(arguments)
    if options.cell:
        print(json.dumps(measure(*options.cell, options.epochs)))
        return 0
    check_writable(options.output)
    console, results = Console(stderr=True), []
    for parameters in options.parameters:
        for workers in options.workers:
            cell = f"{workers},{parameters}"
            console.print(f"{workers} workers, {parameters:,} parameters", highlight=False)
            results.append(run_cell(cell, options.epochs))
            write_whole_text(options.output, json.dumps({"results": results}, indent=2) + "\n")
    show(results)
    return 0


def run_cell(cell: str, epochs: int) -> dict[str, Any]:
    """`measure` in a process, and a network, of its own."""
    own_network = ["-m", "dbsl_tf.cluster.namespaces", "--try"]
    measuring = [sys.executable, __file__, "--cell", cell, "--epochs", str(epochs)]
    done = subprocess.run(
        [sys.executable, *own_network, *measuring],
        stdout=subprocess.PIPE,
        text=True,
        timeout=SECONDS_A_CELL,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    return json.loads(done.stdout.splitlines()[-1])


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The options; exits with status 2 where they make no sense."""
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--workers", type=numbers, default=[2, 8, 32], help="how many, as 2,8,32")
    parser.add_argument(
        "--parameters", type=numbers, default=[100_000, 10_000_000], help="of the model, likewise"
    )
    parser.add_argument("--epochs", type=int, default=100, help="mini-epochs of each worker")
    parser.add_argument("--output", type=Path, default=Path("coordinator.json"), help="JSON file")
    parser.add_argument("--cell", type=numbers, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.epochs < 10:
        parser.error(f"--epochs is {options.epochs}; give at least 10")
    return options


def numbers(text: str) -> list[int]:
    """Whole numbers above 0, with commas between.

    Raises:
        ArgumentTypeError: something else.
    """
    parts = text.split(",")
    if not all(part.isdecimal() and int(part) for part in parts):
        raise argparse.ArgumentTypeError(f"{text!r}; give whole numbers above 0, such as 2,8,32")
    return [int(part) for part in parts]


def show(results: Sequence[dict[str, Any]]) -> None:
    """Print the table."""
    table = Table("workers", "parameters", "commits a second", "coordinator ms a commit")
    for row in results:
        figures = f"{row['commits_per_second']:.1f}", f"{row['coordinator_milliseconds']:.2f}"
        table.add_row(str(row["workers"]), f"{row['parameters']:,}", *figures)
    Console().print(table)


def measure(workers: int, parameters: int, epochs: int) -> dict[str, Any]:
    """Train mini-epochs of no work on a cluster; connects, so only once in a process."""
    from dbsl_tf.cluster.connecting import wait_for_servers
    from dbsl_tf.cluster.local import LocalCluster
    from dbsl_tf.common.quiet import import_tensorflow_quietly

    with (
        tempfile.TemporaryDirectory() as folder,
        LocalCluster(workers, 1, Path(folder) / "logs") as cluster,
    ):
        import_tensorflow_quietly()
        wait_for_servers(cluster.task, SECONDS_TO_START)
        from dbsl_tf.engine.engine import Engine

        clock = CommitClock()
        trainer = make_trainer(Engine(cluster.task), clock, parameters, epochs, Path(folder))
        trainer.warm_up()
        trainer.run()
    return {"workers": workers, "parameters": parameters, **clock.figures()}


class CommitClock:
    """Notes at every commit the time, and the processor time of this process."""

    def __init__(self) -> None:
        self._times: list[tuple[float, float]] = []
        self._faults: list[str] = []

    def committed(self, record: Any) -> None:
        """Note the times."""
        self._times.append((time.monotonic(), time.process_time()))

    def evaluated(self, record: Any) -> None:
        """The one at the end is not measured."""

    def survived(self, record: Any) -> None:
        """Note a fault, such as a lost worker."""
        self._faults.append(record.message)

    def figures(self) -> dict[str, float]:
        """From the end of the first tenth of the commits to the last.

        Raises:
            RuntimeError: a worker was lost meanwhile.
        """
        if self._faults:
            raise RuntimeError("; ".join(self._faults))
        times = np.array(self._times)[len(self._times) // 10 :]
        commits = len(times) - 1
        seconds, processor_seconds = times[-1] - times[0]
        return {
            "commits": commits,
            "commits_per_second": commits / seconds,
            "coordinator_milliseconds": 1000 * processor_seconds / commits,
        }


def make_trainer(engine: Any, clock: CommitClock, parameters: int, epochs: int, folder: Path):
    """The trainer of a model of so many parameters, with closures that do no work."""
    import tensorflow as tf

    from dbsl_tf.coordinator.checkpointer import Checkpointer
    from dbsl_tf.coordinator.dispatcher import Dispatcher
    from dbsl_tf.coordinator.evaluator import Evaluator
    from dbsl_tf.coordinator.merger import Merger
    from dbsl_tf.coordinator.stage import Stage, Streams
    from dbsl_tf.coordinator.stages import Stages
    from dbsl_tf.coordinator.trainer import Trainer
    from dbsl_tf.planning.drift import DriftWatch
    from dbsl_tf.results.checkpoints import Checkpoints
    from dbsl_tf.schedules.calendar import Calendar
    from dbsl_tf.schedules.synchronization import Synchronization
    from dbsl_tf.shared_model.merge import MERGE_RULES
    from dbsl_tf.shared_model.shared_model import SharedModel
    from dbsl_tf.shared_model.slots import SlotPool
    from dbsl_tf.shared_model.stored_model import ModelState

    workers = engine.workers
    state = ModelState(0, [np.zeros(parameters, np.float32)], [])
    shared_model = SharedModel(engine, state, MERGE_RULES["journal"])
    slots = SlotPool(shared_model, workers)
    model = TimeModel(0.001, 0.01)
    plan = plan_dual_batch(Demand(model, workers, workers, 0, 1, "nearest"), 1.0)
    batches = engine.per_worker_iterator(lambda: tf.data.Dataset.from_tensors(0).repeat())
    settings = ResolutionSettings(RESOLUTION, 0.0, 1)
    stage = Stage(settings, plan, no_work(engine), batches, lambda epoch: [0.0] * workers)
    sub_stage = PlannedSubStage(SubStage(1, epochs, 0.0, 0.0, settings), plan)
    watch = DriftWatch([model] * workers, lambda _: plan)
    trainer = Trainer(
        engine=engine,
        shared_model=shared_model,
        slots=slots,
        stages=Stages(
            TrainingSchedule((sub_stage,)), {RESOLUTION: watch}, lambda *_: stage, False, []
        ),
        dispatcher=Dispatcher(workers * epochs, 0, [0] * workers, Synchronization(), engine.roster),
        merger=Merger(shared_model, slots, workers, in_rounds=False),
        calendar=Calendar(workers, epochs, eval_every=epochs, checkpoint_every=epochs),
        evaluator=Evaluator(engine, shared_model, {RESOLUTION: no_evaluation(engine)}, workers),
        checkpointer=Checkpointer(
            Checkpoints(folder, keep=1), shared_model, 0.0, lambda error: trainer.fail(error)
        ),
        streams=Streams(workers, {}),
        observers=[clock],
        seed=0,
    )
    return trainer


def no_work(engine: Any):
    """The closure of a mini-epoch in which nothing is pulled, trained or pushed."""
    import tensorflow as tf

    @engine.closure
    def mini_epoch(batches: Any, slot: Any, orders: Any) -> dict[str, tf.Tensor]:
        none, at_once = tf.constant(0, tf.int64), tf.constant(0.0, tf.float64)
        return {
            "trained": tf.constant(True),
            "worker": engine.worker_index(),
            "pulled_commit": none,
            "loss": tf.constant(0.0),
            "correct": none,
            "samples": tf.constant(1, tf.int64),
            "finite": tf.constant(True),
            "started": tf.timestamp(),
            "seconds": at_once,
            "loop_seconds": at_once,
        }

    return mini_epoch


def no_evaluation(engine: Any):
    """The closure of an evaluation that only counts its samples."""
    import tensorflow as tf

    @engine.closure
    def evaluation(start: tf.Tensor, stop: tf.Tensor) -> dict[str, tf.Tensor]:
        return {
            "loss": tf.constant(0.0),
            "correct": tf.constant(0, tf.int64),
            "samples": stop - start,
        }

    return evaluation


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
