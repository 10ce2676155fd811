"""The batched forms of contractions, and of ops on images: the iterations become rows of one matrix, images of one batch."""

from __future__ import annotations

from torch_mlir import ir

from jic.dialects import build

from ..simplify._rewrite import attribute, element, shape
from ._batch import Batched, Batcher, Form
from ._loop import attributes


def matmul(b: Batcher, op: ir.Operation, forms: list[Form]) -> Batched:
    """`[M, K] x [K, N]` for all of `T` iterations.

    If one side is the same in all iterations it is one product, `[T * M, K] x [K, N]` (or `[M * T, K] x [K, N]` where the
    iterations stand behind the rows), and likewise for the columns. If both change it is a product with one more batch dim.
    """
    lhs, rhs = forms
    transpose_lhs, transpose_rhs = attribute(op, "transpose_lhs"), attribute(op, "transpose_rhs")
    rank = len(shape(op.results[0]))
    if isinstance(lhs, Batched) and isinstance(rhs, Batched):
        return b.result(op, [b.move(lhs, 0), b.move(rhs, 0)], 0)
    if isinstance(lhs, Batched):
        assert isinstance(rhs, ir.Value)
        merged, behind = _merge(b, lhs, rank - 1 if transpose_lhs else rank - 2)
        product = build.matmul(merged, rhs, transpose_lhs, transpose_rhs)
        return _split(b, op, product, rank - 2, behind)
    assert isinstance(rhs, Batched)
    merged, behind = _merge(b, rhs, rank - 2 if transpose_rhs else rank - 1)
    return _split(b, op, build.matmul(lhs, merged, transpose_lhs, transpose_rhs), rank - 1, behind)


def conv(b: Batcher, op: ir.Operation, forms: list[Form]) -> Batched | None:
    """Ops on images: the iterations become part of the batch. Filters and statistics must be the same in all."""
    x, *others = forms
    if not isinstance(x, Batched) or any(isinstance(f, Batched) for f in others):
        return None
    merged, behind = _merge(b, x, 0)
    sizes = shape(op.results[0])
    type_ = build.tensor_type([sizes[0] * b.extent, *sizes[1:]], element(op.results[0]))
    filters = [f for f in others if isinstance(f, ir.Value)]
    product = build.op(op.name.removeprefix("jic."), [merged, *filters], [type_], attributes(op)).result
    return _split(b, op, product, 0, behind)


def _merge(b: Batcher, form: Batched, dim: int) -> tuple[ir.Value, bool]:
    """The iterations merged with `dim` of one iteration's tensor, and whether they are the inner part of the merged dim."""
    behind = form.at == dim + 1
    value = form.value if behind else b.move(form, dim)
    sizes = shape(value)
    return build.reshape(value, [*sizes[:dim], sizes[dim] * sizes[dim + 1], *sizes[dim + 2 :]]), behind


def _split(b: Batcher, op: ir.Operation, product: ir.Value, dim: int, behind: bool) -> Batched:
    """The merged dim of a result is `dim` of one iteration's; take it apart again."""
    at, sizes = dim + behind, shape(op.results[0])
    return Batched(build.reshape(product, [*sizes[:at], b.extent, *sizes[at:]]), at)
