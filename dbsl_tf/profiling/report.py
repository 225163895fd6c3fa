"""A profile for people to read: a table of the fits, then what follows from it."""

from __future__ import annotations

from pydantic import ByteSize
from rich.console import Console
from rich.table import Table

from dbsl_tf.common.terminal import narrow
from dbsl_tf.profiling.profile_file import Memory, Profile, ResolutionTimes, WorkerTimes
from dbsl_tf.profiling.time_fit import CONFIDENCE, TOLERANCE


def print_profile(profile: Profile, console: Console | None = None) -> None:
    """Prints `profile` to standard output or `console`, see `narrow`."""
    console = narrow(console)
    console.print(profile_table(profile))
    for sentence in profile_sentences(profile):
        console.print(sentence)


def profile_table(profile: Profile) -> Table:
    """Returns a table with a line for each fit: of all workers, and of each."""
    table = Table(
        caption=f"t(B) = a B + b; ± half of the {CONFIDENCE:.0%} confidence interval; "
        "c: a mini-epoch beyond its steps",
        caption_justify="left",
    )
    for heading in ("resolution", "worker"):
        table.add_column(heading)
    for heading in ("a, ms/sample", "b, ms/batch", "R²", "c, ms"):
        table.add_column(heading, justify="right", no_wrap=True)
    for times in profile.fits:
        resolution = "" if times.resolution is None else str(times.resolution)
        alone = len(times.workers) == 1
        if not alone:
            table.add_row(resolution, "mean" if times.workers else "all", *_figures(times))
        for worker in times.workers:
            table.add_row(
                resolution if alone else "", worker.host or str(worker.worker), *_figures(worker)
            )
        table.add_section()
    return table


def profile_sentences(profile: Profile) -> list[str]:
    """Returns the range of the fits, their warnings, memory and other costs, in sentences."""
    sentences = []
    for times in profile.fits:
        resolution = "" if times.resolution is None else f"resolution {times.resolution}: "
        if times.warning is None and times.linear_range is not None:
            smallest, largest = times.linear_range
            sentences.append(
                f"{resolution}t(B) = a B + b{_origin(times)} holds within {TOLERANCE:.0%} for "
                f"batches of {smallest} to {largest}."
            )
        sentences += [f"warning: {text}." for text in _warnings(resolution, times)]
    if profile.memory is not None:
        sentences.append(_memory_sentence(profile.memory))
    costs = (("an evaluation", profile.evaluation_seconds), ("a merge", profile.merge_seconds))
    measured = [f"{what} takes {seconds:.3g} s" for what, seconds in costs if seconds is not None]
    if measured:
        text = ", ".join(measured)
        sentences.append(f"{text[0].upper()}{text[1:]}.")
    return sentences


def _origin(times: ResolutionTimes) -> str:
    """Returns to which sizes the line was fitted, if not to all."""
    sizes = sorted({point.batch for point in times.points})
    smallest, largest = times.fitted_range
    if (smallest, largest) == (sizes[0], sizes[-1]):
        return ""
    return f", fitted to batches of {smallest} to {largest} as they will be used,"


def _warnings(resolution: str, times: ResolutionTimes) -> list[str]:
    """Returns the warning of the mean; if that is sound, those of the workers."""
    if times.warning is not None:
        return [f"{resolution}{times.warning}"]
    return [
        f"{resolution}{worker.host or f'worker {worker.worker}'}: {worker.warning}"
        for worker in times.workers
        if worker.warning is not None
    ]


def _memory_sentence(memory: Memory) -> str:
    if memory.bytes_per_sample <= 0:
        text = "Memory does not grow over the batch sizes measured"
    else:
        sample, fixed = ByteSize(memory.bytes_per_sample), ByteSize(memory.fixed_bytes)
        text = (
            f"A worker's memory is {sample.to('MiB'):.3g} MiB per sample plus "
            f"{fixed.to('MiB'):,.0f} MiB (R² {memory.r2:.4f})"
        )
    if memory.budget is None:
        return f"{text}."
    return (
        f"{text}; the largest batch that fits {ByteSize(memory.budget).to('MiB'):,.0f} MiB is "
        f"{memory.largest_batch:,}."
    )


def _figures(times: ResolutionTimes | WorkerTimes) -> tuple[str, ...]:
    return (
        _with_interval(times.a, times.a_interval),
        _with_interval(times.b, times.b_interval),
        f"{times.r2:.4f}",
        f"{times.overhead * 1000:.1f}",
    )


def _with_interval(value: float, interval: tuple[float, float] | None) -> str:
    text = f"{value * 1000:.4g}"
    return text if interval is None else f"{text} ± {(interval[1] - interval[0]) * 500:.2g}"
