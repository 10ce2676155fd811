"""CPUs by the named levels of the x86-64 ABI: what code for other machines than this one may assume."""

from __future__ import annotations

import platform

from jic.errors import ConfigError

from .machine import Machine, host

_V3 = (
    *("sse3", "ssse3", "sse4.1", "sse4.2", "popcnt", "cx16", "sahf", "avx", "avx2", "bmi", "bmi2"),
    *("f16c", "fma", "lzcnt", "movbe", "xsave"),
)
_V4 = (*_V3, "avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl")
# Caches as most machines of the level have them, at least.
_LEVELS = {
    "x86-64-v3": (_V3, 256, 16, 32 << 10, 256 << 10, 4 << 20),
    "x86-64-v4": (_V4, 512, 32, 32 << 10, 1 << 20, 8 << 20),
}


def machine_of(level: str) -> Machine:
    """`host` or a named level.

    Raises:
        ConfigError: a level that is not known, or of another architecture than this machine's.
    """
    if level == "host":
        return host()
    if level not in _LEVELS:
        raise ConfigError(f"cpu level {level!r} is not known, expected host, {', '.join(_LEVELS)}")
    if platform.machine() not in ("x86_64", "AMD64"):
        raise ConfigError(f"code for {level} cannot be made on {platform.machine()}", hint="use the level host")
    features, bits, registers, l1, l2, l3 = _LEVELS[level]
    return Machine(level, ",".join(f"+{f}" for f in features), bits, registers, l1, l2, l3)
