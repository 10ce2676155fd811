"""Which of LLVM's CPU features this machine has, asked without LLVM."""

from __future__ import annotations

import functools
import platform
from pathlib import Path

__all__ = ["machine_features", "missing_features"]

# LLVM's name of a feature whose instructions a compiler may choose by itself, and Linux' name of it where they differ.
_X86 = {
    **{
        name: name.replace("avx512", "avx512_").replace("-", "_")
        for name in (
            "avx512vnni",
            "avx512vbmi2",
            "avx512bf16",
            "avx512fp16",
            "avx512bitalg",
            "avx512vpopcntdq",
            "avx512vp2intersect",
        )
    },
    **{
        name: name
        for name in (
            "avx",
            "avx2",
            "fma",
            "f16c",
            "bmi1",
            "bmi2",
            "movbe",
            "adx",
            "popcnt",
            "ssse3",
            "fma4",
            "xop",
            "tbm",
        )
    },
    **{
        name: name
        for name in ("avx512f", "avx512vl", "avx512dq", "avx512bw", "avx512cd", "avx512ifma", "aes", "sse4a", "gfni")
    },
    **{
        "sse4.1": "sse4_1",
        "sse4.2": "sse4_2",
        "bmi": "bmi1",
        "lzcnt": "abm",
        "avxvnni": "avx_vnni",
        "avx512vbmi": "avx512vbmi",
    },
    **{
        "amx-tile": "amx_tile",
        "amx-int8": "amx_int8",
        "amx-bf16": "amx_bf16",
        "vaes": "vaes",
        "pclmul": "pclmulqdq",
        "sha": "sha_ni",
    },
    "avx512fp16": "avx512_fp16",
}
_ARM = {
    "neon": "asimd",
    "fullfp16": "fphp",
    "dotprod": "asimddp",
    "sve": "sve",
    "sve2": "sve2",
    "bf16": "bf16",
    "i8mm": "i8mm",
}


@functools.cache
def _cpu_flags() -> frozenset[str]:
    """Linux' names of the CPU's features; empty where the system does not tell."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return frozenset()
    for line in text.splitlines():
        key, _, value = line.partition(":")
        if key.strip() in ("flags", "Features"):
            return frozenset(value.split())
    return frozenset()


def missing_features(features: str) -> list[str]:
    """The features that `features` asks for and this machine lacks.

    Args:
        features: a CPU's name and LLVM's feature list, as in "znver4 +avx2,-amx-tile".
    """
    flags = _cpu_flags()
    names = _X86 if platform.machine() in ("x86_64", "AMD64") else _ARM
    asked = [f[1:] for f in features.rpartition(" ")[2].split(",") if f.startswith("+")]
    if not flags:
        return []
    return [name for name in asked if name in names and names[name] not in flags]


def machine_features() -> str:
    """The machine's architecture and CPU features, as a text that differs where compiled code may differ."""
    return f"{platform.machine()} {' '.join(sorted(_cpu_flags()))}"
