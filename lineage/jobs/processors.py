"""Kernels that every x86-64 processor with AVX2 has, so that results do not depend on the one that computed them.

Libraries choose their kernels by the processor, and another kernel has other last digits. What one of these variables
governs is in the manuals of PyTorch, oneMKL, oneDNN, OpenBLAS and NumPy. Square roots of tensors stay as they are:
oneMKL approximates them on processors that are not Intel's, whatever it is told.
"""

from collections.abc import Mapping

COMMON = {
    "ATEN_CPU_CAPABILITY": "avx2",
    "MKL_CBWR": "COMPATIBLE",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "OPENBLAS_CORETYPE": "Haswell",
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",
}
"""Environment variables; a library reads its own when it is loaded."""


def kernels_for(reproducible: str) -> Mapping[str, str]:
    """The environment of jobs.

    Args:
        reproducible: on one `machine`, where libraries choose, or between `processors`.
    """
    return COMMON if reproducible == "processors" else {}
