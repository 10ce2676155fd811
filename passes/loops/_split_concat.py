"""`concat([x, h], 1) @ w` is `x @ w[:k] + h @ w[k:]`."""

from __future__ import annotations

from torch_mlir import ir

from jic.dialects import build

from ..simplify._rewrite import attribute, defining, is_static, shape
from ._loop import Loop, closure, invariant_in


def split_concat(op: ir.Operation) -> None:
    """Split matmuls in the body of the loop `op` so that one part needs nothing that is carried from iteration to iteration.

    The left side is a concat along the contracted dim, the right side does not change in the loop.
    """
    loop = Loop(op)
    body = loop.operations()
    invariant = invariant_in(op)
    carried = {a for a, y in zip(loop.carried, loop.yielded, strict=True) if a != y}

    def is_free(value: ir.Value) -> bool:
        return not carried & closure(body, [value])[1]

    for matmul in body:
        if matmul.name != "jic.matmul" or not is_static(*matmul.operands):
            continue
        lhs, rhs = matmul.operands
        concat = defining(lhs, "concat")
        transpose_lhs, transpose_rhs = attribute(matmul, "transpose_lhs"), attribute(matmul, "transpose_rhs")
        rank = len(shape(lhs))
        if concat is None or invariant(lhs) or attribute(concat, "dim") != rank - (2 if transpose_lhs else 1):
            continue
        free = [is_free(v) for v in concat.operands]
        if not is_free(rhs) or all(free) or not any(free):
            continue
        with ir.InsertionPoint(matmul), matmul.location:
            total = None
            for part, start in _parts(concat, attribute(concat, "dim"), free):
                weights = _slice(rhs, rank - (1 if transpose_rhs else 2), start, shape(part)[attribute(concat, "dim")])
                product = build.matmul(part, weights, transpose_lhs, transpose_rhs)
                total = product if total is None else build.elementwise("add", total, product)
            assert total is not None
            matmul.results[0].replace_all_uses_with(total)


def _parts(concat: ir.Operation, dim: int, free: list[bool]) -> list[tuple[ir.Value, int]]:
    """Neighbours that are alike in `free`, each group as one value, and where it begins."""
    parts: list[tuple[ir.Value, int]] = []
    start, at = 0, 0
    operands = list(concat.operands)
    while at < len(operands):
        end = at
        while end < len(operands) and free[end] == free[at]:
            end += 1
        part = build.concat(operands[at:end], dim)
        parts.append((part, start))
        start += shape(part)[dim]
        at = end
    return parts


def _slice(value: ir.Value, dim: int, start: int, size: int) -> ir.Value:
    sizes = shape(value)
    offsets = [start if d == dim else 0 for d in range(len(sizes))]
    return build.slice_(value, offsets, [size if d == dim else s for d, s in enumerate(sizes)], [1] * len(sizes))
