"""What auto comes to, by the speeds that were measured."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from dbsl_tf.profiling.precision_choice import choose, stored_choice, unmeasured

speeds = st.floats(1, 1e6)


def _rounds(*pairs: tuple[float, float]) -> list[dict[str, float]]:
    return [{"float32": first, "mixed_bfloat16": second} for first, second in pairs]


def test_the_faster_one_is_chosen_and_said_to_be() -> None:
    choice = choose(_rounds((100, 180), (110, 190), (90, 175)))
    assert choice.precision == "mixed_bfloat16"
    assert choice.images_per_second == {"float32": 100, "mixed_bfloat16": 180}
    assert str(choice) == (
        "compute.precision=auto: mixed_bfloat16, 1.80 times as fast as float32 here "
        "(180 against 100 images/s)"
    )


def test_a_slower_one_is_not() -> None:
    choice = choose(_rounds((100, 20), (100, 30), (100, 25)))
    assert choice.precision == "float32"
    assert "only 0.25 times as fast" in str(choice)


def test_what_may_be_chance_is_not() -> None:
    assert choose(_rounds((100, 104), (100, 103))).precision == "float32"
    assert choose(_rounds((100, 150), (100, 150), (100, 99))).precision == "float32"


@given(st.lists(st.tuples(speeds, speeds), min_size=1, max_size=7))
def test_it_is_never_one_that_was_slower_in_a_round(pairs: list[tuple[float, float]]) -> None:
    choice = choose(_rounds(*pairs))
    if choice.precision == "mixed_bfloat16":
        assert all(second > first for first, second in pairs)


def test_it_is_read_as_it_was_written() -> None:
    for choice in (choose(_rounds((100, 180))), unmeasured("as it is")):
        assert stored_choice(json.loads(json.dumps(choice.as_dict()))) == choice


def test_anything_else_is_no_choice() -> None:
    whole = choose(_rounds((100, 180))).as_dict()
    for values in (None, [], {}, {**whole, "precision": "auto"}, {**whole, "reason": None}):
        assert stored_choice(values) is None
