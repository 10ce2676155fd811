"""The batched forms of ops whose addresses depend on data."""

from __future__ import annotations

from torch_mlir import ir

from jic.dialects import build

from ..simplify._rewrite import attribute, element, shape
from ._batch import Batched, Batcher, Form, first_batched, inserted


def index_select(b: Batcher, op: ir.Operation, forms: list[Form]) -> Batched | None:
    value, indices = forms
    dim, rank = attribute(op, "dim"), len(shape(op.operands[1]))
    if isinstance(value, Batched):
        if isinstance(indices, Batched):
            return None
        if value.at <= dim:
            return b.result(op, [value.value, indices], value.at, dim=build.i64(dim + 1))
        return b.result(op, [value.value, indices], value.at - 1 + rank)
    assert isinstance(indices, Batched)
    return b.result(op, [value, indices.value], dim + indices.at)


def gather(b: Batcher, op: ir.Operation, forms: list[Form]) -> Batched | None:
    if not isinstance(forms[0], Batched):
        return None  # it would have to be repeated in memory
    at, dim = forms[0].at, attribute(op, "dim")
    return b.result(op, [b.spread(f, at) for f in forms], at, dim=build.i64(dim + (dim >= at)))


def dynamic_slice(b: Batcher, op: ir.Operation, forms: list[Form]) -> Batched | None:
    """A batched source with one index, or one source with an index that the data give: rows picked by number."""
    source, index = forms
    dim, sizes = attribute(op, "dim"), shape(op.results[0])
    if isinstance(source, Batched):
        if isinstance(index, Batched):
            return None
        return b.result(op, [source.value, index], source.at, dim=build.i64(dim + (dim >= source.at)))
    assert isinstance(index, Batched)
    if sizes[dim] != 1:
        return None
    picked = build.index_select(source, _clamped(index.value, shape(source)[dim] - 1), dim)
    return Batched(build.reshape(picked, inserted(sizes, dim, b.extent)), dim)


def dynamic_update(b: Batcher, op: ir.Operation, forms: list[Form]) -> Batched | None:
    """With one index for all it is the same op; with an index each, every row looks whether it is the one."""
    source, update, index = forms
    dim = attribute(op, "dim")
    if not isinstance(index, Batched):
        at = first_batched(forms).at
        values = [b.spread(source, at), b.spread(update, at), index]
        return b.result(op, values, at, dim=build.i64(dim + (dim >= at)))
    sizes = shape(op.results[0])
    if shape(op.operands[1])[dim] != 1 or not sizes[dim]:
        return None
    full = inserted(sizes, 0, b.extent)
    row = build.broadcast(_clamped(index.value, sizes[dim] - 1), full, [0])
    chosen = build.compare("eq", build.iota(full, element(row), dim + 1), row)
    new = build.broadcast(b.spread(update, 0), full, list(range(len(full))))
    return Batched(build.select(chosen, new, b.spread(source, 0)), 0)


def _clamped(index: ir.Value, last: int) -> ir.Value:
    """The starts of slices, brought into range as `jic.dynamic_slice` does."""
    low = build.elementwise("maximum", index, build.splat_like(index, 0))
    return build.elementwise("minimum", low, build.splat_like(index, last))
