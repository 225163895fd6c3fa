"""Compares the plan with what happens: dual-batch and all-large runs in turn, on this machine.

    python scripts/check_balance.py --config FILE [--repeats N] [key.sub=value ...]

Both kinds of runs use the same configuration but for dual_batch.small_workers. Printed are the
median mini-epoch seconds of small and large workers and of the all-large runs, over all repeats
and without the first mini-epoch of each worker, and from them the imbalance and the realised k.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from statistics import median


def train(config: str, overrides: list[str]) -> dict[str, list[float]]:
    """Seconds of the mini-epochs of each role in one run."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        command = [sys.executable, "-m", "dbsl_tf.train", "--config", config, *overrides]
        subprocess.run([*command, f"run.dir={run}"], check=True, stdout=subprocess.DEVNULL)
        seen, seconds = set(), defaultdict(list)
        for line in (run / "history.jsonl").read_text().splitlines():
            record = json.loads(line)
            if record["event"] != "commit":
                continue
            if record["worker"] in seen:
                seconds[record["role"]].append(record["seconds"])
            seen.add(record["worker"])
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", required=True)
    parser.add_argument("--repeats", type=int, default=2, help="runs of each kind (default 2)")
    parser.add_argument("overrides", nargs="*", metavar="key=value")
    options = parser.parse_intermixed_args()
    plan = json.loads(
        subprocess.run(
            [sys.executable, "-m", "dbsl_tf.plan", "--json", "--config", options.config]
            + options.overrides,
            check=True,
            capture_output=True,
            text=True,
        ).stdout
    )
    seconds = defaultdict(list)
    for repeat in range(options.repeats):
        print(f"repeat {repeat + 1} of {options.repeats}", file=sys.stderr, flush=True)
        dual = train(options.config, options.overrides)
        baseline = train(options.config, [*options.overrides, "dual_batch.small_workers=0"])
        for role, values in (*dual.items(), ("all-large", baseline["large"])):
            seconds[role] += values
    for role, values in sorted(seconds.items()):
        ordered = sorted(values)
        low, high = ordered[len(ordered) // 4], ordered[3 * len(ordered) // 4]
        print(
            f"{role:>9}: median {median(values):.4f} s, quartiles {low:.4f} to {high:.4f} s, "
            f"{len(values)} mini-epochs"
        )
    small, large = median(seconds["small"]), median(seconds["large"])
    print(f"imbalance, small over large: {small / large:.4f}")
    print(
        f"k asked {plan['extra_time_ratio']}, planned {plan['realised_extra_time_ratio']:.4f}, "
        f"realised {max(small, large) / median(seconds['all-large']):.4f}"
    )


if __name__ == "__main__":
    main()
