"""What an evaluation comes to, by hand; its files and its picture."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from dbsl_tf.evaluation.figure import plot_scores
from dbsl_tf.evaluation.report import print_scores
from dbsl_tf.evaluation.scores import ClassScores, Scores

# Of 4 ants 3 are taken for ants and 1 for a cat; there is no bee; of 6 cats 3 are taken for bees.
SCORES = ClassScores(
    ["ant", "bee", 'cat "x", y'], 0.5, 9, np.array([[3, 0, 1], [0, 0, 0], [0, 3, 3]])
)


class TestScores:
    def test_by_hand(self):
        assert (SCORES.samples, SCORES.accuracy, SCORES.top5_accuracy) == (10, 0.6, 0.9)
        assert SCORES.class_accuracies == [0.75, None, 0.5]

    def test_json_holds_all_of_it(self):
        content = json.loads(json.dumps(SCORES.as_dict()))
        assert content["classes"][0] == {"name": "ant", "samples": 4, "accuracy": 0.75}
        assert content["confusion"] == [[3, 0, 1], [0, 0, 0], [0, 3, 3]]
        assert (content["loss"], content["accuracy"]) == (0.5, 0.6)

    def test_csv(self):
        header, *rows = csv.reader(io.StringIO(SCORES.to_csv()))
        assert header[:4] == ["class", "samples", "accuracy", "predicted ant"]
        assert rows[0] == ["ant", "4", "0.75", "3", "0", "1"]
        assert rows[1][:3] == ["bee", "0", ""]
        assert rows[2][0] == 'cat "x", y'

    def test_other_metrics_and_no_classes(self):
        for scores, expected in (
            (replace(SCORES, metrics={"auc": 0.75}), "top-5 90.00%, auc 0.75 of 10 images"),
            (Scores(10, 0.5, {"auc": 0.75, "f": None}), "5000, auc 0.75, f not a number of 10 sa"),
        ):
            console = Console(file=io.StringIO(), width=100)
            print_scores(scores, console)
            assert expected in console.file.getvalue()
            assert scores.as_dict()["metrics"]["auc"] == 0.75
        assert "metrics" not in SCORES.as_dict()

    @given(st.lists(st.lists(st.integers(0, 9), min_size=4, max_size=4), min_size=4, max_size=4))
    def test_the_accuracy_is_that_of_the_classes_weighted(self, confusion):
        matrix = np.array(confusion)
        if not matrix.sum():
            return
        scores = ClassScores(list("abcd"), 1.0, 0, matrix)
        weighted = sum(
            accuracy * row.sum()
            for accuracy, row in zip(scores.class_accuracies, matrix)
            if accuracy is not None
        )
        assert scores.accuracy == pytest.approx(weighted / scores.samples)

    def test_what_is_printed_names_the_worst_of_many_classes(self):
        console = Console(file=io.StringIO(), width=100)
        print_scores(SCORES, console)
        assert "loss 0.5000, top-1 60.00%, top-5 90.00% of 10 images" in console.file.getvalue()
        assert re.search(r'cat "x", y +│ +6 +│ +50\.00% +│ +bee \(3\)', console.file.getvalue())
        matrix = 10 * np.eye(30, dtype=int)
        matrix[17, 3] = 5
        console = Console(file=io.StringIO(), width=100)
        print_scores(ClassScores([str(n) for n in range(30)], 1.0, 0, matrix), console)
        shown = console.file.getvalue()
        assert "the 10 worst of 30 classes" in shown
        assert re.search(r"│ 17 +│ +15 +│ +66\.67% │ +3 \(5\)", shown)
        assert "│ 29 " not in shown

    def test_a_picture_of_few_and_of_many_classes(self):
        with TemporaryDirectory() as folder:
            for classes in (3, 100):
                scores = SCORES
                if classes == 100:
                    matrix = np.random.default_rng(0).integers(0, 9, (100, 100))
                    scores = ClassScores([str(n) for n in range(100)], 1.0, 0, matrix)
                path = Path(folder) / f"{classes}.svg"
                plot_scores(scores, "a title", path)
                content = path.read_text()
                assert "<svg" in content
                assert "a title" in content
