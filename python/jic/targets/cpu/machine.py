"""What the templates need to know of the machine they compile for."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

import llvmlite.binding as llvm

from ..kernel.elements import ELEMENT_BYTES


@dataclass(frozen=True)
class Machine:
    """A CPU: LLVM's name and feature string for it, vector register width in bits, cache sizes in bytes."""

    name: str
    features: str
    vector_bits: int
    vector_registers: int
    l1: int
    l2: int
    l3: int

    def lanes(self, element: str) -> int:
        """Elements of `element` in one vector register; f16 and bf16 count as the f32 they are computed in."""
        size = {"f16": 4, "bf16": 4, "i1": 4}.get(element, ELEMENT_BYTES[element])
        return max(1, self.vector_bits // (8 * size))


def _cache_bytes(level: int, default: int) -> int:
    for index in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*"):
        try:
            if int((index / "level").read_text()) == level and (index / "type").read_text().strip() != "Instruction":
                text = (index / "size").read_text().strip()
                return int(text.rstrip("KM")) * {"K": 1 << 10, "M": 1 << 20}.get(text[-1], 1)
        except (OSError, ValueError):
            continue
    return default


@functools.cache
def host() -> Machine:
    """The machine this process runs on."""
    features = llvm.get_host_cpu_features()
    flags = features.flatten()
    wide = features.get("avx512f") and features.get("avx512vl") and features.get("avx512dq")
    bits = 512 if wide else 256 if features.get("avx2") else 128
    registers = 32 if wide or "neon" in flags else 16
    return Machine(
        name=llvm.get_host_cpu_name(),
        features=flags,
        vector_bits=bits,
        vector_registers=registers,
        l1=_cache_bytes(1, 32 << 10),
        l2=_cache_bytes(2, 512 << 10),
        l3=_cache_bytes(3, 8 << 20),
    )
