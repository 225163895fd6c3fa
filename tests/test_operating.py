"""A real run, looked after from its folder alone."""

from __future__ import annotations

import json
import subprocess
import sys
from urllib.request import urlopen

import pytest
import tensorflow as tf

from tests.support.tiny_runs import ROOT, TinyRunCase


@pytest.mark.cluster
class OperatingTest(TinyRunCase):
    def command(self, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        program = [sys.executable, "-m", f"dbsl_tf.{name}", str(self.run), *arguments]
        return subprocess.run(program, cwd=ROOT, capture_output=True, text=True)

    def status(self) -> dict:
        done = self.command("status", "--json")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return json.loads(done.stdout)

    @pytest.mark.slow
    def test_status_metrics_and_stop(self):
        process = self.start("schedule.epochs=1000", "run.metrics_port=0")
        self.wait_until(lambda: (self.run / "live.json").exists(), process)
        self.assertEqual(self.status()["condition"], "running")
        self.wait_for_commits(6, process)
        self.wait_until(lambda: self.status()["live"]["workers"], process)
        self.wait_until(lambda: self.events("evaluation"), process)
        status = self.status()
        self.assertEqual(status["live"]["phase"], "training")
        self.assertEqual(status["live"]["process"]["number"], process.pid)
        self.assertBetween(status["commits"], 6, 2000)
        self.assertEqual((status["of_commits"], status["epochs"]), (2000, 1000))
        self.assertGreater(status["seconds_left"], 0)
        self.assertGreater(status["images_per_second"], 0)
        self.assertEqual(status["evaluation"]["split"], "test")
        self.assertEqual([w["state"] for w in status["workers"]], ["present"] * 2)
        self.assertEqual([w["role"] for w in status["workers"]], ["small", "large"])
        self.check_metrics(status["live"]["metrics"])

        done = self.command("stop")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        *_, last = done.stdout.splitlines()
        self.assertStartsWith(last, f"{self.run} has ended: interrupted: saved: resume with ")
        status, output, errors = self.finish(process)
        self.assertEqual((status, errors), (143, ""))
        self.assertIn(" has asked the run to stop\n", output)
        self.assertEqual(output.count("\nsaved: resume with "), 1, output)
        newest = max((self.run / "checkpoints").glob("*.npz")).stem
        self.assertEqual(newest, f"commit-{len(self.commits_that_count()):09}")
        self.assertFalse((self.run / "stop.json").exists())
        self.assertEqual(self.status()["condition"], "interrupted")
        self.assertIn(" has ended already: interrupted: saved", self.command("stop").stdout)
        self.check_nothing_is_left()

    def check_metrics(self, url: str):
        """They are reached from outside the run's own network."""
        self.assertStartsWith(url, "http://127.0.0.1:")
        with urlopen(url) as answer:
            text = answer.read().decode()
        lines = dict(line.rsplit(" ", 1) for line in text.splitlines() if line[0] != "#")
        self.assertGreaterEqual(float(lines["dbsl_commits"]), 6)
        self.assertEqual(float(lines["dbsl_commits_planned"]), 2000)
        self.assertEqual(float(lines['dbsl_worker_present{worker="1"}']), 1)
        self.assertGreater(float(lines['dbsl_samples_total{role="small",worker="0"}']), 0)

    @pytest.mark.slow
    def test_a_run_that_is_killed_and_resumed(self):
        first = self.start("schedule.epochs=1000")
        self.wait_for_commits(2, first)
        first.kill()
        first.wait()
        status = self.command("status").stdout
        self.assertIn(f"not going on: process {first.pid} on ", status)
        self.assertIn("resume with python -m dbsl_tf.train --config ", status)
        second = self.start("schedule.epochs=1000")
        self.wait_until(
            lambda: self.status()["live"]["process"]["number"] == second.pid, second, pause=0.5
        )
        # Before it trains, too.
        done = self.command("stop")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        status, _, errors = self.finish(second)
        self.assertEqual((status, errors), (143, ""))

    @pytest.mark.slow
    def test_a_run_that_loses_a_parameter_server_goes_on_all_the_while(self):
        process = self.start("schedule.epochs=1000", "run.metrics_port=0")
        self.wait_for_commits(2, process)
        url = self.status()["live"]["metrics"]
        began = self.status()["live"]["began"]
        self.send("ps-0", 9)
        conditions = set()

        def began_again() -> bool:
            status = self.status()
            conditions.add(status["condition"])
            return status["live"]["began"] != began

        self.wait_until(began_again, process)
        self.assertEqual(conditions, {"running"})
        self.wait_until(lambda: self.status()["live"]["phase"] == "training", process)
        self.assertEqual(self.status()["live"]["metrics"], url)
        self.assertEqual(self.status()["live"]["process"]["number"], process.pid)
        with urlopen(url) as answer:
            self.assertIn(b"\ndbsl_commits ", answer.read())
        self.assertEqual(self.command("stop", "--no-wait").returncode, 0)
        self.assertEqual(self.finish(process)[0], 143)


if __name__ == "__main__":
    tf.test.main()
