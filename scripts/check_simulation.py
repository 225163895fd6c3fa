"""Compares a simulated run with a real one on this machine.

    python -m scripts.check_simulation --config FILE [key.sub=value ...]

It trains for real, without evaluations and checkpoints in between; the first quarter is warm-up.
Every second epoch after that shows how long training, exchanging the weights and merging take here
and how much that varies, so that both halves experience the same speeds of the machine. From these
epochs alone the run is simulated, with several seeds. The time of an epoch and the staleness are
printed side by side, real and simulated. The exit status is 1 if the times differ by more than 5 %,
or if the staleness differs in more than a tenth of the commits and by more than 19 of 20 simulated
runs differ from their mean, which is due to chance in a run of this length.
"""

from __future__ import annotations

if not __package__:  # started by its path
    import by_path  # noqa: F401

import argparse
import os
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from statistics import mean, median, stdev
from typing import Any

import numpy as np

from dbsl_tf.config import load_config
from dbsl_tf.results.history_lines import read_events
from dbsl_tf.schedules.synchronization import Synchronization
from dbsl_tf.simulation.scenario import Randomness, Scenario
from dbsl_tf.simulation.simulator import simulate

ROOT = Path(__file__).resolve().parents[1]

LARGEST_TIME_ERROR = 0.05
LARGEST_DISTANCE = 0.1
SEEDS = 100

Commits = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Figures:
    """The figures of a run, or means over several.

    Attributes:
        epoch_seconds: time of an epoch.
        staleness: share of the commits with each staleness.
        chance: `distance` from the mean within which 19 of 20 runs lie; 0 for a single run.
    """

    epoch_seconds: float
    staleness: dict[int, float]
    chance: float = 0.0


def main(arguments: Sequence[str]) -> int:
    """Trains, fits, simulates and prints; returns 0 if both agree, else 1."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", required=True)
    parser.add_argument("overrides", nargs="*", metavar="key=value")
    options = parser.parse_intermixed_args(arguments)
    config = load_config(options.config, options.overrides)
    epochs = config.schedule.epochs
    if epochs < 8:
        parser.error(f"schedule.epochs is {epochs}; give at least 8")
    if config.schedule.mini_epochs_per_epoch > 1 or config.schedule.final_local_epochs:
        parser.error(
            "give schedule.mini_epochs_per_epoch=1 and schedule.final_local_epochs=0: epochs are "
            "compared that have one mini-epoch of every worker"
        )
    commits = train(options.config, options.overrides, epochs)
    rule = Synchronization.of(config.sync.mode, config.sync.staleness)
    scenario = fit(commits, rule, epochs)
    real = real_figures(commits, scenario.workers)
    return show(scenario, real, simulated_figures(scenario))


def train(config: str, overrides: Sequence[str], epochs: int) -> Commits:
    """Trains a real run and returns its commits."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        alone = [f"schedule.eval_every={epochs}", f"checkpoint.every={epochs}", f"run.dir={run}"]
        command = [sys.executable, "-m", "dbsl_tf.train", "--config", config, *overrides, *alone]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        subprocess.run(command, check=True, stdout=sys.stderr, env=environment)
        events = read_events(run / "history.jsonl")
    return [event for event in events if event["event"] == "commit"]


