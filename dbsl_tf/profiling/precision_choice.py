"""What `compute.precision: auto` chooses, from measured speeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from pydantic import TypeAdapter, ValidationError

from dbsl_tf.config.names import Precision

CANDIDATES: tuple[Precision, Precision] = ("float32", "mixed_bfloat16")
FLOAT32, BFLOAT16 = CANDIDATES
# Less could be chance, and float32 is the more exact.
_LEAST_GAIN = 1.05


@dataclass(frozen=True)
class PrecisionChoice:
    """A precision, and why it was chosen.

    Attributes:
        precision: what the run computes in.
        reason: in words, to follow "compute.precision=auto: mixed_bfloat16, ".
        images_per_second: of all workers together by precision, medians; empty: not measured.
    """

    precision: Precision
    reason: str
    images_per_second: Mapping[str, float]

    def __str__(self) -> str:
        return f"compute.precision=auto: {self.precision}, {self.reason}"

    def as_dict(self) -> dict[str, Any]:
        """Returns the choice as JSON values."""
        return asdict(self)


def stored_choice(values: Any) -> PrecisionChoice | None:
    """Returns the choice that `as_dict` gave these JSON values; None: they are something else."""
    try:
        return TypeAdapter(PrecisionChoice).validate_python(values)
    except ValidationError:
        return None


def unmeasured(reason: str) -> PrecisionChoice:
    """Returns the choice of float32, the only possible one for this `reason`."""
    return PrecisionChoice(FLOAT32, reason, {})


def choose(rounds: Sequence[Mapping[str, float]]) -> PrecisionChoice:
    """Returns bfloat16 if it is faster in every round, and by more than chance in the median one.

    Args:
        rounds: images/s of all workers together by precision, one after the other; at least one.
    """
    speeds: dict[str, float] = {
        name: median(speed[name] for speed in rounds) for name in CANDIDATES
    }
    gains = [speed[BFLOAT16] / speed[FLOAT32] for speed in rounds]
    gain = median(gains)
    images = f"{speeds[BFLOAT16]:,.0f} against {speeds[FLOAT32]:,.0f} images/s"
    if min(gains) > 1 and gain >= _LEAST_GAIN:
        reason = f"{gain:.2f} times as fast as float32 here ({images})"
        return PrecisionChoice(BFLOAT16, reason, speeds)
    reason = f"as mixed_bfloat16 is only {gain:.2f} times as fast here ({images})"
    return PrecisionChoice(FLOAT32, reason, speeds)
