"""The same program as the chief of a TF_CONFIG cluster, beside servers that need none of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import keras
import pytest

from dbsl_tf.cluster.local import free_ports
from dbsl_tf.cluster.task import ClusterAddresses, Task
from tests.support.launching import ROOT
from tests.support.patience import at_most

PROGRAM = """
import keras, numpy as np, dbsl_tf

def build_model():
    return keras.Sequential([keras.Input([4]), keras.layers.Dense(2)])

if __name__ == "__main__":
    x = np.random.default_rng(0).normal(size=[60, 4]).astype("float32")
    y = (x[:, 0] > 0).astype("int32")
    run = dbsl_tf.Trainer(
        build_model,
        dbsl_tf.arrays(x[:40], y[:40], x[40:], y[40:]),
        plan=dbsl_tf.DualBatch(workers=2, large_batch=10, time_model=(0.001, 0.01)),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        run_dir="run",
    ).fit(epochs=2)
    print(len(run.history["val_loss"]), "epochs", run.directory)
"""


@pytest.mark.cluster
@pytest.mark.slow
def test_the_program_is_the_chief_and_a_server(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    chief, server, *workers = [f"127.0.0.1:{port}" for port in free_ports(4)]
    addresses = ClusterAddresses(chief, tuple(workers), (server,))

    def start(task: Task, *command: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, *command],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT), "TF_CONFIG": task.to_json()},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    serve = ("-m", "dbsl_tf.serve")
    # The program serves too where its task is not the chief's.
    commands = {"worker-0": serve, "worker-1": (str(program),), "ps-0": serve}
    servers = [start(task, *commands[task.name]) for task in addresses.servers()]
    try:
        trainer = start(Task(addresses, "chief", 0), str(program))
        output, errors = trainer.communicate(timeout=at_most(60))
    finally:
        for process in servers:
            process.terminate()
        said = [process.communicate(timeout=at_most(20)) for process in servers]
    assert trainer.returncode == 0, (errors, said)
    assert "of TF_CONFIG" in output
    assert f"2 epochs {tmp_path / 'run'}" in output
    keras.saving.load_model(tmp_path / "run" / "model.keras")
    assert not any((tmp_path / "run" / "logs").glob("worker*"))
