"""The published grids: what the papers say of them, and the plans that follow from them."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbsl_tf.common.errors import UserError
from dbsl_tf.config import load_config
from dbsl_tf.config.finding import packaged_configs
from dbsl_tf.reproducing.published import PublishedRow, choose, published
from dbsl_tf.reproducing.runs import overrides_of, runs_of
from dbsl_tf.resolved import settings_of, time_models_of

FULL = {name: "full" for name in published().grids}
SMALL = {name: "small" for name, grid in published().grids.items() if grid.small}


def row(name: str, *at: object) -> PublishedRow:
    found = [row for row in choose(name).grid.rows if row.at == tuple(map(str, at))]
    assert len(found) == 1
    return found[0]


def plans(name: str, scale: str, output: Path) -> list[dict[int, tuple[int | None, int | None]]]:
    """B_S and d_S of every row, by resolution."""
    found = []
    for run in runs_of(choose(name), scale, [], 1, output):
        settings = settings_of(run.config)
        schedule = settings.schedule(time_models_of(settings))
        found.append(
            {
                resolution: (plan.small_batch, plan.small_samples)
                for resolution, plan in schedule.plans.items()
            }
        )
    return found


class TestFigures:
    def test_those_in_the_abstract_of_compsac_2022(self):
        first = row("dual_batch", 0)
        assert round(first.loss, 3) == 1.429
        assert round(row("dual_batch", 1, 1.05).loss, 3) == 1.246
        assert round(row("dual_batch", 1, 1.1).loss, 3) == 1.193
        best = max(r.accuracy for r in choose("dual_batch").grid.rows if r.at[-1] == "1.05")
        assert round(best - first.accuracy, 1) == 2.8

    def test_those_in_the_abstract_of_the_successor(self):
        first = row("hybrid", "off", 0)
        assert row("hybrid", "cyclic", 3, 1.05).best - first.best == pytest.approx(3.3)
        saved = 1 - row("hybrid", "cyclic", 0).seconds / first.seconds
        assert round(100 * saved, 1) == 10.1
        first = row("hybrid_imagenet", "off", 0)
        saved = 1 - row("hybrid_imagenet", "cyclic", 4, 1.05).seconds / first.seconds
        assert round(100 * saved, 1) == 34.8

    def test_two_grids_that_share_runs_agree(self):
        for workers in (1, 2, 3):
            one, other = row("dual_batch", workers, 1.1), row("update_factor", workers, "linear")
            assert (one.accuracy, one.loss) == (other.accuracy, other.loss)

    def test_the_highest_accuracy_is_no_lower_than_the_last(self):
        for grid in published().grids.values():
            assert all(r.best is None or r.best >= r.accuracy for r in grid.rows)

    def test_every_row_has_a_source_and_every_source_a_row(self):
        used = {name for grid in published().grids.values() for name in grid.source_names}
        assert used == set(published().sources)


class TestGrids:
    def test_rows_differ(self, subtests):
        for name, grid in published().grids.items():
            with subtests.test(name):
                assert (packaged_configs() / grid.config).is_file()
                assert len(grid.headings) == len(grid.keys)
                assert len({row.at for row in grid.rows}) == len(grid.rows)
                assert all(0 < len(row.at) <= len(grid.keys) for row in grid.rows)

    @pytest.mark.parametrize("scale", ["small", "full"])
    def test_the_batches_are_the_published_ones(self, scale, tmp_path):
        # Lu et al., COMPSAC 2022, Table 2.
        assert plans("dual_batch", scale, tmp_path) == [
            {32: values}
            for values in (
                *((None, None), (83, 10625), (154, 11875), (205, 12291), (242, 12500)),
                *((38, 8750), (87, 11250), (127, 12083), (160, 12500)),
            )
        ]
        # arXiv 2509.26092, Table 6: k = 1.05.
        assert plans("hybrid", scale, tmp_path)[10:14] == [
            {24: (130, 10625), 32: (102, 10625)},
            {24: (230, 11875), 32: (185, 11875)},
            {24: (294, 12292), 32: (243, 12292)},
            {24: (340, 12500), 32: (286, 12500)},
        ]

    @pytest.mark.parametrize(("name", "scale"), [*FULL.items(), *SMALL.items()])
    def test_every_row_can_be_trained(self, name, scale, tmp_path):
        overrides = ["data.dir=/data"] if "imagenet" in name else []
        runs = runs_of(choose(name), scale, overrides, 2, tmp_path)
        assert len(runs) == 2 * len(choose(name).grid.rows)
        assert [run.seed for run in runs[:2]] == [0, 1]
        assert len({run.directory.path for run in runs}) == len(runs)

    def test_a_small_run_drops_its_learning_rate_where_the_full_one_does(self):
        for name in SMALL:
            shares = set()
            for scale in ("small", "full"):
                chosen = choose(name)
                schedule = load_config(chosen.grid.config, overrides_of(chosen, scale)).schedule
                shares.add(tuple(round(m / schedule.epochs, 6) for m in schedule.milestones))
            assert len(shares) == 1


class TestNames:
    def test_a_number_is_only_taken_to_be_a_grid(self):
        assert choose("hybrid").remark == ""
        for number, name in ((3, "update_factor"), (5, "dual_batch"), (8, "hybrid")):
            chosen = choose(f"table{number}")
            assert (chosen.name, chosen.grid) == (name, choose(name).grid)
            assert f"table{number} is taken to be the grid {name}" in chosen.remark

    def test_others_are_refused(self):
        with pytest.raises(UserError, match=r"'table4'; they are dual_batch \(table5\), "):
            choose("table4")


class TestRuns:
    def test_overrides_win_over_the_scale_but_not_over_the_rows(self, tmp_path):
        chosen = choose("dual_batch")
        short = ["schedule.epochs=2", "schedule.milestones=[1]", "run.seed=7"]
        run = runs_of(chosen, "small", short, 1, tmp_path)[-1]
        assert (run.config.schedule.epochs, run.seed) == (2, 7)
        assert run.config.dual_batch.small_workers == 4
        with pytest.raises(UserError, match="dual_batch.small_workers is what the rows of"):
            runs_of(chosen, "small", ["dual_batch.small_workers=1"], 1, tmp_path)
        with pytest.raises(UserError, match="run.dir is set by the sweep; give --output"):
            runs_of(chosen, "small", ["run.dir=here"], 1, tmp_path)

    def test_imagenet_has_no_small_scale(self, tmp_path):
        with pytest.raises(UserError, match="give --scale full, or one of dual_batch, upd"):
            runs_of(choose("hybrid_imagenet"), "small", [], 1, tmp_path)
