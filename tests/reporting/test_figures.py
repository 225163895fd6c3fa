"""Figures: what they hold, that their text does not overlap, that they stand in a page."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import pytest

from dbsl_tf.common.errors import UserError
from dbsl_tf.reporting.comparison import group_runs
from dbsl_tf.reporting.figures.inline_svg import inline_svg
from dbsl_tf.reporting.figures.kinds import BATCH_NOISE, KINDS, METRIC, draw
from dbsl_tf.reporting.figures.staleness import draw_staleness
from dbsl_tf.reporting.figures.style import COLUMN, paper_style
from dbsl_tf.reporting.measures import measures
from dbsl_tf.reporting.reading import read_run, read_runs
from dbsl_tf.results.records import FaultRecord
from tests.support.records import noise_record
from tests.support.run_directories import START, make_run

pytest.importorskip("matplotlib")
# What every run has.
ALWAYS = [kind for kind in KINDS if kind not in (METRIC, BATCH_NOISE)]


def _overlapping(figure) -> list[tuple[str, str]]:
    """Pairs of texts of a figure that cover each other."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.text import Text

    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    texts = [t for t in figure.findobj(Text) if t.get_visible() and t.get_text().strip()]
    boxes = [(t.get_text(), t.get_window_extent(renderer).padded(-1)) for t in texts]
    return [(one, two) for (one, a), (two, b) in combinations(boxes, 2) if a.overlaps(b)]


def _outside(figure) -> list[str]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    page = figure.bbox.padded(1)
    boxes = [(t.get_text(), t.get_window_extent(renderer)) for t in figure.legends[0].get_texts()]
    return [
        text
        for text, box in boxes
        if box.x0 < page.x0 or box.x1 > page.x1 or box.y0 < page.y0 or box.y1 > page.y1
    ]


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A run in which a worker was lost."""
    path = tmp_path_factory.mktemp("one") / "one"
    fault = FaultRecord(3, "absent", 1, "worker 1 is lost", time=START + 1.5)
    make_run(path, "schedule.epochs=6", "schedule.milestones=[]", faults=[fault])
    return [path]


@pytest.fixture(scope="module")
def eight(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Runs with different plans."""
    folder = tmp_path_factory.mktemp("eight")
    settings = [(0, 1.1), (1, 1.1), (2, 1.1), (3, 1.1), (1, 1.2), (2, 1.2), (3, 1.2), (4, 1.2)]
    paths = []
    for small, ratio in settings:
        paths.append(folder / f"run-{small}-{ratio}")
        make_run(
            paths[-1],
            "cluster.workers=4",
            f"dual_batch.small_workers={small}",
            f"dual_batch.extra_time_ratio={ratio}",
            "schedule.epochs=6",
            "schedule.milestones=[]",
        )
    return paths


@pytest.mark.parametrize("kind", ALWAYS)
def test_nothing_overlaps_in_figures_of_one_and_of_eight_runs(
    one: list[Path], eight: list[Path], kind: str
) -> None:
    for paths in (one, eight):
        with paper_style():
            figure = draw(kind, group_runs(read_runs(paths)), "time")
            assert figure.get_figwidth() == COLUMN
            assert _overlapping(figure) == []
            assert _outside(figure) == []


@pytest.mark.parametrize("kind", ALWAYS)
def test_long_names_are_wrapped_and_their_signs_shown_as_they_are(
    tmp_path: Path, kind: str
) -> None:
    name = "a name that is $long_ and goes on ^ and on until it cannot stand in a line of a column"
    for letter in "xy":
        directory = make_run(tmp_path / f"{name} {letter}", "schedule.epochs=3")
        directory.configuration.unlink()
    with paper_style():
        figure = draw(kind, group_runs(read_runs(sorted(tmp_path.iterdir()))), "epoch")
        assert _overlapping(figure) == []
        assert _outside(figure) == []


def test_batch_noise_is_shown_beside_the_batches_of_a_run(tmp_path: Path) -> None:
    noises = [noise_record(commit=2 * epoch, epoch=epoch) for epoch in (1, 2)]
    noises.append(noise_record(commit=6, epoch=3, noise=None, low=400.0, high=None))
    for name in "xy":
        make_run(tmp_path / name, "schedule.epochs=3", f"run.dir={tmp_path / name}", noises=noises)
    with paper_style():
        figure = draw(BATCH_NOISE, group_runs([read_run(tmp_path / "x")]))
        assert _overlapping(figure) == _outside(figure) == []
        labels = [line.get_label() for line in figure.axes[0].get_lines()]
        assert labels[0].startswith("batch noise") and labels[2] == "large batch, 64"
        noise = figure.axes[0].get_lines()[0].get_ydata()
        assert list(noise[:2]) == [120.0, 120.0] and math.isnan(noise[2])
        both = draw(BATCH_NOISE, group_runs(read_runs([tmp_path / "x", tmp_path / "y"])))
        assert _overlapping(both) == _outside(both) == []
        assert len(both.axes[0].get_lines()) == 2


