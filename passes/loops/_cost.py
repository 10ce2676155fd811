"""What the passes on control flow know of an op: whether it may run where the program would not run it, and its price."""

from __future__ import annotations

from math import prod

from torch_mlir import ir

from ..simplify._rewrite import element, is_float, is_pure, shape, splat

# Kernels compute these where they read them, so they are worth no memory.
FREE = ("jic.constant", "jic.iota", "jic.broadcast", "jic.reshape")


def may_fail(op: ir.Operation) -> bool:
    """True if the Pure op `op` raises for some operands: a look-up out of range, an integer divided by zero."""
    if op.name in ("jic.index_select", "jic.gather"):
        return True
    if op.name in ("jic.div", "jic.rem", "jic.mod") and not is_float(element(op.operands[1])):
        return not splat(op.operands[1])
    return False


def may_speculate(op: ir.Operation) -> bool:
    """True if running `op` where the program would not is harmless. Starts of slices are clamped; look-ups can fail."""
    return is_pure(op) and not len(op.regions) and not may_fail(op)


def elements(value: ir.Value) -> int:
    """The number of elements, 0 if a dim is dynamic."""
    return max(0, prod(shape(value))) if all(d >= 0 for d in shape(value)) else 0
