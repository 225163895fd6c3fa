"""The processor of a machine: its name, and the instructions that decide how fast it trains."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CPU_INFO = "/proc/cpuinfo"
# From the widest to the narrowest: the flag of Linux, and what it is called.
_VECTORS = (("avx512f", "AVX-512"), ("avx2", "AVX2"), ("avx", "AVX"), ("asimd", "NEON"))
_BFLOAT16 = (("amx_bf16", "AMX bfloat16"), ("avx512_bf16", "bfloat16"), ("bf16", "bfloat16"))
_VNNI = "avx512_vnni"


@dataclass(frozen=True)
class Processor:
    """What Linux tells of a processor.

    Attributes:
        name: such as "AMD EPYC 9V74"; empty where it tells none, as on many Arm machines.
        flags: its instruction sets, by Linux's names.
    """

    name: str = ""
    flags: frozenset[str] = frozenset()

    @classmethod
    def of(cls, lines: Iterable[str]) -> Processor:
        """The first processor of the lines of /proc/cpuinfo; what they lack is left empty."""
        found: dict[str, str] = {}
        for line in lines:
            key, _, value = line.partition(":")
            found.setdefault(key.strip().lower(), value.strip())
        flags = found.get("flags") or found.get("features", "")
        return cls(found.get("model name", ""), frozenset(flags.split()))

    @property
    def has_bfloat16(self) -> bool:
        """Whether it multiplies in bfloat16; others only emulate that, slowly."""
        return any(flag in self.flags for flag, _ in _BFLOAT16)

    @property
    def instructions(self) -> str:
        """The instructions that count, as in "AVX-512, VNNI, bfloat16"; empty: not known."""
        found = [name for flag, name in _VECTORS if flag in self.flags][:1]
        found += ["VNNI"] if _VNNI in self.flags else []
        found += [name for flag, name in _BFLOAT16 if flag in self.flags][:1]
        return ", ".join(found)


@dataclass(frozen=True)
class WorkerProcessor:
    """What a worker computes with.

    Attributes:
        worker: its index.
        processor: of its machine.
        onednn: whether TensorFlow's oneDNN operations are on in its process.
    """

    worker: int
    processor: Processor
    onednn: bool

    def as_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "worker": self.worker,
            "processor": self.processor.name,
            "instructions": self.processor.instructions,
            "onednn": self.onednn,
        }


def onednn_of_all(workers: Sequence[WorkerProcessor]) -> bool | None:
    """Whether oneDNN operations are on in every worker, or in none; None: it is not known, or they
    are not alike."""
    held = {worker.onednn for worker in workers}
    return held.pop() if len(held) == 1 else None


def this_processor() -> Processor:
    """This machine's; empty where the system has no /proc/cpuinfo."""
    try:
        return Processor.of(Path(CPU_INFO).read_text(encoding="utf-8").splitlines())
    except OSError:
        return Processor()


def processor_name() -> str:
    """Returns the name of this machine's processor and its cores, as in "AMD EPYC, 2 cores"."""
    name = this_processor().name or platform.processor() or platform.machine()
    return f"{name or 'unknown processor'}, {os.cpu_count()} cores"
