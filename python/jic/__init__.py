"""jic: a PyTorch compiler on MLIR.

The names of the API load torch when they are first used; `jic.dialects`, `jic.passes` and the tools work without it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import errors
from .version import __version__ as __version__

if TYPE_CHECKING:
    from .api import (
        CompiledFunction,
        CompiledModule,
        Explanation,
        JitConfig,
        compile,
        explain,
        export,
        range,
        script,
        trace,
        unroll,
    )
    from .runtime.exported import load

_API = (
    *("CompiledFunction", "CompiledModule", "Explanation", "JitConfig"),
    *("compile", "explain", "export", "range", "script", "trace", "unroll"),
)
__all__ = [
    "CompiledFunction",
    "CompiledModule",
    "Explanation",
    "JitConfig",
    "compile",
    "errors",
    "explain",
    "export",
    "load",
    "range",
    "script",
    "trace",
    "unroll",
]


def __getattr__(name: str) -> Any:
    if name in _API:
        from . import api

        return getattr(api, name)
    if name == "load":  # needs the runtime alone
        from .runtime.exported import load

        return load
    raise AttributeError(f"module 'jic' has no attribute {name!r}")
