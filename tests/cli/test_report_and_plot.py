"""`python -m dbsl_tf.report` and `python -m dbsl_tf.plot` as a person runs them."""

from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from dbsl_tf.results.records import FaultRecord
from tests.support.commands import check_one_line_mistake
from tests.support.run_directories import HYBRID, START, append_event, make_run

pytest.importorskip("matplotlib")
ROOT = Path(__file__).parents[2]
_VOID = {"meta", "br", "hr", "img", "input", "link"}


def _command(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )


class _Page(HTMLParser):
    """Checks that elements are closed in turn; keeps what may reach out of the page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.names: set[str] = set()
        self.identifiers: list[str] = []
        self.links: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list) -> None:
        self.names.add(tag)
        if tag not in _VOID:
            self.open.append(tag)
        for name, value in attributes:
            if name == "id":
                self.identifiers.append(value)
            if name in ("src", "href", "xlink:href"):
                self.links.append(value)

    def handle_startendtag(self, tag: str, attributes: list) -> None:
        self.handle_starttag(tag, attributes)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in _VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def _page(path: Path) -> _Page:
    page = _Page(path.read_text(encoding="utf-8"))
    assert page.open == []
    assert len(set(page.identifiers)) == len(page.identifiers)
    assert all(re.match("#|data:image/png;base64", link) for link in page.links)
    assert "script" not in page.names
    return page


def test_a_report_of_one_run_lies_in_its_directory(tmp_path: Path) -> None:
    fault = FaultRecord(3, "absent", 1, "worker 1 is <lost>", time=START + 1.5)
    make_run(tmp_path / "run", "schedule.epochs=4", faults=[fault])
    result = _command("dbsl_tf.report", tmp_path / "run")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == f"{tmp_path}/run/report.html\n"
    page = _page(tmp_path / "run" / "report.html")
    for expected in (
        "finished",
        "worker 1 is <lost>",
        "large_batch: 64",
        "tensorflow",
        "AMD EPYC 7B13, AVX2",
        "Mini-epochs of every worker",
    ):
        assert expected in page.text


def test_a_report_of_several_runs_compares_them(tmp_path: Path) -> None:
    for small, seed in ((0, 1), (0, 2), (1, 1)):
        make_run(
            tmp_path / f"n{small}-s{seed}",
            "schedule.epochs=4",
            f"run.seed={seed}",
            f"dual_batch.small_workers={small}",
        )
    cut = make_run(tmp_path / "cut", "schedule.epochs=4", "sync.mode=bsp", commits=5)
    append_event(cut, event="resume", commit=4, discarded=1, time=2e9)
    make_run(tmp_path / "begun", "schedule.epochs=4", "sync.mode=ssp", commits=0)
    make_run(
        tmp_path / "hybrid",
        *HYBRID,
    )
    runs = sorted(tmp_path.iterdir())
    output = tmp_path / "out" / "report.html"
    result = _command("dbsl_tf.report", *runs, "--output", output)
    assert (result.returncode, result.stderr) == (0, "")
    page = _page(output)
    for expected in (
        "dual_batch.small_workers",
        "2 of 2",
        " ± ",
        "not finished: commit 4 of 8; resumed once",
        "nothing trained yet",
        "that were lost: 1",
        "Not evaluated on the test set yet: begun.",
    ):
        assert expected in page.text


@pytest.mark.slow
def test_runs_that_count_no_hits_show_their_loss_and_metrics(tmp_path: Path) -> None:
    options = ("schedule.epochs=4", "training.loss=mean_squared_error")
    make_run(tmp_path / "a", *options, metric="mean <error>")
    make_run(tmp_path / "b", *options, "sync.mode=bsp", metric="mean <error>")
    make_run(tmp_path / "c", "schedule.epochs=4")
    page = tmp_path / "report.html"
    for runs, expected, others in (
        ("a", ("test loss, best", "test mean <error>, last", "Mean <error> over"), ("accuracy",)),
        ("ab", ("The best loss is picked", "Loss over", "Mean <error> over"), ("accuracy",)),
        ("ac", ("test accuracy, last (%)", "test mean <error>, last"), ()),
    ):
        paths = [tmp_path / name for name in runs]
        result = _command("dbsl_tf.report", *paths, "--output", page)
        assert (result.returncode, result.stderr) == (0, "")
        text = _page(page).text.lower()
        for part in expected:
            assert part.lower() in text, (runs, part)
        for part in others:
            assert part not in text, (runs, part)
    figure = tmp_path / "figure.svg"
    plot = ("dbsl_tf.plot", tmp_path / "a", "--kind", "metric", "--metric", "mean <error>")
    result = _command(*plot, "--output", figure)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert figure.stat().st_size > 1000


@pytest.mark.slow
def test_validation_and_test_are_told_apart(tmp_path: Path) -> None:
    for name, seed in (("a", 0), ("b", 1)):
        make_run(tmp_path / name, "schedule.epochs=4", f"run.seed={seed}", validation=True)
    make_run(tmp_path / "c", "schedule.epochs=4", "sync.mode=bsp")
    make_run(tmp_path / "d", "schedule.epochs=4", commits=4, validation=True)
    page, figure = tmp_path / "report.html", tmp_path / "figure.svg"
    for runs, expected in (
        ("a", ("validation accuracy, best", "evaluation on the validation and test set")),
        ("ab", ("validation accuracy, best (%)", "test accuracy, last (%)")),
        ("ac", ("validation loss, last", "test or validation loss")),
        ("d", ("The test set is evaluated at the end of the run", "validation accuracy, last")),
    ):
        paths = [tmp_path / name for name in runs]
        result = _command("dbsl_tf.report", *paths, "--output", page)
        assert (result.returncode, result.stderr) == (0, "")
        text = page.read_text()
        for part in expected:
            assert part in text, (runs, part)
        assert ("test accuracy, best" in text) is (len(runs) > 1)
        for kind in ("loss", "timeline"):
            result = _command("dbsl_tf.plot", *paths, "--kind", kind, "--output", figure)
            assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize(("suffix", "beginning"), [("png", b"\x89PNG"), ("pdf", b"%PDF")])
def test_a_figure_alone(tmp_path: Path, suffix: str, beginning: bytes) -> None:
    make_run(tmp_path / "run", "schedule.epochs=4")
    path = tmp_path / f"figure.{suffix}"
    result = _command(
        "dbsl_tf.plot", tmp_path / "run", "--kind", "loss", "--against", "time", "--output", path
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert path.read_bytes().startswith(beginning)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("dbsl_tf.report",), "RUN"),
        (("dbsl_tf.plot", "{}/run", "--kind", "x", "--output", "{}/x.png"), "--kind"),
        (("dbsl_tf.report", "{}/missing"), "missing is not a run directory"),
        (("dbsl_tf.report", "{}/run", "--output", "{}/page.pdf"), "ends with .html"),
        (("dbsl_tf.plot", "{}/run", "--kind", "loss", "--output", "{}/x.gif"), "--output is"),
        (
            ("dbsl_tf.plot", "{}/run", "--kind", "balance", "--output", "{}/x.png")
            + ("--against", "time"),
            "--against only applies to --kind accuracy or loss",
        ),
        (
            ("dbsl_tf.plot", "{}/run", "--kind", "metric", "--output", "{}/x.png"),
            "--kind metric and --metric NAME go together",
        ),
        (
            ("dbsl_tf.plot", "{}/run", "--kind", "metric", "--output", "{}/x.png")
            + ("--metric", "auc"),
            "no run has recorded auc: draw accuracy or loss",
        ),
    ],
)
def test_mistakes_are_told_in_a_line(
    tmp_path: Path, arguments: tuple[str, ...], expected: str
) -> None:
    make_run(tmp_path / "run", "schedule.epochs=3")
    result = _command(*(argument.format(tmp_path) for argument in arguments))
    check_one_line_mistake(result, expected)


def test_the_page_does_without_tensorflow() -> None:
    code = (
        "import sys; import dbsl_tf.cli.report, dbsl_tf.cli.plot; import dbsl_tf.reporting.page; "
        "print(any(m.split('.')[0] in ('tensorflow', 'matplotlib') for m in sys.modules))"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert result.stdout == "False\n"
