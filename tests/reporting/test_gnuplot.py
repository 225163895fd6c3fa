"""Scripts for gnuplot: the same curves as in figures, and gnuplot itself draws them."""

from __future__ import annotations

import html
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dbsl_tf.cli import plot
from dbsl_tf.common.errors import UserError
from dbsl_tf.reporting.comparison import group_runs
from dbsl_tf.reporting.gnuplot import gnuplot_script
from dbsl_tf.reporting.progress import progress_plot
from dbsl_tf.reporting.reading import read_runs
from tests.support.run_directories import HYBRID, START, append_event, make_run

# In the environment of the tests, which need not be active.
GNUPLOT = shutil.which("gnuplot", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    hybrid = make_run(folder / 'it\'s {a}_$b \\n "c"', *HYBRID)
    append_event(hybrid, event="resume", commit=8, discarded=0, time=START + 2)
    for small, seed in ((0, 0), (0, 1), (1, 0), (1, 1)):
        options = ("schedule.epochs=3", f"run.seed={seed}", f"dual_batch.small_workers={small}")
        make_run(folder / f"n{small}-s{seed}", *options)
    return folder


def _blocks(script: str) -> list[list[tuple[float, ...]]]:
    """The numbers of its data blocks."""
    found = re.findall(r"^\$\w+ << END\n(.*?)^END$", script, re.MULTILINE | re.DOTALL)
    return [[tuple(map(float, line.split())) for line in b.splitlines()] for b in found]


@pytest.mark.parametrize("metric", ["accuracy", "loss", "learning rate"])
@pytest.mark.parametrize("against", ["epoch", "time"])
def test_it_has_the_curves_of_the_figure(runs: Path, metric: str, against: str) -> None:
    paths = sorted(runs.glob("n*"))
    drawn = progress_plot(group_runs(read_runs(paths)), metric, against)
    blocks = _blocks(gnuplot_script(drawn, Path("figure.gp")))
    assert len(blocks) == len(drawn.curves) > 1
    for block, curve in zip(blocks, drawn.curves):
        columns = [curve.x, curve.y, *([curve.deviations] if curve.deviations else [])]
        for column, values in zip(zip(*block), columns, strict=True):
            assert column == pytest.approx(values, rel=1e-8)


@pytest.mark.skipif(GNUPLOT is None, reason="needs gnuplot")
@pytest.mark.parametrize("kind", ["accuracy", "learning-rate"])
def test_gnuplot_draws_it(runs: Path, tmp_path: Path, kind: str) -> None:
    (run,) = runs.glob("it*")
    script = tmp_path / "a $figure's.gp"
    for paths, expected in (
        ([run], {"resumed here", "16 px", "32 px"}),
        (sorted(runs.glob("n*")), {"n_S = 0", "n_S = 1"}),
    ):
        arguments = ["--kind", kind, "--against", "time", "--output", str(script)]
        assert plot.main([*map(str, paths), *arguments]) == 0
        # An SVG has its texts; this is the branch of a gnuplot without PDFs.
        text = script.read_text().replace('"pdfcairo"', '"none"')
        done = subprocess.run(
            [GNUPLOT, "-"], input=text, cwd=tmp_path, capture_output=True, text=True
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        drawn = (tmp_path / "a $figure's.svg").read_text()
        shown = re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", drawn))
        assert all(label in shown for label in {"training time (s)", *expected})


@pytest.mark.skipif(GNUPLOT is None, reason="needs gnuplot")
def test_a_label_is_taken_literally(runs: Path, tmp_path: Path) -> None:
    odd = runs / 'it\'s {a}_$b \\n "c"'
    other = runs / "n0-s0"
    drawn = progress_plot(group_runs(read_runs([odd, other])), "loss", "epoch")
    label = 'it\'s {a}_$b \\n "c" ^@~%d `date`'
    curves = [type(curve)(label, curve.x, curve.y) for curve in drawn.curves]
    text = gnuplot_script(type(drawn)(curves, "x_{1}", label, from_zero=False), tmp_path / "f.gp")
    subprocess.run(
        [GNUPLOT, "-"], input=text.replace('"pdfcairo"', '"none"'), cwd=tmp_path, text=True,
        check=True,
    )  # fmt: skip
    shown = html.unescape((tmp_path / "f.svg").read_text())
    # Both curves and an axis; some versions name the curves once more.
    assert shown.count(label) >= 3


def test_other_figures_are_refused_in_a_line(runs: Path, tmp_path: Path) -> None:
    arguments = ["--kind", "timeline", "--output", str(tmp_path / "x.gp")]
    with pytest.raises(UserError, match="x.gp: scripts for gnuplot draw only --kind accuracy, "):
        plot.main([str(runs / "n0-s0"), *arguments])
    assert not (tmp_path / "x.gp").exists()
