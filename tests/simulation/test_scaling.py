"""Clusters of several sizes."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from dbsl_tf.common.errors import UserError
from dbsl_tf.config import load_config
from dbsl_tf.simulation.scaling import (
    parse_sizes,
    saturation,
    scale,
    scaled_small_workers,
)
from dbsl_tf.simulation.scaling_plot import plot_scaling

CONFIG = Path(__file__).resolve().parents[2] / "configs/cifar100_compsac.yaml"


def points_of(*sizes: int, **keys):
    def config_of(size: int):
        changes = [f"simulate.{key}={value}" for key, value in keys.items()]
        return load_config(
            CONFIG,
            [
                f"cluster.workers={size}",
                "dual_batch.small_workers=0",
                "simulate.epochs=4",
                *changes,
            ],
        )

    return scale(sizes, config_of, lambda size, total: lambda commits: None)


class TestScaling:
    def test_servers_saturate_where_their_merges_take_all_the_time(self):
        # A mini-epoch takes about 8 s, a merge 0.5 s and the copy: 16 workers keep it busy.
        points = points_of(
            2, 8, 32, 64, samples_per_worker=12500, commit_seconds=0.5, merge_seconds_per_byte=0
        )
        few, _, more, most = (point.outcome for point in points)
        merging = few.scenario.merging_seconds
        assert 0.5 < merging < 0.55
        assert abs(saturation(points) - 8.4 / merging) < 1
        assert (few.bottleneck, most.bottleneck) == ("workers' compute", "merging")
        assert abs(few.epoch_seconds - 8.4) < 0.6
        # Beyond it, an epoch takes what its merges take.
        assert abs(most.epoch_seconds - 64 * merging) < 2.5
        assert abs(most.epoch_seconds / more.epoch_seconds - 2) < 0.3
        assert most.mean_staleness > 3 * few.mean_staleness

    def test_no_saturation_within_the_sizes(self):
        assert saturation(points_of(2, 4, samples_per_worker=12500)) is None
        slow = points_of(2, 4, samples_per_worker=12500, commit_seconds=100)
        assert saturation(slow) is None

    def test_a_size_without_a_plan_is_named(self):
        points = points_of(4, 60000)
        assert points[1].outcome is None
        assert "exceeds the number of training samples" in points[1].problem
        with pytest.raises(UserError, match="exceeds the number of training samples"):
            points_of(60000)

    def test_sizes(self):
        assert parse_sizes("16, 4,4") == (4, 16)
        for wrong in ("", "4,x", "0", "2.5"):
            with pytest.raises(UserError, match="--workers has"):
                parse_sizes(wrong)
        assert scaled_small_workers(3, 4, 1000) == 750

    def test_the_figure_is_written(self):
        with TemporaryDirectory() as folder:
            path = Path(folder) / "scaling.svg"
            plot_scaling(points_of(4, 512, samples_per_worker=12500), path)
            assert "parameter servers" in path.read_text()
