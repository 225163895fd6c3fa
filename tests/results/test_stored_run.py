"""What a run says of itself, read back."""

from __future__ import annotations

import json

import pytest

from dbsl_tf.common.checksums import verified
from dbsl_tf.common.errors import UserError
from dbsl_tf.results.stored_run import StoredRun
from tests.support.small_runs import tiny_config, write_run


class TestStoredRun:
    @pytest.fixture(autouse=True)
    def _set_up(self, tmp_path):
        folder = tmp_path
        self.run = write_run(folder / "run", tiny_config(folder), {})

    def test_facts_of_the_data(self):
        facts = StoredRun.read(self.run.path).facts
        assert (facts["name"], facts["classes"]) == ("digits", 10)
        assert len(facts["mean"]) == 3

    def test_an_imported_history_has_no_model(self):
        self.run.data.unlink()
        self.run.configuration.write_text("cluster: {workers: 2}")
        with pytest.raises(UserError, match="has no data.json and so no model"):
            StoredRun.read(self.run.path)

    def test_a_configuration_that_is_not_as_it_was_written_is_told(self, capsys):
        text = self.run.configuration.read_text()
        self.run.write_configuration(text)
        assert StoredRun.read(self.run.path).config.schedule.epochs == 3
        assert capsys.readouterr().err == ""
        written = self.run.configuration.read_text()
        self.run.configuration.write_text(written.replace("epochs: 3", "epochs: 7"))
        assert StoredRun.read(self.run.path).config.schedule.epochs == 7
        assert "config.yaml was edited or damaged after the run wrote it" in capsys.readouterr().err

    def test_damaged_facts_are_told(self, subtests):
        facts = verified(json.loads(self.run.data.read_text()))
        for content, expected in (
            ([], "it does not hold a JSON object"),
            ({}, "classes is None, not a count"),
            ({**facts, "classes": "x"}, "classes is 'x', not a count"),
            ({**facts, "classes": 0}, "classes is 0, below 1"),
            ({**facts, "classes": 9.5}, "classes is 9.5, not a count"),
            ({**facts, "mean": None}, "mean is not a list of three numbers"),
            ({**facts, "mean": [0.5, 0.5]}, "mean is not a list of three numbers"),
            ({**facts, "mean": [0.5, 0.5, "x"]}, "mean is 'x', not a finite number"),
            (
                {**facts, "standard_deviation": [0.5, float("nan"), 0.5]},
                "standard_deviation is nan, not a finite number",
            ),
        ):
            with subtests.test(expected):
                self.run.data.write_text(json.dumps(content))
                with pytest.raises(UserError) as caught:
                    StoredRun.read(self.run.path)
                assert f"data.json cannot be read ({expected}" in str(caught.value)
