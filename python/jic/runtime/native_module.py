"""The compiled part of the runtime, told once where torch's entry points are."""

from __future__ import annotations

from pathlib import Path

import torch

from . import _native as native
from .tensor_layout import tensor_layout

__all__ = ["DTYPES", "has_threads", "native", "type_code"]

# torch's name of each dtype, with DLPack's type code and width in bits.
DTYPES: dict[str, tuple[int, int]] = {
    "bool": (6, 8),
    "uint8": (1, 8),
    "uint16": (1, 16),
    "uint32": (1, 32),
    "uint64": (1, 64),
    "int8": (0, 8),
    "int16": (0, 16),
    "int32": (0, 32),
    "int64": (0, 64),
    "float16": (2, 16),
    "bfloat16": (4, 16),
    "float32": (2, 32),
    "float64": (2, 64),
    "complex64": (5, 64),
    "complex128": (5, 128),
}


def type_code(dtype: torch.dtype | str) -> tuple[int, int]:
    """DLPack's (type code, bits) of a dtype, given as such or by name.

    Raises:
        ValueError: a dtype that the runtime does not pass to kernels.
    """
    name = str(dtype).removeprefix("torch.")
    if name not in DTYPES:
        raise ValueError(f"dtype {name} is not supported by the runtime")
    return DTYPES[name]


def _initialize() -> bool:
    libraries = Path(torch.__file__).parent / "lib"
    c10 = libraries / "libc10.so"
    openmp = next(iter(sorted(libraries.glob("libgomp*"))), None)
    return native.initialize(
        torch.Tensor,
        torch.nn.Parameter,
        torch.is_grad_enabled,
        str(c10) if c10.exists() else None,
        str(openmp) if openmp else None,
    )


has_threads: bool = _initialize()
native.set_tensor_layout(tensor_layout())
