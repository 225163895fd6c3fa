"""Compares the plan with reality: dual-batch and all-large mini-epochs alternate in one run.

    python -m scripts.check_balance --config FILE [--repeats N] [key.sub=value ...]

On one cluster, mini-epochs of the plan and of the plan without small workers follow one another in
the order dual, all-large, all-large, dual, so that both experience the same speeds of the machine.
In each, all workers begin together and do the same as in training: pull the weights, train their
samples in their batches, push. Nothing is merged. The output is the median mini-epoch seconds of
small and large workers and of the all-large workers, and the imbalance and the measured k that
follow; the quartiles are those of the four mini-epochs of each repeat.
"""

from __future__ import annotations

if not __package__:  # started by its path
    import by_path  # noqa: F401

import argparse
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from statistics import median, quantiles

from dbsl_tf.cluster.connecting import ReadyCluster, ready_cluster
from dbsl_tf.config import load_config
from dbsl_tf.data.configured import training_data
from dbsl_tf.data.training_data import TrainingData
from dbsl_tf.planning import DualBatchPlan
from dbsl_tf.resolved import RunSettings, resolve

ROOT = Path(__file__).resolve().parents[1]

ORDER = ("dual", "all-large", "all-large", "dual")


def main(arguments: Sequence[str]) -> None:
    """Plans, measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", required=True)
    parser.add_argument(
        "--repeats", type=int, default=8, help=f"times {', '.join(ORDER)} (default: 8)"
    )
    parser.add_argument("overrides", nargs="*", metavar="key=value")
    options = parser.parse_intermixed_args(arguments)
    plans = {}
    for kind, extra in (("dual", []), ("all-large", ["dual_batch.small_workers=0"])):
        config = load_config(options.config, [*options.overrides, *extra])
        run = resolve(config)
        settings, plans[kind] = run.settings, run.schedule.plain
    data = training_data(settings.data, seed=settings.seed)
    with (
        tempfile.TemporaryDirectory() as logs,
        ready_cluster(settings.cluster, settings.compute.onednn, None, Path(logs)) as cluster,
    ):
        repeats = measure(settings, data, cluster, plans, options.repeats)
    show(plans["dual"], repeats)


def measure(
    settings: RunSettings,
    data: TrainingData,
    cluster: ReadyCluster,
    plans: dict[str, DualBatchPlan],
    repeats: int,
) -> list[dict[str, list[float]]]:
    """Returns the seconds of the mini-epochs in each repeat, by role or "all-large"."""
    from dbsl_tf.coordinator.components import build_components
    from dbsl_tf.measuring.timed_runs import TimedRuns

    # Timed runs take the batches that come next.
    components = build_components(settings.with_sharing("shared"), data, cluster)
    runs = TimedRuns(components, max(components.mini_epochs), learning_rate=1e-4)
    runs.load(
        [
            [
                size
                for kind in ORDER
                for worker in (plans[kind].workers[index],)
                for size in [worker.batch] * (worker.steps - 1) + [worker.last_batch]
            ]
            for index in range(runs.workers)
        ]
    )
    measured = []
    for repeat in range(repeats + 1):
        print(f"repeat {repeat} of {repeats}" if repeat else "warm-up", file=sys.stderr, flush=True)
        seconds: dict[str, list[float]] = defaultdict(list)
        for kind in ORDER:
            results = runs.run([worker.steps for worker in plans[kind].workers])
            if results is None:
                sys.exit("error: one worker did another's work; is the other one hung or dead?")
            for worker in plans[kind].workers:
                result = results[worker.index]
                assert int(result.sums.samples) == worker.samples
                role = worker.role if kind == "dual" else kind
                seconds[role].append(float(result.seconds))
        measured.append(seconds)
    return measured[1:]


def show(plan: DualBatchPlan, repeats: Sequence[dict[str, list[float]]]) -> None:
    """Prints medians and spread."""
    for worker in plan.workers:
        print(
            f"worker {worker.index}: {worker.role}, {worker.samples} samples in batches of "
            f"{worker.batch}, planned {worker.predicted_seconds:.4f} s"
        )
    for role in ("small", "large", "all-large"):
        values = [value for repeat in repeats for value in repeat[role]]
        print(f"{role:>9}: median {_spread(values, 's')}, {len(values)} mini-epochs")
    print(f"imbalance, small over large: {_ratio(repeats, ('small',), ('large',))}")
    print(
        f"k requested {plan.extra_time_ratio}, planned {plan.realised_extra_time_ratio:.4f}, "
        f"measured {_ratio(repeats, ('small', 'large'), ('all-large',))}"
    )


def _ratio(
    repeats: Sequence[dict[str, list[float]]], slower: Sequence[str], base: Sequence[str]
) -> str:
    """Returns the largest median of some roles over that of others, in total and by repeat."""

    def of(measured: Sequence[dict[str, list[float]]]) -> float:
        over, under = (
            max(median([v for repeat in measured for v in repeat[role]]) for role in roles)
            for roles in (slower, base)
        )
        return over / under

    return f"{of(repeats):.4f} (by repeat: median {_spread([of([r]) for r in repeats])})"


def _spread(values: Sequence[float], unit: str = "") -> str:
    ending = f" {unit}" if unit else ""
    if len(values) == 1:
        return f"{values[0]:.4f}{ending}"
    low, _, high = quantiles(values, n=4)
    return f"{median(values):.4f}{ending}, quartiles {low:.4f} to {high:.4f}{ending}"


if __name__ == "__main__":
    main(sys.argv[1:])
