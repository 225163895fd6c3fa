"""What is read of /proc/cpuinfo."""

from __future__ import annotations

import pytest

from dbsl_tf.common.processor import (
    Processor,
    WorkerProcessor,
    onednn_of_all,
    processor_name,
    this_processor,
)

EPYC = """\
processor\t: 0
model name\t: AMD EPYC 7B13
flags\t\t: fpu sse2 avx avx2 vaes

processor\t: 1
model name\t: another
flags\t\t: fpu
"""


def test_the_first_processor_counts() -> None:
    processor = Processor.of(EPYC.splitlines())
    assert processor.name == "AMD EPYC 7B13"
    assert processor.flags == {"fpu", "sse2", "avx", "avx2", "vaes"}


@pytest.mark.parametrize(
    ("line", "instructions", "bfloat16"),
    [
        ("flags : fpu sse2", "", False),
        ("flags : avx avx2", "AVX2", False),
        ("flags : avx avx2 avx512f", "AVX-512", False),
        ("flags : avx avx2 avx512f avx512_vnni", "AVX-512, VNNI", False),
        ("flags : avx2 avx512f avx512_vnni avx512_bf16", "AVX-512, VNNI, bfloat16", True),
        ("flags : avx512f avx512_vnni avx512_bf16 amx_bf16", "AVX-512, VNNI, AMX bfloat16", True),
        ("Features : fp asimd", "NEON", False),
        ("Features : fp asimd bf16", "NEON, bfloat16", True),
    ],
)
def test_the_instructions_that_count(line: str, instructions: str, bfloat16: bool) -> None:
    processor = Processor.of([line])
    assert (processor.instructions, processor.has_bfloat16) == (instructions, bfloat16)


def test_nothing_known_is_no_error() -> None:
    assert Processor.of([]) == Processor.of(["nonsense", ":"]) == Processor()


def test_this_machine_has_a_processor_with_a_name() -> None:
    name, cores = processor_name().rsplit(", ", 1)
    assert name and cores.endswith(" cores")
    assert isinstance(this_processor().instructions, str)


def test_workers_that_are_not_alike_have_no_common_answer() -> None:
    on, off = (WorkerProcessor(0, Processor(), held) for held in (True, False))
    assert onednn_of_all([on, on]) is True
    assert onednn_of_all([off]) is False
    assert onednn_of_all([on, off]) is None
    assert onednn_of_all([]) is None
