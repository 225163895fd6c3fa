"""Keeps libraries from using a processor's widest instructions, to emulate a lesser processor."""

from __future__ import annotations

from collections.abc import Mapping

# For each choice, the environment variables of every library in use. TensorFlow's own kernels
# (Eigen) are compiled for AVX and dispatch nothing: they are the same on every processor, apart
# from the matrix products that oneDNN computes for them.
INSTRUCTION_SETS = {
    "avx2": {
        "ONEDNN_MAX_CPU_ISA": "AVX2",  # of TensorFlow and of PyTorch
        "XLA_FLAGS": "--xla_cpu_max_isa=AVX2",
        "ATEN_CPU_CAPABILITY": "avx2",  # PyTorch's own kernels, and what its compiler writes
        "MKL_ENABLE_INSTRUCTIONS": "AVX2",  # PyTorch's matrix products
        "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",
    },
}
# These hold several settings, of which the last one counts.
_JOINED = ("XLA_FLAGS", "NPY_DISABLE_CPU_FEATURES")


def variables(choice: str | None, environment: Mapping[str, str]) -> dict[str, str]:
    """Returns the environment variables to set for a choice; the user's other settings are kept.

    Args:
        choice: one of `INSTRUCTION_SETS`; None: all instructions.
        environment: the user's environment.
    """
    chosen = dict(INSTRUCTION_SETS[choice]) if choice else {}
    for name in _JOINED:
        if name in chosen and environment.get(name, "").strip():
            chosen[name] = f"{environment[name].strip()} {chosen[name]}"
    return chosen
