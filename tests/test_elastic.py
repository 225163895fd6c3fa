"""Workers that are not there when training begins, join later, and go."""

from __future__ import annotations

import signal

import pytest
import tensorflow as tf

from dbsl_tf.reporting.audit import read_audit
from tests.support.counted_samples import CONFIGURATION
from tests.support.launching import warnings
from tests.support.networks import silent_isolation
from tests.support.tf_config_runs import TFConfigRunCase

ELASTIC = ("cluster.min_workers=1", "schedule.epochs=10000", "schedule.eval_every=10000")

EPOCH = 6  # commits, with three workers of two mini-epochs each


@pytest.mark.cluster
class ElasticTest(TFConfigRunCase):
    WORKERS = 3

    def messages(self):
        return [event["message"] for event in self.events("fault")]

    def stop(self, chief):
        """Ctrl-C; the run ends, and every commit counts once."""
        chief.send_signal(signal.SIGINT)
        status, output, errors = self.finish(chief)
        # It may also be warned of more workers than cores.
        self.assertEqual((status, warnings(errors)[-1:]), (130, ["interrupted"]), output)
        self.check_every_commit_counts_once(len(self.commits_that_count()))
        return output

    @pytest.mark.slow
    def test_workers_join_a_run_one_by_one(self):
        """The last comes first; and who has been lost comes back while another is away."""
        chief = self.start_all(*ELASTIC, without=("worker-1", "worker-2"))
        self.wait_for_commits(5, chief)
        self.assertEqual({commit["worker"] for commit in self.events("commit")}, {0})
        self.start_server("worker-2")
        self.wait_for_worker(2, chief)
        self.processes["worker-0"].kill()
        self.wait_until(lambda: any("worker 0 is left out" in m for m in self.messages()), chief)
        self.wait_for_worker(2, chief)
        self.start_server("worker-1")
        self.wait_for_worker(1, chief)
        self.start_server("worker-0")
        self.wait_for_worker(0, chief)
        for worker in (1, 2):
            self.wait_for_worker(worker, chief)
        output = self.stop(chief)
        self.assertIn("training begins with 1 of 3 workers; workers 1, 2 join later", output)
        joined = [message for message in self.messages() if "joined" in message]
        first = {f"worker {w} has joined": joined.index(f"worker {w} has joined") for w in (2, 1)}
        self.assertEqual(first["worker 2 has joined"], 0)
        # It joined before the one that was killed came back.
        self.assertGreater(joined.index("worker 0 has rejoined"), first["worker 1 has joined"])

    @pytest.mark.slow
    def test_a_stopped_worker_goes_on_and_another_joins(self):
        """TensorFlow waits for the stopped one, with nothing but the joining."""
        chief = self.start_all(*ELASTIC, without=("worker-2",))
        for worker in (0, 1):
            self.wait_for_worker(worker, chief)
        self.processes["worker-0"].send_signal(signal.SIGSTOP)
        self.addCleanup(self.processes["worker-0"].send_signal, signal.SIGCONT)
        self.wait_until(lambda: any("worker 0 is left out" in m for m in self.messages()), chief)
        self.start_server("worker-2")
        self.wait_for_commits(len(self.events("commit")) + 10, chief)
        self.processes["worker-0"].send_signal(signal.SIGCONT)
        self.wait_until(lambda: "worker 2 has joined" in self.messages(), chief)
        for worker in (0, 1, 2):
            self.wait_for_worker(worker, chief)
        self.stop(chief)

    @pytest.mark.slow
    def test_every_sample_is_trained_once_whoever_is_there(self):
        self.config.write_text(CONFIGURATION.replace("ISOLATION", silent_isolation()))
        chief = self.start_all(
            *ELASTIC, "dual_batch.small_workers=1", without=("worker-0", "worker-1")
        )
        self.wait_for_commits(7, chief)
        self.start_server("worker-1")
        self.wait_for_worker(1, chief)
        self.processes["worker-2"].kill()
        self.start_server("worker-0")
        self.wait_for_worker(0, chief)
        self.stop(chief)
        self.check_samples()

    @pytest.mark.slow
    def test_rounds_have_a_mini_epoch_of_every_worker_that_is_there(self):
        self.config.write_text(CONFIGURATION.replace("ISOLATION", silent_isolation()))
        bsp = ("sync.mode=bsp", "schedule.mini_epochs_per_epoch=2", "dual_batch.small_workers=1")
        chief = self.start_all(*ELASTIC, *bsp, without=("worker-1",))
        self.wait_for_worker(2, chief)
        self.wait_for_rounds(2, [0, 2], chief)
        self.start_server("worker-1")
        self.wait_for_worker(1, chief)
        self.wait_for_rounds(3, [0, 1, 2], chief)
        self.processes["worker-2"].kill()
        self.wait_for_rounds(2, [0, 1], chief)
        self.stop(chief)
        self.check_samples()

    def wait_for_rounds(self, size, workers, chief):
        """Wait for an epoch whose rounds have one mini-epoch of each of these workers."""
        commits = len(self.events("commit"))
        first = -(-commits // EPOCH)

        def epochs():
            done = [commit["worker"] for commit in self.events("commit")]
            return [done[i : i + EPOCH] for i in range(first * EPOCH, len(done) - EPOCH, EPOCH)]

        def in_rounds(epoch):
            rounds = [sorted(epoch[i : i + size]) for i in range(0, EPOCH, size)]
            return all(each == workers for each in rounds)

        self.wait_until(lambda: any(map(in_rounds, epochs())), chief)

    def check_samples(self):
        found = read_audit(self.run)
        self.assertTrue(found.passed, found.sentence)
        complete = [epoch for epoch in found.epochs if epoch.state == "complete"]
        self.assertGreater(len(complete), 3)


if __name__ == "__main__":
    tf.test.main()
