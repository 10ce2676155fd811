"""Which of LLVM's CPU features this machine has, asked without LLVM."""

from __future__ import annotations

import platform

from . import _native as native

__all__ = ["machine_features", "missing_features"]


def missing_features(features: str) -> list[str]:
    """The features that `features` asks for and this machine lacks.

    Args:
        features: a CPU's name and LLVM's feature list, as in "znver4 +avx2,-amx-tile".
    """
    return native.missing_features(features)


def machine_features() -> str:
    """The machine's architecture and CPU features, as a text that differs where compiled code may differ."""
    return f"{platform.machine()} {' '.join(native.cpu_flags())}"