def fit(commits: Commits, rule: Synchronization, epochs: int) -> Scenario:
    """Returns a scenario fitted to commits; the time of a mini-epoch includes the network.

    Args:
        commits: commits of a run; only every second epoch after the first quarter is used.
        rule: the coordinator's synchronisation rule.
        epochs: epochs to simulate.
    """
    by_worker = defaultdict(list)
    for commit in commits:
        by_worker[commit["worker"]].append(commit)
    workers = len(by_worker)
    seconds = [[c["seconds"] for c in by_worker[w] if _counts(c, epochs)] for w in range(workers)]
    pauses = [
        later["started"] - earlier["started"] - earlier["seconds"]
        for mine in by_worker.values()
        for earlier, later in pairwise(sorted(mine, key=lambda c: c["started"]))
        if _counts(earlier, epochs)
    ]
    if rule.in_rounds:
        # Only the last commit of a round does not wait for others; it is merged with all of them.
        commit_seconds = float(np.quantile(pauses, 0.5 / workers)) / workers
    else:
        # The mean would include waiting for other merges.
        commit_seconds = median(pauses)
    return Scenario(
        roles=tuple(by_worker[w][0]["role"] for w in range(workers)),
        training_seconds=tuple(map(mean, seconds)),
        epochs=epochs,
        synchronization=rule,
        commit_seconds=max(0.0, commit_seconds),
        randomness=Randomness(variation=mean(stdev(map(np.log, mine)) for mine in seconds)),
    )


def _counts(commit: Mapping[str, Any], epochs: int) -> bool:
    return commit["epoch"] > epochs // 4 and commit["epoch"] % 2 == 0


def real_figures(commits: Commits, workers: int) -> Figures:
    """Returns the figures of a run without its first quarter."""
    first = len(commits) // workers // 4 * workers
    ends = [c["started"] + c["seconds"] for c in commits]
    return _figures(ends, [c["staleness"] for c in commits], first, workers)


def simulated_figures(scenario: Scenario) -> Figures:
    """Returns the same figures of simulated runs, as means over several seeds."""
    first = scenario.epochs // 4 * scenario.workers
    found = []
    for seed in range(SEEDS):
        randomness = replace(scenario.randomness, seed=seed)
        outcome = simulate(replace(scenario, randomness=randomness))
        found.append(
            _figures(outcome.finished.tolist(), outcome.staleness.tolist(), first, scenario.workers)
        )
    values = sorted({value for figures in found for value in figures.staleness})
    staleness = {value: mean(f.staleness.get(value, 0.0) for f in found) for value in values}
    distances = [distance(figures.staleness, staleness) for figures in found]
    seconds = mean(figures.epoch_seconds for figures in found)
    return Figures(seconds, staleness, float(np.quantile(distances, 0.95)))


def _figures(ends: Sequence[float], staleness: Sequence[int], first: int, workers: int) -> Figures:
    later = staleness[first:]
    seconds = (max(ends) - max(ends[:first])) / (len(later) / workers)
    counts = Counter(later)
    return Figures(seconds, {value: count / len(later) for value, count in sorted(counts.items())})


def distance(one: Mapping[int, float], other: Mapping[int, float]) -> float:
    """Returns the share of commits whose staleness would have to change (total variation)."""
    return sum(abs(one.get(v, 0.0) - other.get(v, 0.0)) for v in {*one, *other}) / 2


def show(scenario: Scenario, real: Figures, simulated: Figures) -> int:
    """Prints both and whether they agree; returns the exit status."""
    print(
        f"fitted: mini-epochs of {', '.join(f'{s:.4f}' for s in scenario.training_seconds)} s, "
        f"variation {scenario.randomness.variation:.4f}, {scenario.commit_seconds:.4f} s per "
        "commit"
    )
    error = simulated.epoch_seconds / real.epoch_seconds - 1
    print(
        f"epoch: real {real.epoch_seconds:.4f} s, simulated {simulated.epoch_seconds:.4f} s, "
        f"{error:+.2%}"
    )
    print("staleness  real  simulated")
    for value in sorted({*real.staleness, *simulated.staleness}):
        parts = [figures.staleness.get(value, 0.0) for figures in (real, simulated)]
        print(f"{value:>9}  {parts[0]:>4.0%}  {parts[1]:>9.0%}")
    apart = distance(real.staleness, simulated.staleness)
    largest = max(LARGEST_DISTANCE, simulated.chance)
    agree = abs(error) <= LARGEST_TIME_ERROR and apart <= largest
    print(
        f"staleness differs in {apart:.1%} of the commits ({simulated.chance:.1%} by chance); "
        f"{'agree' if agree else 'DIFFER'}"
    )
    return 0 if agree else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
