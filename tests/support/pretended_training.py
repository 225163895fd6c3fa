"""Takes the arguments of dbsl_tf.train and does at once what a run would come to.

optimizer.base_lr=0.5 fails; with optimizer.momentum=0.5 the first try waits until it is stopped.
"""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path

from dbsl_tf.config import load_config
from tests.support.records import commit_record, evaluation_record


def stopped(*_: object) -> None:
    print("saved")
    sys.exit(143)


signal.signal(signal.SIGTERM, stopped)
_, file, *overrides = sys.argv[1:]
config = load_config(file, overrides)
folder = Path(config.run.dir)
again = folder.exists()
folder.mkdir(parents=True, exist_ok=True)
(folder / "config.yaml").write_text(config.to_yaml())
with open(folder.parents[1] / "started", "a") as started:
    started.write(f"{folder.parent.name}/{folder.name}\n")
if config.optimizer.base_lr == 0.5:
    print("something else", file=sys.stderr)
    print("error: the loss is not finite", file=sys.stderr)
    sys.exit(2)
if config.optimizer.momentum == 0.5 and not again:
    print("waiting", flush=True)
    signal.pause()
accuracy = 0.5 + 0.01 * config.run.seed
events = [commit_record(commit=n, worker=n - 1) for n in (1, 2)]
events.append(evaluation_record(test_accuracy=accuracy))
lines = [json.dumps(event.as_dict()) + "\n" for event in events]
(folder / "history.jsonl").write_text("".join(lines))
summary = {
    "test_accuracy": accuracy,
    "test_loss": 1.0,
    "wall_seconds": 10.0,
    "realised_extra_time_ratio": None,
}
(folder / "summary.json").write_text(json.dumps(summary))
