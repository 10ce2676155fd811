"""Names of kernels, from what they compute."""

from __future__ import annotations

from torch_mlir import ir

from ..kernel.evaluate import VIEWS


def describe(names: list[str], limit: int = 4) -> str:
    """A short name from the ops that a kernel computes: its root first, at most `limit` ops."""
    work = [op for op in names if op not in (*VIEWS, "constant", "convert", "iota")]
    unique = list(dict.fromkeys(work)) or list(dict.fromkeys(names)) or ["copy"]
    return "_".join(unique[:limit])


def ops_inside(op: ir.Operation) -> list[str]:
    """Names of all that is inside an op, for reports."""
    found: list[str] = []
    for region in op.regions:
        for inner in region.blocks[0].operations:
            found += [inner.operation.name.removeprefix("jic."), *ops_inside(inner.operation)]
    return [name for name in found if name not in ("yield", "condition")]
