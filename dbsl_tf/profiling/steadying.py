"""Takes the wandering of a machine's speed out of times that were measured in rounds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean, median

from dbsl_tf.profiling.measurement import StepSample

_POLISHES = 10


def steadied(rounds: Sequence[Sequence[StepSample]]) -> tuple[StepSample, ...]:
    """Returns the samples as they would be had all rounds run at the machine's usual speed.

    In a round everything is measured within seconds, and the next rounds repeat it. A time is
    then the product of what it is the time of (a worker and a batch size) and of how slow the
    machine was in that round: two factors that Tukey's median polish of the logarithms tells
    apart (Exploratory Data Analysis, 1977, chapter 11). Disturbances of single samples move
    neither. The usual speed is the median of the rounds.

    Args:
        rounds: the samples of each round. Those of one worker and size in a round count as their
            mean; rounds without a time above 0 for each worker and size are left out.

    Returns:
        One sample for each worker and size and each round that counts, in order of the rounds.
    """
    import numpy as np

    wanted = {(sample.worker, sample.batch) for samples in rounds for sample in samples}
    cells = sorted(wanted)
    table = [means for samples in rounds if set(means := _means(samples)) == wanted]
    if not table:
        return ()
    logarithms = np.log([[means[cell] for cell in cells] for means in table])
    slowness = np.zeros((len(table), 1))
    for _ in range(_POLISHES):
        typical = np.median(logarithms - slowness, axis=0)
        slowness = np.median(logarithms - typical, axis=1, keepdims=True)
    seconds = np.exp(logarithms - slowness + np.median(slowness))
    return tuple(
        StepSample(worker, batch, float(time))
        for row in seconds
        for (worker, batch), time in zip(cells, row)
    )


def at_speed_of(
    operating: Sequence[StepSample], scan: Sequence[StepSample]
) -> tuple[StepSample, ...]:
    """Returns the samples of a scan as they would be at the speed of other, later samples.

    The speed of the scan is the median, over all workers, of its times relative to the straight
    line between the median times of the smallest and the largest size of `operating`; only sizes
    between these two count. What a worker's times bend there by is left to see all but its middle.

    Args:
        operating: of two sizes at least, each of them by every worker; empty: there are none.
        scan: to be changed by one factor.
    """
    import numpy as np

    times: dict[int, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for sample in operating:
        times[sample.worker][sample.batch].append(sample.seconds_per_batch)
    ratios = []
    for sample in scan:
        typical = {size: median(seconds) for size, seconds in times[sample.worker].items()}
        if typical and min(typical) <= sample.batch <= max(typical):
            line = np.interp(sample.batch, sorted(typical), [typical[s] for s in sorted(typical)])
            ratios.append(sample.seconds_per_batch / float(line))
    if not ratios:
        return tuple(scan)
    speed = median(ratios)
    return tuple(replace(s, seconds_per_batch=s.seconds_per_batch / speed) for s in scan)


def _means(samples: Sequence[StepSample]) -> dict[tuple[int, int], float]:
    times = defaultdict(list)
    for sample in samples:
        times[sample.worker, sample.batch].append(sample.seconds_per_batch)
    means = {cell: fmean(mine) for cell, mine in times.items()}
    return {cell: mean for cell, mean in means.items() if mean > 0}
