"""Targets: from kernels to the code and the manifest of an artifact. `lookup` finds them by name."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from jic.errors import ConfigError

if TYPE_CHECKING:
    from .target import Target

_TARGETS = {"cpu": "CpuTarget", "cuda": "CudaTarget", "vulkan": "VulkanTarget"}
NAMES = tuple(_TARGETS)


def lookup(name: str, **options: Any) -> Target:
    """The target of a name, which is imported now; `options` are its own: `arch` of cuda, `machine` or `level` of cpu.

    Raises:
        ConfigError: there is no such target.
    """
    if name not in _TARGETS:
        raise ConfigError(f"unknown target {name!r}, expected one of {', '.join(NAMES)}")
    return getattr(importlib.import_module(f"{__name__}.{name}.target"), _TARGETS[name])(**options)