def test_lines_differ_without_colour(eight: list[Path]) -> None:
    with paper_style():
        axes = draw("accuracy", group_runs(read_runs(eight))).axes[0]
    lines = [line for line in axes.get_lines() if not line.get_label().startswith("_")]
    assert len(lines) == 8
    assert len({line.get_marker() for line in lines}) == 8


def test_seeds_are_a_mean_with_a_band(tmp_path: Path) -> None:
    for seed in (1, 2):
        make_run(tmp_path / str(seed), "schedule.epochs=4", f"run.seed={seed}")
    with paper_style():
        figure = draw("loss", group_runs(read_runs([tmp_path / "1", tmp_path / "2"])))
    (axes,) = figure.axes
    assert len(axes.get_lines()) == 1
    assert len(axes.collections) == 1


def test_a_long_run_is_shown_whole_and_its_beginning_apart(tmp_path: Path) -> None:
    make_run(tmp_path / "run", "schedule.epochs=60", "schedule.milestones=[]")
    with paper_style():
        whole, beginning = draw("timeline", group_runs([read_run(tmp_path / "run")])).axes
    assert whole.get_xlim()[1] > 4 * beginning.get_xlim()[1]


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_that_has_recorded_nothing_cannot_be_drawn(tmp_path: Path, kind: str) -> None:
    make_run(tmp_path / "run", "schedule.epochs=3", commits=0)
    with pytest.raises(UserError, match="no run has"), paper_style():
        draw(kind, group_runs([read_run(tmp_path / "run")]))


def test_without_evaluations_the_training_is_drawn(tmp_path: Path) -> None:
    for small in (0, 1):
        make_run(
            tmp_path / str(small),
            "schedule.epochs=3",
            f"dual_batch.small_workers={small}",
            evaluate=False,
            commits=4,
        )
    with paper_style():
        figure = draw("accuracy", group_runs(read_runs([tmp_path / "0", tmp_path / "1"])))
    labels = {line.get_label() for line in figure.axes[0].get_lines()}
    assert "n_S = 1: training, small batches" in labels
    assert figure.axes[0].get_ylabel() == "accuracy (%)"


def test_identifiers_of_figures_in_a_page_differ(tmp_path: Path) -> None:
    make_run(tmp_path / "run", "schedule.epochs=3")
    run = read_run(tmp_path / "run")
    with paper_style():
        one, two = (inline_svg(draw_staleness(run), name, "<what>") for name in ("one", "two"))
    found = [set(re.findall(r'\bid="([^"]*)"', text)) for text in (one, two)]
    assert found[0] and not found[0] & found[1]
    used = set(re.findall(r'(?:href="|url\()#([^")]*)', one))
    assert used and used <= found[0]
    assert one.startswith("<svg") and "<title>&lt;what&gt;</title>" in one


def test_the_staleness_of_a_bar_may_be_huge(tmp_path: Path) -> None:
    make_run(tmp_path / "run", "schedule.epochs=1", "dual_batch.small_workers=0")
    run = read_run(tmp_path / "run")
    first, second = run.mini_epochs
    run = replace(run, mini_epochs=(first, replace(second, staleness=2**40)))
    (axes,) = draw_staleness(run).axes
    middles = [round(bar.get_x() + bar.get_width() / 2) for bar in axes.patches]
    assert middles == [0, 2**40]
    assert [bar.get_height() for bar in axes.patches] == [1, 1]


class TestWithoutAccuracy:
    """Runs that measure something else."""

    @pytest.fixture
    def runs(self, tmp_path: Path) -> list[Path]:
        paths = [tmp_path / "1", tmp_path / "2"]
        for seed, path in enumerate(paths):
            overrides = (f"run.seed={seed}", "training.loss=mean_squared_error")
            make_run(path, "schedule.epochs=3", *overrides, metric="mean_error_$")
        return paths

    def test_other_metrics_and_the_loss_are_drawn(self, runs: list[Path]) -> None:
        for paths in (runs[:1], runs):
            with paper_style():
                figure = draw(METRIC, group_runs(read_runs(paths)), metric="mean_error_$")
                assert _overlapping(figure) == []
                (axes,) = figure.axes
                loss = draw("loss", group_runs(read_runs(paths))).axes[0]
            assert axes.get_ylabel().replace("\\", "").endswith("mean_error_$")
            assert "cross-entropy" not in loss.get_ylabel()
            line = axes.get_lines()[0]
            assert list(line.get_xdata()) == [1.0, 2.0, 3.0]
            assert line.get_ydata()[0] == pytest.approx(40 * math.exp(-1 / 4), rel=0.02)

    def test_accuracy_is_refused_in_favour_of_what_there_is(self, runs: list[Path]) -> None:
        with pytest.raises(UserError, match=r"recorded accuracy: draw loss or mean_error_\$"):
            draw("accuracy", group_runs(read_runs(runs)))

    def test_the_best_is_that_of_the_lowest_loss(self, runs: list[Path]) -> None:
        (run, _) = read_runs(runs)
        assert measures(run).best.test_loss == min(e.test_loss for e in run.evaluations)
