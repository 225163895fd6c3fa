"""What a run says of itself, read back."""

from __future__ import annotations

import json
import unittest
from pathlib import Path
from tempfile import TemporaryDirectory

from dbsl_tf.common.errors import UserError
from dbsl_tf.results.stored_run import StoredRun
from tests.support.small_runs import tiny_config, write_run


class StoredRunTest(unittest.TestCase):
    def setUp(self):
        folder = Path(self.enterContext(TemporaryDirectory()))
        self.run = write_run(folder / "run", tiny_config(folder), {})

    def test_facts_of_the_data(self):
        facts = StoredRun.read(self.run.path).facts
        self.assertEqual((facts["name"], facts["classes"]), ("digits", 10))
        self.assertEqual(len(facts["mean"]), 3)

    def test_an_imported_history_has_no_model(self):
        self.run.data.unlink()
        self.run.configuration.write_text("cluster: {workers: 2}")
        with self.assertRaisesRegex(UserError, "has no data.json and so no model"):
            StoredRun.read(self.run.path)

    def test_damaged_facts_are_told(self):
        facts = json.loads(self.run.data.read_text())
        for content, expected in (
            ([], "it holds no JSON object"),
            ({}, "classes is None, not a count"),
            ({**facts, "classes": "x"}, "classes is 'x', not a count"),
            ({**facts, "classes": 0}, "classes is 0, below 1"),
            ({**facts, "classes": 9.5}, "classes is 9.5, not a count"),
            ({**facts, "mean": None}, "mean is no list of three numbers"),
            ({**facts, "mean": [0.5, 0.5]}, "mean is no list of three numbers"),
            ({**facts, "mean": [0.5, 0.5, "x"]}, "mean is 'x', not a finite number"),
            (
                {**facts, "standard_deviation": [0.5, float("nan"), 0.5]},
                "standard_deviation is nan, not a finite number",
            ),
        ):
            with self.subTest(expected):
                self.run.data.write_text(json.dumps(content))
                with self.assertRaises(UserError) as caught:
                    StoredRun.read(self.run.path)
                self.assertIn(f"data.json cannot be read ({expected}", str(caught.exception))


if __name__ == "__main__":
    unittest.main()
