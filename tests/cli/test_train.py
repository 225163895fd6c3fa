"""The real command line with real server processes, from configuration to results."""

from __future__ import annotations

import json
import math
import os
import socket
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
import tensorflow as tf

from dbsl_tf.cluster.gpus import visible_gpus
from dbsl_tf.cluster.local import free_ports
from dbsl_tf.cluster.task import ClusterAddresses, Task
from dbsl_tf.common.onednn import decide
from dbsl_tf.common.processor import this_processor
from tests.data.small_images import BAD, write_bad_images, write_image_folder
from tests.support.event_files import curves
from tests.support.tiny_runs import ROOT, TinyRunCase

AUGMENTED = "data.augment=[random_translation]"


@pytest.mark.cluster
class TrainCommandTest(TinyRunCase):
    def test_a_run_leaves_all_its_results(self):
        status, output, errors = self.finish(self.start(AUGMENTED))
        self.assertEqual((status, errors), (0, ""))
        plan = json.loads((self.run / "plan.json").read_text())
        summary = json.loads((self.run / "summary.json").read_text())
        commits = self.events("commit")
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
        evaluations = self.events("evaluation")
        self.assertEqual([line["commit"] for line in evaluations], [4, 6])
        self.assertEqual([line["epoch"] for line in evaluations], [2, 3])
        self.assertEqual({line["samples"] for line in evaluations}, {360})
        self.assertEqual(summary["commits"], 6)
        self.check_what_it_computed_with(summary["compute"])
        (start,) = json.loads((self.run / "origin.json").read_text())["starts"]
        self.assertStartsWith(start["command"], "python -m dbsl_tf.train --config ")
        self.assertEqual(summary["samples"], sum(commit["samples"] for commit in commits))
        self.assertEqual(summary["test_accuracy"], evaluations[-1]["test_accuracy"])
        self.assertIn(f"{summary['test_accuracy']:.2%}", output)
        self.assertIn(str(self.run), output)
        self.check_nothing_is_left()
        self.check_configuration_repeats()
        self.check_model(summary["test_accuracy"])
        self.check_event_files(commits, evaluations)
        self.check_evaluation(evaluations[0])

    @pytest.mark.slow
    def test_without_a_time_model_it_is_measured_once(self):
        overrides = [
            "time_model.a=null",
            "time_model.b=null",
            "profile.seconds=60",
            "schedule.epochs=1",
            "dual_batch.extra_time_ratio=1.01",
            "compute.precision=auto",
        ]
        status, output, errors = self.finish(self.start(*overrides))
        self.assertEqual(status, 0, errors)
        has_bfloat16 = this_processor().has_bfloat16 or bool(visible_gpus())
        self.assertEqual(bool(errors), has_bfloat16, errors)
        for line in errors.splitlines():
            self.assertStartsWith(line, "comparing precisions: ")
        self.assertIn(
            "no time_model in the configuration: measuring it first, at most about", output
        )
        if "no time model (" in output:
            self.skipTest("other work on this machine left the times in doubt")
        (profile,) = (self.folder / "cache" / "dbsl_tf" / "profiles").iterdir()
        kept = profile.read_bytes()
        plan = json.loads((self.run / "plan.json").read_text())
        self.check_precision_was_settled(plan["precision_choice"], json.loads(kept), output)
        (fit,) = json.loads(kept)["fits"]
        # That of the fit of all workers, or the largest if by chance their times are unlike.
        overheads = [worker["overhead"] for worker in fit["workers"]]
        self.assertIn(plan["overhead_seconds"], [fit["overhead"], max(overheads, default=None)])
        commits = self.events("commit")
        self.assertLen(commits, 2)

        self.run = self.folder / "second run"
        again = self.start(*overrides)
        self.wait_until((self.run / "plan.json").exists, again)
        again.kill()
        output, _ = self.printed(again)
        self.assertIn(f"time model: measured before, {profile}", output)
        self.assertNotIn("measuring it", output)
        self.assertEqual(profile.read_bytes(), kept)
        self.assertEqual(json.loads((self.run / "plan.json").read_text()), plan)

    @pytest.mark.slow
    def test_without_a_time_model_and_without_the_time_to_measure_one_it_trains(self):
        """In equal shares, also after it was interrupted; nothing is taken for a profile."""
        overrides = [
            "time_model.a=null",
            "time_model.b=null",
            "profile.seconds=0.5",
            "schedule.epochs=3",
        ]
        status, output, errors = self.finish(self.start(*overrides))
        self.assertEqual((status, errors), (0, ""))
        self.assertRegex(output, "no time model [(].+[)]: training begins with equal shares in ba")
        self.assertFalse((self.folder / "cache" / "dbsl_tf" / "profiles").exists())
        plan = json.loads((self.run / "plan.json").read_text())
        self.assertTrue(plan["without_time_model"])
        self.assertEqual((plan["small_samples"], plan["large_samples"]), (150, 150))
        self.assertEqual((plan["small_batch"], plan["large_batch"]), (12, 50))
        self.check_every_commit_counts_once(6)

        # Nothing is measured again where a run goes on.
        status, output, errors = self.finish(self.start(*overrides, "schedule.epochs=4"))
        self.assertEqual((status, errors), (0, ""))
        self.assertIn("no time model (as when the run began): training begins with equal", output)
        self.assertNotIn("measuring it first", output)
        self.check_every_commit_counts_once(8)

    @pytest.mark.slow
    def test_the_hybrid_changes_resolution_with_the_epochs_of_its_plan(self):
        progressive = [
            "progressive.mode=cyclic",
            "progressive.resolutions=[16, 32]",
            "progressive.dropout=[0.1, 0.2]",
            "progressive.large_batch=[60, 50]",
            "progressive.a=[0.0006, 0.001]",
            "progressive.b=[0.01, 0.01]",
            "progressive.evaluate_current=true",
        ]
        overrides = ["schedule.epochs=8", "schedule.milestones=[4]", "schedule.eval_every=2"]
        cleared = ["time_model.a=null", "time_model.b=null", "optimizer.lr_scaling=none"]
        overrides.append("dual_batch.measure_noise=true")
        status, _, errors = self.finish(self.start(*progressive, *overrides, *cleared))
        self.assertEqual((status, errors), (0, ""))
        self.check_every_commit_counts_once(16)
        self.check_batch_noise()
        schedule = json.loads((self.run / "plan.json").read_text())["schedule"]
        self.assertEqual([part["resolution"] for part in schedule], [16, 32, 16, 32])
        batches = {
            (role, part["resolution"], part[f"{role}_batch"])
            for part in schedule
            for role in ("small", "large")
        }
        commits = {commit["commit"]: commit for commit in self.events("commit")}
        for commit in commits.values():
            self.assertIn((commit["role"], commit["resolution"], commit["batch"]), batches)
        # Whatever is merged late: each sub-stage has its two epochs of two mini-epochs.
        trained = Counter((c["resolution"], c["learning_rate"]) for c in commits.values())
        sub_stages = [(16, 0.02), (32, 0.02), (16, 0.01), (32, 0.01)]
        self.assertEqual(
            {(resolution, round(rate, 6)): n for (resolution, rate), n in trained.items()},
            dict.fromkeys(sub_stages, 4),
        )
        evaluations = self.events("evaluation")
        self.assertEqual({e["samples"] for e in evaluations}, {360})
        for number in (4, 8, 12, 16):
            evaluated = [e["resolution"] for e in evaluations if e["commit"] == number]
            # At that of the mini-epoch merged last, and at the highest.
            self.assertEqual(evaluated, sorted({commits[number]["resolution"], 32}))

    def check_batch_noise(self):
        """It was measured after every epoch, evaluated or not, at the resolution trained last."""
        noises = self.events("noise")
        self.assertEqual([n["commit"] for n in noises], list(range(2, 17, 2)))
        self.assertEqual([n["epoch"] for n in noises], list(range(1, 9)))
        commits = {commit["commit"]: commit for commit in self.events("commit")}
        sizes = {(16, 60), (32, 50)}
        for noise in noises:
            self.assertEqual(noise["resolution"], commits[noise["commit"]]["resolution"])
            self.assertIn((noise["resolution"], noise["large_batch"]), sizes)
            self.assertLess(noise["small_batch"], noise["large_batch"])
            self.assertEqual(noise["batches"], 8)
            self.assertGreater(noise["variance"], 0)
            low, value, high = (
                math.inf if noise[key] is None else noise[key] for key in ("low", "noise", "high")
            )
            self.assertTrue(0 <= low <= value <= high)
        curve = curves(self.run / "tensorboard" / "noise").get("batch_noise", {})
        known = {n["commit"]: n["noise"] for n in noises if n["noise"] is not None}
        self.assertAllClose(curve, known)

    def check_precision_was_settled(self, choice: dict, profile: dict, output: str):
        """Everything but the configuration, where auto stays, has what auto came to."""
        summary = json.loads((self.run / "summary.json").read_text())
        self.assertIn(f"compute.precision=auto: {choice['precision']}, {choice['reason']}", output)
        self.assertEqual(profile["settings"]["precision"], choice["precision"])
        self.assertEqual(profile["settings"]["onednn"], summary["compute"]["onednn"])
        self.assertEqual(summary["compute"]["precision"], choice["precision"])
        self.assertEqual(summary["compute"]["precision_choice"], choice)
        self.assertIn("precision: auto\n", (self.run / "config.yaml").read_text())

    def check_what_it_computed_with(self, compute: dict):
        """The workers have found that oneDNN is on, as it is on x86 if the tester allows it."""
        workers = compute.pop("workers")
        here = this_processor()
        self.assertEqual([worker["worker"] for worker in workers], [0, 1])
        for worker in workers:
            self.assertEqual(worker["processor"], here.name)
            self.assertEqual(worker["instructions"], here.instructions)
            self.assertEqual(worker["host"], socket.gethostname())
            self.assertEqual(worker["cores"], os.cpu_count())
        decision = decide("auto", os.environ)
        onednn = {worker["onednn"] for worker in workers}
        if decision.on is not None:
            self.assertEqual(onednn, {decision.on})
        self.assertEqual(
            compute,
            {
                "precision": "float32",
                "precision_choice": None,
                "xla": False,
                "winograd": bool(decision.on) and not any(worker["gpus"] for worker in workers),
                "onednn": onednn.pop(),
                "onednn_reason": decision.reason,
            },
        )

    def check_configuration_repeats(self):
        from dbsl_tf.config import load_config

        overrides = [f"run.dir={self.run}", AUGMENTED]
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

    def check_evaluation(self, reported: dict):
        """dbsl_tf.evaluate finds what the run has reported of a checkpoint."""
        command = ["-m", "dbsl_tf.evaluate", str(self.run), "--json", "-"]
        result = subprocess.run(
            [sys.executable, *command, "--checkpoint", str(reported["commit"])],
            cwd=ROOT,
            env={**os.environ, "XDG_CACHE_HOME": str(self.folder / "cache")},
            capture_output=True,
            text=True,
            check=True,
        )
        found = json.loads(result.stdout)
        self.assertEqual(found["samples"], reported["samples"])
        self.assertAllClose(found["accuracy"], reported["test_accuracy"], atol=1e-9)
        self.assertAllClose(found["loss"], reported["test_loss"], rtol=1e-4)

    def check_event_files(self, commits: list[dict], evaluations: list[dict]):
        """TensorBoard shows every commit of each role and every evaluation."""
        for name, records, key in (
            ("small", [c for c in commits if c["role"] == "small"], "train_loss"),
            ("large", [c for c in commits if c["role"] == "large"], "train_loss"),
            ("test", evaluations, "test_loss"),
        ):
            curve = curves(self.run / "tensorboard" / name)["loss"]
            self.assertAllClose(curve, {record["commit"]: record[key] for record in records})

    @pytest.mark.slow
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
        self.assertIn("3 unreadable image(s), more than data.max_bad_files=0", errors)
        self.run = self.folder / "second"
        # Once more after the images were checked.
        changed = images / "train" / "ant" / "photo0.jpg"
        changed.write_bytes(changed.read_bytes()[:200])
        status, output, errors = self.finish(self.start(*overrides, "data.max_bad_files=4"))
        self.assertEqual(status, 0, errors)
        self.assertIn("images have changed: resuming without them", output)
        for name in (*BAD, "train/ant/photo0.jpg"):
            self.assertIn(name, errors)
        plan = json.loads((self.run / "plan.json").read_text())
        self.assertEqual(plan["small_samples"] + plan["large_samples"], 59)
        self.assertEqual([event["samples"] for event in self.events("evaluation")], [6])

    @pytest.mark.slow
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
        commits = self.events("commit")
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

    @pytest.mark.slow
    def test_a_diverged_run_says_so_in_one_line(self):
        status, _, errors = self.finish(self.start("optimizer.base_lr=1e6"))
        self.assertEqual(status, 2)
        self.assertLen(errors.splitlines(), 1)
        self.assertIn("diverged", errors)
        self.assertIn("optimizer.base_lr", errors)


if __name__ == "__main__":
    tf.test.main()
