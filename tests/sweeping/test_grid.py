"""The points of a grid, and their names."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbsl_tf.common.errors import UserError
from dbsl_tf.sweeping.grid import Point, parse_axes, points


class TestGrid:
    def test_every_combination_in_order(self):
        axes = parse_axes(["dual_batch.small_workers=0,1", "model.name=resnet8, resnet20"])
        assert [" ".join(point.overrides) for point in points(axes)] == [
            "dual_batch.small_workers=0 model.name=resnet8",
            "dual_batch.small_workers=0 model.name=resnet20",
            "dual_batch.small_workers=1 model.name=resnet8",
            "dual_batch.small_workers=1 model.name=resnet20",
        ]
        assert points(axes)[1].name == "small_workers=0,name=resnet20"

    def test_no_axis_is_one_point(self):
        (point,) = points(parse_axes([]))
        assert (point.overrides, point.name) == ([], "configuration")

    def test_a_key_is_not_given_under_its_older_name_too(self):
        axes = ["merge.rule=average,delta", "dual_batch.merge=delta"]
        for texts, overrides in ((axes, []), (axes[:1], axes[1:])):
            with pytest.raises(UserError, match="is given twice; give all its values in one place"):
                parse_axes(texts, overrides)
        # Its folders are found again where a sweep goes on that was begun with it.
        (axis,) = parse_axes(["dual_batch.merge=average,interpolate"])
        assert points([axis])[0].name == "merge=average"

    def test_commas_in_brackets_and_quotes_part_nothing(self):
        (axis,) = parse_axes(["data.augment=[random_crop: {padding: 4}, random_flip],[],'a,b'"])
        assert axis.values == ("[random_crop: {padding: 4}, random_flip]", "[]", "'a,b'")

    def test_keys_that_end_alike_keep_their_sections_in_names(self):
        point = Point((("compute.mode", "a"), ("sync.mode", "b")))
        assert point.name == "compute.mode=a,sync.mode=b"

    @given(st.lists(st.text(min_size=1, max_size=60), min_size=2, max_size=2, unique=True))
    def test_names_are_fit_for_folders_and_tell_points_apart(self, values):
        first, second = (Point((("run.note", value),)).name for value in values)
        assert first != second
        for name in (first, second):
            assert re.search(r"\Anote=[A-Za-z0-9._+-]+\Z", name)
            assert len(name) < 60

    def test_mistakes(self):
        for texts, overrides, pattern in (
            (["model.name"], [], "'model.name' has no '='"),
            (["run.seed=1,2"], [], "run.seed is set by the sweep; give --seeds"),
            (["run.dir=a,b"], [], "run.dir is set by the sweep; give --output"),
            (["a.b=1", "a.b=2"], [], "a.b is given twice"),
            (["a.b=1,2"], ["a.b=3"], "a.b is given twice"),
            (["a.b=1,"], [], "empty value"),
            (["a.b=1,2,1"], [], "the same value twice"),
        ):
            with pytest.raises(UserError, match=pattern):
                parse_axes(texts, overrides)
