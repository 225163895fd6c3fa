"""The real command line with real server processes, from configuration to results."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import tensorflow as tf

from dbsl_tf.cluster.local import free_ports
from dbsl_tf.cluster.task import ClusterAddresses, Task
from tests.data.small_images import BAD, write_bad_images, write_image_folder
from tests.support.signals import accept_interrupts

ROOT = Path(__file__).resolve().parents[1]
CONFIGURATION = """
data: {name: digits, train_samples: 300, augment: [random_translation]}
model: {name: resnet8, dropout: 0.1}
cluster: {workers: 2, parameter_servers: 2}
dual_batch: {small_workers: 1, large_batch: 50, extra_time_ratio: 1.1}
time_model: {a: 0.001, b: 0.01}
optimizer: {base_lr: 0.02, lr_scaling: sqrt}
schedule: {epochs: 3, milestones: [2], gamma: 0.5, eval_every: 2}
"""


def server_pids(run: Path) -> list[tuple[int, Path]]:
    """Process numbers and logs of the servers that log into `run`."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            output = Path(os.readlink(process / "fd" / "1"))
        except OSError:
            continue
        if output.is_relative_to(run):
            found.append((int(process.name), output))
    return found


@pytest.mark.cluster
class TrainCommandTest(tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = Path(self.enterContext(TemporaryDirectory()))
        self.config = self.folder / "tiny.yaml"
        self.config.write_text(CONFIGURATION)
        self.run = self.folder / "run"

    def start(self, *overrides: str, tf_config: str = "") -> subprocess.Popen:
        environment = {
            **os.environ,
            "XDG_CACHE_HOME": str(self.folder / "cache"),
            "TF_CONFIG": tf_config,
        }
        return subprocess.Popen(
            [sys.executable, "-m", "dbsl_tf.train", "--config", str(self.config)]
            + [f"run.dir={self.run}", *overrides],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=accept_interrupts,
        )

    def finish(self, process: subprocess.Popen, seconds: float = 150) -> tuple[int, str, str]:
        try:
            output, errors = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        return process.returncode, output, errors

    def wait_until(self, condition, process: subprocess.Popen, seconds: float = 90):
        deadline = time.monotonic() + seconds
        while not condition():
            if process.poll() is not None or time.monotonic() > deadline:
                self.fail(f"the run ended or hung: {process.communicate()}")
            time.sleep(0.1)

    def lines_of_history(self) -> list[dict]:
        history = self.run / "history.jsonl"
        return [json.loads(line) for line in history.read_text().splitlines()]

    def test_a_run_leaves_all_its_results(self):
        status, output, errors = self.finish(self.start())
        self.assertEqual((status, errors), (0, ""))
        plan = json.loads((self.run / "plan.json").read_text())
        summary = json.loads((self.run / "summary.json").read_text())
        commits = [line for line in self.lines_of_history() if line["event"] == "commit"]
        self.assertEqual([commit["commit"] for commit in commits], [1, 2, 3, 4, 5, 6])
        self.assertEqual([commit["epoch"] for commit in commits], [1, 1, 2, 2, 3, 3])
        for commit in commits:
            role = "small" if commit["worker"] == 0 else "large"
            self.assertEqual(commit["role"], role)
            self.assertEqual(commit["batch"], plan[f"{role}_batch"])
            self.assertEqual(commit["samples"], plan[f"{role}_samples"])
            self.assertEqual(commit["steps"], plan[f"{role}_steps"])
            self.assertBetween(commit["staleness"], 0, commit["commit"] - 1)
            scale = (commit["batch"] / 50) ** 0.5
            rates = [0.02 * scale, 0.01 * scale]
            self.assertTrue(any(abs(commit["learning_rate"] - rate) < 1e-9 for rate in rates))
        evaluations = [line for line in self.lines_of_history() if line["event"] == "evaluation"]
        self.assertEqual([line["commit"] for line in evaluations], [4, 6])
        self.assertEqual([line["epoch"] for line in evaluations], [2, 3])
        self.assertEqual({line["samples"] for line in evaluations}, {360})
        self.assertEqual(summary["commits"], 6)
        self.assertEqual(summary["compute"], {"precision": "float32", "xla": False})
        self.assertEqual(summary["samples"], sum(commit["samples"] for commit in commits))
        self.assertEqual(summary["test_accuracy"], evaluations[-1]["test_accuracy"])
        self.assertIn(f"{summary['test_accuracy']:.2%}", output)
        self.assertIn(str(self.run), output)
        self.assertEqual(server_pids(self.run), [])
        self.check_configuration_repeats()
        self.check_model(summary["test_accuracy"])

    def check_configuration_repeats(self):
        from dbsl_tf.config import load_config

        overrides = [f"run.dir={self.run}"]
        self.assertEqual(load_config(self.run / "config.yaml"), load_config(self.config, overrides))

    def check_model(self, accuracy: float):
        """The saved model, fed with raw test images, has the accuracy that was reported."""
        import keras

        from dbsl_tf.data.prepare import prepare

        model = keras.saving.load_model(self.run / "model.keras")
        data = prepare("digits", self.folder / "cache" / "dbsl_tf")
        records = np.fromfile(data.test_files[0], np.uint8).reshape(360, -1)
        images = records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        predicted = model.predict(images.astype(np.float32), verbose=0).argmax(axis=-1)
        self.assertAllClose(np.mean(predicted == records[:, 0]), accuracy, atol=1.1 / 360)

    def test_a_folder_of_images(self):
        images = self.folder / "images"
        write_image_folder(images, per_class=20)
        write_bad_images(images)
        overrides = [
            "data.name=image_folder",
            f"data.dir={images}",
            "data.train_samples=null",
            "data.image_size=32",
            "data.augment=[random_resized_crop, random_flip]",
            "schedule.epochs=2",
        ]
        status, _, errors = self.finish(self.start(*overrides))
        self.assertEqual(status, 2)
        self.assertIn("3 unreadable image(s), more than data.max_bad_files = 0", errors)
        self.run = self.folder / "second"
        status, _, errors = self.finish(self.start(*overrides, "data.max_bad_files=3"))
        self.assertEqual(status, 0, errors)
        for name in BAD:
            self.assertIn(name, errors)
        plan = json.loads((self.run / "plan.json").read_text())
        self.assertEqual(plan["small_samples"] + plan["large_samples"], 60)
        evaluations = [line for line in self.lines_of_history() if line["event"] == "evaluation"]
        self.assertEqual([line["samples"] for line in evaluations], [6])

    def test_tf_config_gives_every_process_its_role(self):
        ports = free_ports(4)
        hosts = [f"127.0.0.1:{port}" for port in ports]
        addresses = ClusterAddresses(hosts[0], tuple(hosts[2:]), (hosts[1],))
        overrides = ["cluster.parameter_servers=1", "schedule.epochs=1"]
        servers = [self.start(*overrides, tf_config=task.to_json()) for task in addresses.servers()]
        try:
            chief = self.start(*overrides, tf_config=Task(addresses, "chief", 0).to_json())
            status, output, errors = self.finish(chief)
        finally:
            for server in servers:
                server.terminate()
                self.finish(server)
        self.assertEqual(status, 0, errors)
        self.assertIn("of TF_CONFIG", output)
        self.assertFalse(list((self.run / "logs").iterdir()))
        commits = [line for line in self.lines_of_history() if line["event"] == "commit"]
        self.assertEqual([commit["commit"] for commit in commits], [1, 2])

    def test_a_cluster_of_another_size_is_refused(self):
        addresses = ClusterAddresses("127.0.0.1:1", ("127.0.0.1:2",), ("127.0.0.1:3",))
        chief = self.start(tf_config=Task(addresses, "chief", 0).to_json())
        status, _, errors = self.finish(chief)
        self.assertEqual(status, 2)
        self.assertIn("cluster.workers=2, but TF_CONFIG lists 1", errors)
        self.assertFalse(self.run.exists())
        self.assertLen(errors.splitlines(), 1)

    def test_an_earlier_run_is_never_overwritten(self):
        self.run.mkdir()
        (self.run / "summary.json").write_text("precious")
        status, _, errors = self.finish(self.start())
        self.assertEqual(status, 2)
        self.assertLen(errors.splitlines(), 1)
        self.assertIn(f"run.dir={self.run}", errors)
        self.assertEqual((self.run / "summary.json").read_text(), "precious")

    def test_an_interrupted_run_ends_cleanly(self):
        process = self.start("schedule.epochs=1000")
        history = self.run / "history.jsonl"
        self.wait_until(lambda: history.exists() and history.stat().st_size > 0, process)
        self.assertLen(server_pids(self.run), 4)
        process.send_signal(signal.SIGINT)
        status, _, errors = self.finish(process, seconds=30)
        self.assertEqual(status, 130)
        self.assertNotIn("Traceback", errors)
        self.assertEqual(server_pids(self.run), [])
        self.assertNotEmpty(self.lines_of_history())

    def test_a_killed_worker_costs_no_commit(self):
        process = self.start("schedule.epochs=30", "schedule.eval_every=30")
        history = self.run / "history.jsonl"
        self.wait_until(lambda: history.exists() and history.stat().st_size > 0, process)
        (worker,) = [pid for pid, log in server_pids(self.run) if log.name == "worker-0.log"]
        os.kill(worker, signal.SIGKILL)
        status, output, errors = self.finish(process)
        self.assertEqual((status, errors), (0, ""))
        self.assertIn("worker-0 ended with SIGKILL", output)
        commits = [line for line in self.lines_of_history() if line["event"] == "commit"]
        self.assertEqual([commit["commit"] for commit in commits], list(range(1, 61)))
        self.assertEqual({commit["worker"] for commit in commits[-10:]}, {1})

    def test_a_killed_parameter_server_ends_the_run_in_one_line(self):
        process = self.start("schedule.epochs=1000")
        history = self.run / "history.jsonl"
        self.wait_until(lambda: history.exists() and history.stat().st_size > 0, process)
        (server,) = [pid for pid, log in server_pids(self.run) if log.name == "ps-0.log"]
        os.kill(server, signal.SIGKILL)
        status, _, errors = self.finish(process, seconds=60)
        self.assertEqual(status, 1)
        self.assertLen(errors.splitlines(), 1)
        self.assertIn("ps-0 ended with SIGKILL", errors)
        self.assertEqual(server_pids(self.run), [])

    def test_a_diverged_run_says_so_in_one_line(self):
        status, _, errors = self.finish(self.start("optimizer.base_lr=1e30"))
        self.assertEqual(status, 2)
        self.assertLen(errors.splitlines(), 1)
        self.assertIn("diverged", errors)
        self.assertIn("optimizer.base_lr", errors)

    def test_a_killed_coordinator_leaves_no_server_behind(self):
        process = self.start("schedule.epochs=1000")
        history = self.run / "history.jsonl"
        self.wait_until(lambda: history.exists() and history.stat().st_size > 0, process)
        process.kill()
        self.finish(process)
        deadline = time.monotonic() + 10
        while server_pids(self.run) and time.monotonic() < deadline:
            time.sleep(0.1)
        self.assertEqual(server_pids(self.run), [])


if __name__ == "__main__":
    tf.test.main()
