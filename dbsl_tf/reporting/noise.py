"""What a run has measured of its batch noise, beside the batches it was trained with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from dbsl_tf.planning.batch_noise import CONFIDENCE
from dbsl_tf.planning.dual_batch import ROLES
from dbsl_tf.reporting.parts import Part, Table
from dbsl_tf.reporting.recorded_run import RecordedRun
from dbsl_tf.reporting.wording import number, percent
from dbsl_tf.results.records import NoiseRecord

Place = Literal["below", "above", "within"]

_MEANING = {
    "below": "below it: steps are mostly noise, and larger batches would still bring more",
    "above": "above it: much of what further samples in a batch cost is wasted",
    "within": "within its bounds: which is larger cannot be told",
}


def trained_batches(run: RecordedRun) -> Mapping[str, int]:
    """Returns the batch of each role, small first, in the mini-epochs last merged.

    Where the workers of a role differ, it is that of one of them.
    """
    last = {m.role: m.batch for m in run.mini_epochs if m.batch is not None}
    return {role: last[role] for role in ROLES if role in last}


def place_of(batch: int, measured: NoiseRecord) -> Place:
    """Returns where a batch lies, as far as the bounds of B_noise tell."""
    if measured.low is None or batch < measured.low:
        return "below"
    if measured.high is not None and batch > measured.high:
        return "above"
    return "within"


def noise_parts(run: RecordedRun) -> list[Part]:
    """Returns what was measured last, and where the batches lie; empty if nothing was measured."""
    if not run.noises:
        return []
    last = run.noises[-1]
    rows = [
        [
            f"{role} batch",
            _MEANING[place_of(batch, last)],
            batch,
            percent(_use(batch, last)),
            _count_below(run, batch),
        ]
        for role, batch in trained_batches(run).items()
    ]
    return [
        f"Batch noise scale after epoch {last.epoch}: {noise_text(last)}, from {last.batches} "
        f"batches of {last.large_batch} and those of {last.small_batch} made of their samples "
        "(arXiv 1812.06162). Use of a sample: how much of what it brings in very small batches it "
        "brings in such a batch, 1 / (1 + B / B_noise).",
        Table(
            "Batches beside the batch noise scale",
            ("", "after the last epoch measured", "B", "use of a sample", "epochs below it"),
            rows,
            texts=2,
        ),
    ]


def noise_text(measured: NoiseRecord) -> str:
    """Returns B_noise with its bounds, in samples."""
    told = "too large to be told" if measured.noise is None else f"{measured.noise:,.0f} samples"
    low = "no bound" if measured.low is None else f"{measured.low:,.0f}"
    high = "no bound" if measured.high is None else f"{measured.high:,.0f}"
    return f"{told} ({CONFIDENCE:.0%} bounds: {low} to {high})"


def _use(batch: int, measured: NoiseRecord) -> float:
    if measured.noise is None:
        return 1.0
    return measured.noise / (measured.noise + batch)


def _count_below(run: RecordedRun, batch: int) -> str:
    below = sum(place_of(batch, record) == "below" for record in run.noises)
    return f"{number(below, 0)} of {len(run.noises)}"
