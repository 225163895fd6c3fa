"""Run directories in which one thing at a time is damaged: the commands answer with a line."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from dbsl_tf.cli import plot, report
from dbsl_tf.common.checksums import verified, verified_line
from dbsl_tf.common.errors import UserError
from dbsl_tf.config.yaml_text import read_yaml, write_yaml
from dbsl_tf.reporting.figures.kinds import KINDS
from dbsl_tf.results.records import DriftRecord, FaultRecord, WorkersRecord
from tests.support.run_directories import HYBRID, START, append_event, make_run

NAN, INFINITE = float("nan"), float("inf")
HUGE = 10**400  # finite, but no floating-point number


class TestDamagedFiles:
    @pytest.fixture(autouse=True)
    def _set_up(self, tmp_path):
        self.folder = tmp_path
        fault = FaultRecord(3, "absent", 1, "worker 1 is lost", time=START + 1.5)
        self.run = make_run(self.folder / "run", "schedule.epochs=3", faults=[fault])
        drift = DriftRecord(commit=6, factors=(1.0, 1.5), adopted=False, plan=None, problem="x")
        append_event(self.run, **drift.as_dict())
        present = WorkersRecord(commit=6, epoch=4, present=(1,), plan={}, problem=None)
        append_event(self.run, **present.as_dict())
        append_event(self.run, event="resume", commit=6, discarded=0, time=START + 500)

    def told(self, command: Callable[[list[str]], int], *options: str) -> str:
        """What a command says of the run."""
        with pytest.raises(UserError) as caught:
            command([str(self.run.path), *options])
        return str(caught.value)

    def check_damage(self, file: Path, content: str, expected: str) -> None:
        """The report and a figure name the file and the reason, with this content."""
        before = file.read_text()
        figure = str(self.folder / "figure.svg")
        try:
            file.write_text(content)
            for message in (
                self.told(report.main),
                self.told(plot.main, "--kind", "balance", "--output", figure),
            ):
                assert file.name in message
                assert expected in message
                assert "\n" not in message
        finally:
            file.write_text(before)

    def check_values(
        self, subtests, file: Path, cases: list[tuple[tuple[str | int, ...], Any]]
    ) -> None:
        """A JSON file with one value replaced, found by its keys and indices."""
        for place, value in cases:
            with subtests.test(file.name, place=place, value=str(value)[:20]):
                content = verified(json.loads(file.read_text()))
                inside = content
                for key in place[:-1]:
                    inside = inside[key]
                inside[place[-1]] = value
                self.check_damage(file, json.dumps(content), str(place[-1]))

    def test_what_is_not_damaged_is_shown(self):
        with contextlib.redirect_stdout(io.StringIO()) as output:
            assert report.main([str(self.run.path)]) == 0
        assert output.getvalue() == f"{self.run.report}\n"
        page = self.run.report.read_text()
        assert "worker 0 1.00, worker 1 1.50; the plan was kept" in page

    def test_summary(self, subtests):
        self.check_values(
            subtests,
            self.run.summary,
            [
                *((("wall_seconds",), value) for value in ("x", [1.0], NAN, INFINITE, HUGE, True)),
                (("planned_extra_time_ratio",), "x"),
                (("realised_extra_time_ratio",), "x"),
            ],
        )

    def test_plan(self, subtests):
        keys = ("worker", "batch", "samples", "steps", "update_factor", "predicted_seconds")
        sub_stage = ("first_epoch", "last_epoch", "resolution", "learning_rate", "dropout")
        sub_stage += ("small_batch", "large_batch", "small_samples", "large_samples")
        self.check_values(
            subtests,
            self.run.plan,
            [
                (("realised_extra_time_ratio",), "x"),
                (("workers",), "x"),
                (("small_workers",), 0.5),
                (("per_worker",), {"worker": 1}),
                (("schedule",), "x"),
                (("per_worker", 0, "role"), ["small"]),
                *((("per_worker", 1, key), value) for key in keys for value in ([1], "x", NAN)),
                *((("per_worker", 1, key), 1.5) for key in keys[:4]),
                *(
                    (("schedule", 0, key), value)
                    for key in sub_stage
                    for value in ({}, "x", INFINITE)
                ),
                (("schedule", 0, "predicted_seconds"), [1]),
            ],
        )
        plan = verified(json.loads(self.run.plan.read_text()))
        plan["per_worker"] = ["x"]
        self.check_damage(self.run.plan, json.dumps(plan), "per_worker")

    def test_json_that_cannot_be_read(self, subtests):
        for file in (self.run.summary, self.run.plan, self.run.data):
            for content, expected in (
                ("[]", "not hold a JSON object"),
                ("{", "cannot be read"),
                ('{"x": ' + "9" * 5000 + "}", "cannot be read"),
                ("[" * 100_000, "cannot be read"),
            ):
                with subtests.test(file.name, content=content[:10]):
                    self.check_damage(file, content, expected)

    def test_values_that_could_be_but_were_not_written(self, subtests):
        for file, before, after in (
            (self.run.summary, '"test_accuracy": 0.', '"test_accuracy": 1.'),
            (self.run.plan, '"batch": 64', '"batch": 65'),
            (self.run.data, '"classes": 10', '"classes": 11'),
        ):
            with subtests.test(file.name):
                content = file.read_text()
                assert before in content
                expected = "cannot be read (its checksum is not that of its content)"
                self.check_damage(file, content.replace(before, after), expected)
        content = self.run.history.read_text().replace('"steps": ', '"steps": 1', 1)
        self.check_damage(
            self.run.history, content, "line 1 is not a record of a run: its checksum"
        )

    @pytest.mark.slow
    def test_history(self, subtests):
        counts = ("commit", "worker", "resolution", "batch", "samples", "steps", "staleness")
        numbers = ("started", "seconds", "loop_seconds", "learning_rate", "update_factor")
        numbers += ("train_loss", "train_accuracy")
        cases = [("commit", key, 1.5) for key in counts]
        cases += [
            ("commit", key, value)
            for key in (*counts, *numbers)
            for value in ("x", [1], NAN, INFINITE, HUGE)
        ]
        cases += [("commit", key, -1) for key in counts]
        cases += [
            (kind, key, value)
            for kind, keys in (
                ("evaluation", ("commit", "resolution", "started", "test_loss", "test_accuracy")),
                ("fault", ("commit", "worker", "time")),
                ("drift", ("commit", "factors")),
                ("workers", ("commit", "epoch", "present", "plan", "time")),
                ("resume", ("commit", "discarded")),
            )
            for key in keys
            for value in ("x", [[1]], INFINITE)
        ]
        cases += [("drift", "factors", value) for value in (1.0, {"0": 1.0}, ["x"], [NAN])]
        lines = self.run.history.read_text().splitlines()
        for kind, key, value in cases:
            with subtests.test(kind, key=key, value=str(value)[:20]):
                changed = [json.loads(verified_line(line)) for line in lines]
                next(event for event in changed if event["event"] == kind)[key] = value
                text = "".join(json.dumps(event) + "\n" for event in changed)
                self.check_damage(self.run.history, text, f"{key} of a line of kind {kind}")

    def changed_history(self, kind: str, key: str, value: Any, count: int = 1) -> str:
        """The text of the history with a value replaced in the last lines of a kind."""
        lines = self.run.history.read_text().splitlines()
        events = [json.loads(verified_line(line)) for line in lines]
        for event in [event for event in events if event["event"] == kind][-count:]:
            event[key] = value
        return "".join(json.dumps(event) + "\n" for event in events)

    def test_numbers_that_are_far_too_large(self):
        self.check_damage(
            self.run.history, self.changed_history("commit", "commit", 2**53), "lacks commit 6"
        )
        for value in (2, 10**9, 2**53):
            self.check_damage(
                self.run.history,
                self.changed_history("commit", "worker", value),
                f"it has commits of worker {value}, but cluster.workers is 2",
            )
        content = read_yaml(self.run.configuration.read_text())
        content["cluster"]["workers"] = 10**9
        self.check_damage(
            self.run.configuration,
            write_yaml(content),
            "cluster.workers is 1000000000, above 100000",
        )
        self.run.configuration.unlink()
        plan = {**verified(json.loads(self.run.plan.read_text())), "workers": 2**53}
        self.check_damage(self.run.plan, json.dumps(plan), "above 100000")
        self.run.plan.unlink()
        text = self.changed_history("commit", "worker", 10**9)
        self.check_damage(self.run.history, text, "the number of workers is 1000000001")
        for key in ("started", "seconds", "train_loss"):
            text = self.changed_history("commit", key, 1e308)
            self.check_damage(self.run.history, text, f"{key} of a line of kind commit is 1e+308")

    def test_half_a_character(self):
        """JSON can escape what UTF-8 cannot encode."""
        self.run.history.write_text(self.changed_history("fault", "message", "\ud800<"))
        summary = {**verified(json.loads(self.run.summary.read_text())), "compute": "\udfff"}
        self.run.summary.write_text(json.dumps(summary))
        plan = verified(json.loads(self.run.plan.read_text()))
        plan["per_worker"][0]["role"] = "\udfff"
        self.run.plan.write_text(json.dumps(plan))
        with contextlib.redirect_stdout(io.StringIO()):
            assert report.main([str(self.run.path)]) == 0
        assert "\\ud800&lt;" in self.run.report.read_text()
        for kind in set(KINDS) - {"metric", "batch-noise"}:
            figure = self.folder / f"{kind}.svg"
            with contextlib.redirect_stdout(io.StringIO()):
                assert plot.main([str(self.run.path), "--kind", kind, "--output", str(figure)]) == 0

    def test_history_that_is_no_text(self):
        self.run.history.write_bytes(b"\xff\xfe\n")
        assert "history.jsonl line 1 is not a record" in self.told(report.main)

    def check_configuration(self, subtests, section: str, key: str, values: Iterable[Any]) -> None:
        before = self.run.configuration.read_text()
        for value in values:
            with subtests.test(section, key=key, value=value):
                content = read_yaml(before)
                content[section][key] = value
                self.check_damage(self.run.configuration, write_yaml(content), f"{section}.{key}")

    def test_configuration(self, subtests):
        for key in ("a", "b", "overhead"):
            self.check_configuration(
                subtests, "time_model", key, ("x", "", ["x"], NAN, INFINITE, True)
            )

    def test_configuration_of_the_hybrid(self, subtests):
        self.run = make_run(self.folder / "hybrid", *HYBRID)
        for key in ("a", "b", "overhead"):
            self.check_configuration(subtests, "progressive", key, ("x", [0.1, "x"], [0.1, NAN]))
        self.check_configuration(
            subtests, "progressive", "resolutions", ("x", [[16], 32], [16.5, 32])
        )
