"""Ops whose addresses depend on data."""

from __future__ import annotations

from torch_mlir import ir

from jic.dialects import build as b

from .conversion import Conversion, NotConverted, converts, dtype_of, element_of, rank_of, shape_of, wrap_dim
from .view import slice_dim


def _check(x: ir.Value, indices: ir.Value) -> None:
    if 0 in shape_of(x) or 0 in shape_of(indices):
        raise NotConverted("indexing of or by an empty tensor")
    if str(element_of(indices)) not in ("i32", "i64"):
        raise NotConverted(f"indices of dtype {dtype_of(element_of(indices))}")


@converts("aten.embedding")
def embedding(
    c: Conversion, weight: ir.Value, indices: ir.Value, padding_idx: int, by_frequency: bool, sparse: bool
) -> ir.Value:
    _check(weight, indices)
    return b.index_select(weight, indices, 0)


@converts("aten.index_select")
def index_select(c: Conversion, x: ir.Value, dim: int, indices: ir.Value) -> ir.Value:
    _check(x, indices)
    if rank_of(x) == 0:
        raise NotConverted("index_select of a zero-dim tensor")
    return b.reshape(b.index_select(x, indices, wrap_dim(dim, rank_of(x))), c.shape)


@converts("aten.gather")
def gather(c: Conversion, x: ir.Value, dim: int, indices: ir.Value, sparse_grad: bool) -> ir.Value:
    _check(x, indices)
    rank = rank_of(x)
    if rank == 0 or rank_of(indices) != rank:
        raise NotConverted("gather of a zero-dim tensor")
    dim = wrap_dim(dim, rank)
    for d, size in enumerate(shape_of(indices)):  # the index may be smaller than the input
        if d != dim:
            x = slice_dim(x, d, 0, size)
    return b.gather(x, indices, dim)


@converts("aten.index.Tensor", "aten._unsafe_index.Tensor")
def index(c: Conversion, x: ir.Value, indices: list[ir.Value | None]) -> ir.Value:
    dims = [d for d, i in enumerate(indices) if i is not None]
    tensors = [i for i in indices if i is not None]
    for i in tensors:
        _check(x, i)
    if len(dims) == 1:
        return b.index_select(x, _wrapped(tensors[0], shape_of(x)[dims[0]]), dims[0])
    if dims != list(range(dims[0], dims[0] + len(dims))):
        raise NotConverted("indexing by tensors with a slice between them")
    sizes = [shape_of(x)[d] for d in dims]
    shape = shape_of(x)
    flat = b.reshape(x, [*shape[: dims[0]], -1, *shape[dims[0] + len(dims) :]])
    return b.index_select(flat, _linear(tensors, sizes), dims[0])


def _wrapped(indices: ir.Value, size: int) -> ir.Value:
    """Indices into a dim of `size`, those that count from its end as ones from its start; what is out of range stays so."""
    value = b.convert(indices, ir.IntegerType.get_signless(64))
    negative = b.compare("lt", value, b.splat_like(value, 0))
    return b.select(negative, b.elementwise("add", value, b.splat_like(value, size)), value)


def _linear(indices: list[ir.Value], sizes: list[int]) -> ir.Value:
    """One index into the merged dims; out of its range if any of `indices` is out of its own."""
    rank = max(rank_of(i) for i in indices)
    shape = [1] * rank
    for i in indices:
        for d, size in enumerate(shape_of(i), rank - rank_of(i)):
            shape[d] = size if size != 1 else shape[d]
    element = ir.IntegerType.get_signless(64)
    zero = b.splat(shape, element, 0)
    total, valid, merged = zero, b.splat(shape, ir.IntegerType.get_signless(1), True), 1
    for index_, size in zip(indices, sizes, strict=True):
        value = _wrapped(b.broadcast(b.convert(index_, element), shape), size)
        limit = b.splat(shape, element, size)
        inside = b.elementwise("and", b.compare("ge", value, zero), b.compare("lt", value, limit))
        valid = b.elementwise("and", valid, inside)
        total = b.elementwise("add", b.elementwise("mul", total, limit), value)
        merged *= size
    return b.select(valid, total, b.splat(shape, element, merged))


@converts("aten.take")
def take(c: Conversion, x: ir.Value, indices: ir.Value) -> ir.Value:
    _check(x, indices)
    flat = b.reshape(x, [-1])
    return b.index_select(flat, _wrapped(indices, shape_of(flat)[0]), 0)
