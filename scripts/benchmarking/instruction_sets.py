"""Keeps libraries from a processor's widest instructions, to see how a lesser one would do."""

from __future__ import annotations

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
