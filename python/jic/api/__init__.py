"""The public API: strings the rooms together."""

from ..frontend import range, unroll
from .compile import compile, script, trace
from .compiled import CompiledFunction
from .config import JitConfig
from .explain import Explanation, explain
from .export import export
from .module import CompiledModule

__all__ = [
    "CompiledFunction",
    "CompiledModule",
    "Explanation",
    "JitConfig",
    "compile",
    "explain",
    "export",
    "range",
    "script",
    "trace",
    "unroll",
]
