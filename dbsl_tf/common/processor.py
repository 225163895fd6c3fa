"""A machine's processor: its name, and the instruction sets that decide how fast it trains."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CPU_INFO = "/proc/cpuinfo"
# From the widest to the narrowest: Linux's flag and the usual name.
_VECTORS = (("avx512f", "AVX-512"), ("avx2", "AVX2"), ("avx", "AVX"), ("asimd", "NEON"))
_BFLOAT16 = (("amx_bf16", "AMX bfloat16"), ("avx512_bf16", "bfloat16"), ("bf16", "bfloat16"))
_VNNI = "avx512_vnni"


@dataclass(frozen=True)
class Processor:
    """A processor as Linux reports it.

    Attributes:
        name: such as "AMD EPYC 9V74"; empty if none is reported, as on many Arm machines.
        flags: its instruction sets, by Linux's names.
    """

    name: str = ""
    flags: frozenset[str] = frozenset()

    @classmethod
    def of(cls, lines: Iterable[str]) -> Processor:
        """Returns the first processor in the lines of /proc/cpuinfo; missing facts stay empty."""
        found: dict[str, str] = {}
        for line in lines:
            key, _, value = line.partition(":")
            found.setdefault(key.strip().lower(), value.strip())
        flags = found.get("flags") or found.get("features", "")
        return cls(found.get("model name", ""), frozenset(flags.split()))

    @property
    def has_bfloat16(self) -> bool:
        """Whether it multiplies in bfloat16; other processors emulate that slowly."""
        return any(flag in self.flags for flag, _ in _BFLOAT16)

    @property
    def instructions(self) -> str:
        """The instruction sets that matter, as in "AVX-512, VNNI, bfloat16"; empty: not known."""
        found = [name for flag, name in _VECTORS if flag in self.flags][:1]
        found += ["VNNI"] if _VNNI in self.flags else []
        found += [name for flag, name in _BFLOAT16 if flag in self.flags][:1]
        return ", ".join(found)


@dataclass(frozen=True)
class WorkerProcessor:
    """The processor that a worker computes on.

    Attributes:
        worker: the worker's index.
        processor: the processor of its machine.
        onednn: whether TensorFlow's oneDNN operations are on in its process.
        host: name of its machine; empty: not known.
        cores: of its machine; 0: not known.
        gpus: models of its machine's NVIDIA GPUs.
    """

    worker: int
    processor: Processor
    onednn: bool
    host: str = ""
    cores: int = 0
    gpus: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Returns it as JSON values."""
        return {
            "worker": self.worker,
            "processor": self.processor.name,
            "instructions": self.processor.instructions,
            "onednn": self.onednn,
            "host": self.host,
            "cores": self.cores,
            "gpus": list(self.gpus),
        }


def onednn_of_all(workers: Sequence[WorkerProcessor]) -> bool | None:
    """Returns whether oneDNN operations are on in all workers; None: unknown, or only in some."""
    held = {worker.onednn for worker in workers}
    return held.pop() if len(held) == 1 else None


def this_processor() -> Processor:
    """Returns the processor of this machine; empty if the system has no /proc/cpuinfo."""
    try:
        return Processor.of(Path(CPU_INFO).read_text(encoding="utf-8").splitlines())
    except OSError:
        return Processor()


def processor_name() -> str:
    """Returns the name of this machine's processor and its cores, as in "AMD EPYC, 2 cores"."""
    name = this_processor().name or platform.processor() or platform.machine()
    return f"{name or 'unknown processor'}, {os.cpu_count()} cores"
