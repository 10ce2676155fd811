"""The iterations that are computed at once: those of a loop, or the rows of a tensor that a loop reads row by row."""

from __future__ import annotations

from dataclasses import dataclass

from torch_mlir import ir

from jic.dialects import build

from ..simplify._rewrite import attribute, shape
from ._affine import Affine, Indices
from ._batch import Batched, Form, inserted

# Windows that overlap or leave gaps are put together from so many strided slices at most.
MAX_WINDOW = 16


class Iterations:
    """All iterations of a loop whose constant trip count is at least 1."""

    def __init__(self, index: ir.Value, indices: Indices) -> None:
        assert indices.count
        self.extent, self._index, self._indices = indices.count, index, indices

    def value(self, value: ir.Value) -> Form | None:
        """The loop's index, and carried values that count like it, as numbers along the one dim."""
        known = self._indices.affine(value)
        if known is None:
            return None
        rank = len(shape(value))
        numbers = build.iota([self.extent], ir.IntegerType.get_signless(64), 0)
        if known.scale != 1:
            numbers = build.elementwise("mul", numbers, build.splat_like(numbers, known.scale))
        if known.offset:
            numbers = build.elementwise("add", numbers, build.splat_like(numbers, known.offset))
        return Batched(build.reshape(numbers, [self.extent] + [1] * rank), 0)

    def rows(self, source: ir.Value, op: ir.Operation) -> Batched | None:
        """`source[:, scale * i + offset : … + size]` for all `i`, if all of it lies inside."""
        known = self._indices.affine(op.operands[1])
        dim = attribute(op, "dim")
        size, sizes = shape(op.results[0])[dim], shape(source)
        if known is None or not known.scale or not size:
            return None
        low, high = known.bounds(self.extent)
        if low < 0 or high + size > sizes[dim]:
            return None
        step = abs(known.scale)
        if step == size:
            block = _strided(source, dim, low, self.extent * size, 1)
            rows = build.reshape(block, [*sizes[:dim], self.extent, size, *sizes[dim + 1 :]])
        elif size <= MAX_WINDOW:
            parts = [_strided(source, dim, low + k, self.extent, step) for k in range(size)]
            shaped = [*sizes[:dim], self.extent, 1, *sizes[dim + 1 :]]
            rows = build.concat([build.reshape(p, shaped) for p in parts], dim + 1)
        else:
            return None
        return Batched(rows if known.scale > 0 else build.reverse(rows, [dim]), dim)


@dataclass(frozen=True)
class Rows:
    """All rows of tensors with `extent` of them, which the loop reads one by one at the position `index`."""

    extent: int
    index: Affine
    indices: Indices

    def value(self, value: ir.Value) -> Form | None:
        return None

    def rows(self, source: ir.Value, op: ir.Operation) -> Batched | None:
        """`source` itself: whatever the index is, it is brought into range for the rows of the result as for `source`'s."""
        dim, sizes = attribute(op, "dim"), shape(source)
        if (
            sizes[dim] != self.extent
            or shape(op.results[0])[dim] != 1
            or self.indices.affine(op.operands[1]) != self.index
        ):
            return None
        return Batched(build.reshape(source, inserted(shape(op.results[0]), dim, self.extent)), dim)


def _strided(value: ir.Value, dim: int, start: int, size: int, step: int) -> ir.Value:
    """`value[:, start::step]` with `size` elements along `dim`."""
    sizes = shape(value)
    offsets, strides = [0] * len(sizes), [1] * len(sizes)
    offsets[dim], strides[dim] = start, step
    return build.slice_(value, offsets, [size if d == dim else s for d, s in enumerate(sizes)], strides)
