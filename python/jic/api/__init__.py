"""The public API: strings the rooms together."""

from ..frontend import range, unroll
from .compile import compile, script, trace
from .compiled import CompiledFunction, CompiledModule
from .config import JitConfig
from .explain import Explanation, explain

__all__ = [
    "CompiledFunction",
    "CompiledModule",
    "Explanation",
    "JitConfig",
    "compile",
    "explain",
    "range",
    "script",
    "trace",
    "unroll",
]
