"""The `jic` dialect: operations by family, defined in Python on builtin tensors.

`load(context)` registers it; it is idempotent and safe to call from several threads. Multithreading of a context that holds
the dialect must stay off (the default): MLIR would call Python verifiers from its own threads.
"""

from __future__ import annotations

import threading

from torch_mlir import ir
from torch_mlir._mlir_libs import _mlir

from . import jic
from .jic import Jic, JicOp

__all__ = ["Jic", "JicOp", "context", "jic", "load"]

_lock = threading.Lock()
# Without this MLIR searches its own packages for a wrapper class at each op: 20 us an op instead of 0.5.
_mlir.globals.append_dialect_search_prefix("jic.dialects")


def load(context: ir.Context) -> None:
    """Register the dialect in `context`."""
    with _lock:  # loading from two threads at once ends the process
        if not context.is_dialect_loaded("jic"):
            with context:
                Jic.load()


def context() -> ir.Context:
    """A new context with the dialect loaded."""
    new = ir.Context()
    load(new)
    return new
