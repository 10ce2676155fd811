"""Rows of tensors at known positions."""

from __future__ import annotations

from torch_mlir import ir

from jic.dialects import build

from ..simplify._rewrite import shape
from ._affine import Affine


def written(value: ir.Value, rows: ir.Value, position: Affine, dim: int) -> ir.Value:
    """`value` with `rows[:, i]` of shape `[…, size, …]` at `position`."""
    count, size = shape(rows)[dim : dim + 2]
    start, _ = position.bounds(count)
    if position.scale < 0:
        rows = build.reverse(rows, [dim])
    sizes, step = shape(value), abs(position.scale)
    if step != size and count > 1:
        # Windows with gaps: all but the last are rows of a matrix of `step` columns.
        spaced, tail = _split_last(rows, dim)
        block = rows_of(value, dim, start, (count - 1) * step)
        block = build.reshape(block, [*sizes[:dim], count - 1, step, *sizes[dim + 1 :]])
        block = build.dynamic_update(block, spaced, number(0), dim + 1)
        value = _put(value, build.reshape(block, [*sizes[:dim], (count - 1) * step, *sizes[dim + 1 :]]), start, dim)
        rows, start, count = tail, start + (count - 1) * step, 1
    return _put(value, build.reshape(rows, [*sizes[:dim], count * size, *sizes[dim + 1 :]]), start, dim)


def _put(value: ir.Value, rows: ir.Value, start: int, dim: int) -> ir.Value:
    if shape(rows) == shape(value):
        return rows
    return build.dynamic_update(value, rows, number(start), dim)


def number(value: int) -> ir.Value:
    return build.splat([], ir.IntegerType.get_signless(64), value)


def rows_of(value: ir.Value, dim: int, start: int, size: int) -> ir.Value:
    sizes = shape(value)
    offsets = [start if d == dim else 0 for d in range(len(sizes))]
    return build.slice_(value, offsets, [size if d == dim else s for d, s in enumerate(sizes)], [1] * len(sizes))


def _split_last(rows: ir.Value, dim: int) -> tuple[ir.Value, ir.Value]:
    count = shape(rows)[dim]
    return rows_of(rows, dim, 0, count - 1), rows_of(rows, dim, count - 1, 1)
