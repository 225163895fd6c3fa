"""Training that goes on with a run whose files are damaged."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import tensorflow as tf

from tests.support.networks import silent_isolation
from tests.support.older_runs import unpack_older_run
from tests.support.tiny_runs import ROOT, TinyRunCase

# Else a slow machine shows how far it is.
QUIET = {"TQDM_DISABLE": "1"}


@pytest.mark.cluster
class DamagedRunTest(TinyRunCase):
    def train(self, *overrides: str) -> str:
        """What a run to its end says."""
        status, output, errors = self.finish(self.start(*overrides))
        self.assertEqual((status, errors), (0, ""))
        return output

    @pytest.mark.slow
    def test_a_run_whose_history_lost_lines_is_trained_again_from_before_them(self):
        history = self.run / "history.jsonl"
        self.train()
        lines = history.read_text().splitlines(keepends=True)
        history.write_text("".join(line for line in lines if '"commit": 6' not in line))
        output = self.train()
        self.assertIn("lacks commit 6): resuming from an earlier checkpoint", output)
        self.assertIn("resuming after commit 4 of 6", output)
        self.check_every_commit_counts_once(6)
        self.assertEqual(len(self.events("commit")), 7)

    @pytest.mark.slow
    def test_a_damaged_checkpoint_is_named_and_the_one_before_it_used(self):
        self.train()
        newest = self.run / "checkpoints" / "commit-000000006.npz"
        content = bytearray(newest.read_bytes())
        # In the name of an array: it would vanish.
        content[content.rindex(b"weight_00040")] ^= 1
        newest.write_bytes(content)
        damaged = f"{newest} is damaged (its checksum is not that of its content): trying the one"
        for command in ("evaluate", "export"):
            result = subprocess.run(
                [sys.executable, "-m", f"dbsl_tf.{command}", str(self.run)],
                cwd=ROOT,
                env={**os.environ, "XDG_CACHE_HOME": str(self.folder / "cache"), **QUIET},
                capture_output=True,
                text=True,
            )
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertIn(damaged, result.stderr)
            self.assertEqual(result.stderr.count("\n"), 1, result.stderr)
            self.assertIn(
                {"evaluate": "after 4 commits", "export": "keras"}[command], result.stdout
            )
        output = self.train("schedule.epochs=4")
        self.assertIn(damaged, output.replace("\n", " "))
        self.assertIn("resuming after commit 4 of 8", output)
        self.check_every_commit_counts_once(8)

    @pytest.mark.slow
    def test_a_run_of_before_files_had_checksums_goes_on(self):
        self.run = unpack_older_run(self.folder)
        self.config = self.run / "config.yaml"
        isolation = f"cluster.isolation={silent_isolation()}"
        output = self.train("schedule.epochs=4", isolation)
        self.assertIn("resuming after commit 6 of 8", output)
        self.check_every_commit_counts_once(8)


if __name__ == "__main__":
    tf.test.main()
