"""An image that turns bad in the copy of one worker alone, in a cluster of TF_CONFIG."""

from __future__ import annotations

import signal

import pytest
import tensorflow as tf

from dbsl_tf.cluster.local import free_ports
from dbsl_tf.cluster.task import ClusterAddresses, Task
from tests.data.small_images import write_image_folder
from tests.support.launching import warnings
from tests.support.small_disk import MOUNTING, skip_without_mounts
from tests.support.tiny_runs import TinyRunCase

IMAGES = (
    "data.name=image_folder",
    "data.image_size=16",
    "data.train_samples=null",
    "cluster.parameter_servers=1",
    "dual_batch.large_batch=3",
    "checkpoint.every=2",
    "schedule.eval_every=10000",
    "schedule.epochs=10000",
)
BAD = "train/bee/photo1.png"


@pytest.mark.cluster
class ChangedOnAWorkerTest(TinyRunCase):
    def setUp(self):
        super().setUp()
        skip_without_mounts()

    def start_all(self, *overrides):
        """The chief of a cluster each process of which has a copy and a cache of its own."""
        chief, server, *workers = [f"127.0.0.1:{port}" for port in free_ports(4)]
        addresses = ClusterAddresses(chief, tuple(workers), (server,))
        processes = {}
        for task in (*addresses.servers(), Task(addresses, "chief", 0)):
            copy = self.folder / task.name
            write_image_folder(copy / "images")
            processes[task.name] = self.start(
                *IMAGES,
                *overrides,
                f"data.dir={copy / 'images'}",
                tf_config=task.to_json(),
                place=self.place(task.name),
                XDG_CACHE_HOME=str(copy / "cache"),
            )
            self.addCleanup(processes[task.name].wait)
            self.addCleanup(processes[task.name].kill)
        return processes["chief-0"]

    def place(self, name):
        """Workers see nothing of the chief's folder, as on a machine of their own."""
        if name == "chief-0":
            return ()
        chiefs = self.folder / "chief-0"
        chiefs.mkdir(exist_ok=True)
        return (*MOUNTING, 'mount -t tmpfs none "$0" && exec "$@"', str(chiefs))

    def damage(self):
        (self.folder / "worker-1" / "images" / BAD).write_text("no image")

    @pytest.mark.slow
    def test_it_is_named(self):
        chief = self.start_all()
        self.wait_for_commits(4, chief)
        self.damage()
        status, output, errors = self.finish(chief)
        self.assertEqual(status, 2, (output, errors))
        self.assertRegex(
            warnings(errors)[-1],
            r"^error: data\.dir of the workers: 1 image\(s\) changed after they were checked and "
            rf"cannot be read: {BAD} \(worker 1 cannot decode its copy\); restore",
        )
        self.assertNotIn("Traceback", errors)

    @pytest.mark.slow
    def test_it_is_left_out_if_so_many_may_be_bad(self):
        chief = self.start_all("data.max_bad_files=1")
        self.wait_for_commits(4, chief)
        self.damage()
        self.wait_until(lambda: self.events("resume"), chief)
        before = len(self.commits_that_count())
        self.wait_until(lambda: len(self.commits_that_count()) > before + 8, chief)
        chief.send_signal(signal.SIGINT)
        status, output, errors = self.finish(chief)
        self.assertEqual(status, 130, (output, errors))
        self.assertIn(f"{BAD} (worker 1 cannot decode its copy)", errors)


if __name__ == "__main__":
    tf.test.main()
