"""The comparison of precisions on real workers."""

from __future__ import annotations

import json
import math

import pytest

from dbsl_tf.common.processor import this_processor
from dbsl_tf.measuring.precision_comparison import NO_BFLOAT16
from tests.support.tiny_runs import TinyRunCase

OVERRIDES = ("compute.precision=auto", "data.train_samples=60", "dual_batch.large_batch=8")


@pytest.mark.cluster
class PrecisionComparisonTest(TinyRunCase):
    def compare(self, *program: str) -> tuple[dict, list[str]]:
        """What is chosen, and the lines told meanwhile."""
        output = self.folder / "choice.json"
        process = self.start(*OVERRIDES, f"--output={output}", program=program)
        status, printed, told = self.finish(process)
        # Commands with --json print nothing else.
        self.assertEqual((status, printed), (0, ""))
        return json.loads(output.read_text()), told.splitlines()

    @pytest.mark.slow
    def test_both_are_measured_and_the_faster_one_is_chosen(self):
        choice, lines = self.compare("-m", "tests.support.compare_precisions")
        self.assertTrue(lines)
        for line in lines:
            self.assertStartsWith(line, "comparing precisions: ")
        speeds = choice["images_per_second"]
        self.assertEqual(set(speeds), {"float32", "mixed_bfloat16"})
        for speed in speeds.values():
            self.assertTrue(math.isfinite(speed) and speed > 0)
        if choice["precision"] == "mixed_bfloat16":
            self.assertGreater(speeds["mixed_bfloat16"], speeds["float32"])

    @pytest.mark.slow
    def test_processors_without_bfloat16_are_not_measured(self):
        if this_processor().has_bfloat16:
            self.skipTest("this processor has bfloat16")
        choice, lines = self.compare("-m", "dbsl_tf.cli.compare_precisions")
        self.assertEqual(lines, [])
        self.assertEqual(choice["images_per_second"], {})
        self.assertEqual((choice["precision"], choice["reason"]), ("float32", NO_BFLOAT16))
