"""Views and rearrangements: reshape, transpose, slice, split, concatenate, pad."""

from __future__ import annotations

from typing import Any

from torch_mlir import ir

from jic.dialects import build as b

from .conversion import Conversion, NotConverted, Scalar, converts, element_of, rank_of, shape_of, wrap_dim
from .numbers import check_fits


def _reshape(c: Conversion, x: ir.Value, *unused: Any) -> ir.Value:
    """All ops that keep the row-major order of elements: the result's shape is known."""
    return b.reshape(x, c.shape)


for _name in (
    "view", "reshape", "_unsafe_view", "_reshape_alias", "flatten.using_ints", "unflatten.int", "squeeze",
    "squeeze.dim",
    "squeeze.dims", "unsqueeze", "view_as", "reshape_as", "ravel", "view_copy", "unsqueeze_copy", "squeeze_copy",
    "atleast_1d", "atleast_2d",
):  # fmt: skip
    converts(f"aten.{_name}")(_reshape)


@converts("prims.squeeze", "prims.reshape", "prims.split_dim", "prims.collapse_view")
def prims_reshape(c: Conversion, x: ir.Value, *unused: Any) -> ir.Value:
    return b.reshape(x, c.shape)


@converts("aten.expand", "aten.expand_as", "aten.broadcast_to", "aten.expand_copy")
def expand(c: Conversion, x: ir.Value, *unused: Any) -> ir.Value:
    return b.broadcast(x, c.shape)


@converts("aten.broadcast_tensors")
def broadcast_tensors(c: Conversion, tensors: list[ir.Value]) -> list[ir.Value]:
    rank = max((rank_of(x) for x in tensors), default=0)
    shape = [1] * rank
    for x in tensors:
        for d, size in enumerate(shape_of(x), rank - rank_of(x)):
            shape[d] = size if size != 1 else shape[d]
    return [b.broadcast(x, shape) for x in tensors]


@converts("prims.broadcast_in_dim")
def broadcast_in_dim(c: Conversion, x: ir.Value, shape: list[int], dims: list[int]) -> ir.Value:
    return b.broadcast(x, shape, dims)


@converts("aten.repeat", "aten.tile")
def repeat(c: Conversion, x: ir.Value, repeats: list[int]) -> ir.Value:
    shape = shape_of(x)
    rank = max(len(shape), len(repeats))
    shape = [1] * (rank - len(shape)) + shape
    repeats = [1] * (rank - len(repeats)) + list(repeats)
    if 0 in c.shape:
        return b.splat(c.shape, c.element, 0)
    split, spread = [], []
    for size, times in zip(shape, repeats, strict=True):
        split += [1, size]
        spread += [times, size]
    return b.reshape(b.broadcast(b.reshape(x, split), spread), c.shape)


@converts("aten.repeat_interleave.self_int")
def repeat_interleave(c: Conversion, x: ir.Value, repeats: int, dim: int | None, output_size: int | None) -> ir.Value:
    if dim is None:
        x, dim = b.reshape(x, [-1]), 0
    if 0 in c.shape:
        return b.splat(c.shape, c.element, 0)
    shape = shape_of(x)
    dim = wrap_dim(dim, len(shape))
    split = b.reshape(x, [*shape[: dim + 1], 1, *shape[dim + 1 :]])
    return b.reshape(b.broadcast(split, [*shape[: dim + 1], repeats, *shape[dim + 1 :]]), c.shape)


@converts("aten.permute", "aten.permute_copy", "prims.transpose")
def permute(c: Conversion, x: ir.Value, dims: list[int]) -> ir.Value:
    return b.transpose(x, [wrap_dim(d, rank_of(x)) for d in dims])


@converts("aten.transpose.int", "aten.swapaxes", "aten.swapdims", "aten.transpose_copy.int")
def transpose(c: Conversion, x: ir.Value, dim0: int, dim1: int) -> ir.Value:
    rank = rank_of(x)
    if rank == 0:
        return x
    order = list(range(rank))
    dim0, dim1 = wrap_dim(dim0, rank), wrap_dim(dim1, rank)
    order[dim0], order[dim1] = dim1, dim0
    return b.transpose(x, order)


@converts("aten.t", "aten.numpy_T", "aten.t_copy")
def t(c: Conversion, x: ir.Value) -> ir.Value:
    return b.transpose(x, list(range(rank_of(x)))[::-1])


@converts("aten.mT", "aten.adjoint")
def matrix_transpose(c: Conversion, x: ir.Value) -> ir.Value:
    return transpose(c, x, -2, -1)


@converts("aten.movedim.int", "aten.moveaxis.int")
def movedim_int(c: Conversion, x: ir.Value, source: int, destination: int) -> ir.Value:
    return movedim(c, x, [source], [destination])


@converts("aten.movedim.intlist", "aten.moveaxis.intlist")
def movedim(c: Conversion, x: ir.Value, source: list[int], destination: list[int]) -> ir.Value:
    rank = rank_of(x)
    source = [wrap_dim(d, rank) for d in source]
    places = {wrap_dim(d, rank): s for s, d in zip(source, destination, strict=True)}
    rest = iter(d for d in range(rank) if d not in source)
    return b.transpose(x, [places[d] if d in places else next(rest) for d in range(rank)])


def slice_dim(x: ir.Value, dim: int, start: int, size: int, step: int = 1) -> ir.Value:
    """`size` elements of dim `dim` from `start` on."""
    shape = shape_of(x)
    offsets, strides = [0] * len(shape), [1] * len(shape)
    offsets[dim], strides[dim] = start, step
    shape[dim] = size
    if size == 0:
        return b.splat(shape, element_of(x), 0)
    return b.slice_(x, offsets, shape, strides)


@converts("aten.select.int", "aten.select_copy.int")
def select(c: Conversion, x: ir.Value, dim: int, index: int) -> ir.Value:
    if isinstance(index, ir.Value):
        raise NotConverted("the index is a tensor")
    dim = wrap_dim(dim, rank_of(x))
    index = index + shape_of(x)[dim] if index < 0 else index
    return b.reshape(slice_dim(x, dim, index, 1), c.shape)


@converts("aten.slice.Tensor", "aten.slice_copy.Tensor")
def slice_(c: Conversion, x: ir.Value, dim: int, start: int | None, end: int | None, step: int) -> ir.Value:
    dim = wrap_dim(dim, rank_of(x))
    first, _, _ = slice(start, end).indices(shape_of(x)[dim])
    return slice_dim(x, dim, first, c.shape[dim], step)


@converts("aten.narrow")
def narrow(c: Conversion, x: ir.Value, dim: int, start: int, length: int) -> ir.Value:
    dim = wrap_dim(dim, rank_of(x))
    start = start + shape_of(x)[dim] if start < 0 else start
    return slice_dim(x, dim, start, length)


def _split(x: ir.Value, dim: int, sizes: list[int]) -> list[ir.Value]:
    parts, start = [], 0
    for size in sizes:
        parts.append(slice_dim(x, dim, start, size))
        start += size
    return parts


def _equal_parts(total: int, size: int) -> list[int]:
    if total == 0 or size == 0:
        return [total]
    return [min(size, total - start) for start in range(0, total, size)]


@converts("aten.split.Tensor", "aten.unsafe_split.Tensor", "aten.split_copy.Tensor")
def split(c: Conversion, x: ir.Value, size: int, dim: int) -> list[ir.Value]:
    dim = wrap_dim(dim, rank_of(x))
    return _split(x, dim, _equal_parts(shape_of(x)[dim], size))


@converts("aten.split_with_sizes", "aten.split.sizes", "aten.unsafe_split_with_sizes", "aten.split_with_sizes_copy")
def split_with_sizes(c: Conversion, x: ir.Value, sizes: list[int], dim: int) -> list[ir.Value]:
    return _split(x, wrap_dim(dim, rank_of(x)), sizes)


@converts("aten.chunk", "aten.unsafe_chunk")
def chunk(c: Conversion, x: ir.Value, chunks: int, dim: int) -> list[ir.Value]:
    dim = wrap_dim(dim, rank_of(x))
    total = shape_of(x)[dim]
    if total == 0:
        return [x] * chunks
    return _split(x, dim, _equal_parts(total, -(-total // chunks)))


@converts("aten.tensor_split.sections")
def tensor_split(c: Conversion, x: ir.Value, sections: int, dim: int) -> list[ir.Value]:
    dim = wrap_dim(dim, rank_of(x))
    size, longer = divmod(shape_of(x)[dim], sections)
    return _split(x, dim, [size + 1] * longer + [size] * (sections - longer))


@converts("aten.unbind.int", "aten.unbind_copy.int")
def unbind(c: Conversion, x: ir.Value, dim: int) -> list[ir.Value]:
    dim = wrap_dim(dim, rank_of(x))
    shape = shape_of(x)
    size = shape.pop(dim)
    return [b.reshape(part, shape) for part in _split(x, dim, [1] * size)]


@converts("aten.cat", "aten.concat", "aten.concatenate", "prims.cat")
def cat(c: Conversion, tensors: list[ir.Value], dim: int) -> ir.Value:
    # Empty tensors contribute nothing (and PyTorch allows a shape of [0] of any rank).
    parts = [b.convert(x, c.element) for x in tensors if 0 not in shape_of(x)]
    if not parts:
        return b.splat(c.shape, c.element, 0)
    return b.concat(parts, wrap_dim(dim, len(c.shape)))


@converts("aten.stack")
def stack(c: Conversion, tensors: list[ir.Value], dim: int) -> ir.Value:
    dim = wrap_dim(dim, len(c.shape))
    shape = list(c.shape)
    shape[dim] = 1
    return b.concat([b.reshape(b.convert(x, c.element), shape) for x in tensors], dim)


@converts("aten.flip", "prims.rev")
def flip(c: Conversion, x: ir.Value, dims: list[int]) -> ir.Value:
    dims = sorted({wrap_dim(d, rank_of(x)) for d in dims})
    return b.reverse(x, dims) if dims and rank_of(x) else x


@converts("aten.roll")
def roll(c: Conversion, x: ir.Value, shifts: list[int], dims: list[int]) -> ir.Value:
    if 0 in c.shape:
        return x
    if not dims:
        flat = b.reshape(x, [-1])
        return b.reshape(_rolled(flat, shifts[0], 0), c.shape)
    for shift, dim in zip(shifts, dims, strict=True):
        x = _rolled(x, shift, wrap_dim(dim, rank_of(x)))
    return x


def _rolled(x: ir.Value, shift: int, dim: int) -> ir.Value:
    size = shape_of(x)[dim]
    shift %= size
    if shift == 0:
        return x
    return b.concat([slice_dim(x, dim, size - shift, shift), slice_dim(x, dim, 0, size - shift)], dim)


@converts("aten.constant_pad_nd")
def constant_pad_nd(c: Conversion, x: ir.Value, pad: list[int], value: Scalar) -> ir.Value:
    """`pad` is low and high for the last dim, then for the one before it, …; negative entries cut off."""
    rank = rank_of(x)
    low, high = [0] * rank, [0] * rank
    for i in range(len(pad) // 2):
        low[rank - 1 - i], high[rank - 1 - i] = pad[2 * i], pad[2 * i + 1]
    check_fits(value, c.element)
    if 0 in c.shape:
        return b.splat(c.shape, c.element, value)
    for d in range(rank):
        size = shape_of(x)[d]
        if size + min(low[d], 0) + min(high[d], 0) <= 0:
            return b.splat(c.shape, c.element, value)
        x = slice_dim(x, d, max(-low[d], 0), size + min(low[d], 0) + min(high[d], 0))
    return b.pad(x, [max(p, 0) for p in low], [max(p, 0) for p in high], value)


@converts("aten.pad")
def pad(c: Conversion, x: ir.Value, pad: list[int], mode: str, value: Scalar | None) -> ir.Value:
    if mode == "constant":
        return constant_pad_nd(c, x, pad, 0 if value is None else value)
    if mode not in _PAD_MODES or 0 in shape_of(x):
        raise NotConverted(f"padding mode {mode}")
    for i in range(len(pad) // 2):
        x = _pad_by_copies(x, rank_of(x) - 1 - i, pad[2 * i], pad[2 * i + 1], mode)
    return x


_PAD_MODES = ("reflect", "replicate", "circular")


def _pad_by_copies(x: ir.Value, dim: int, low: int, high: int, mode: str) -> ir.Value:
    size = shape_of(x)[dim]
    if min(low, high) < 0 or (mode == "circular" and max(low, high) > size):
        raise NotConverted(f"padding mode {mode} with padding {low}, {high}")

    def edge(start: int, count: int) -> list[ir.Value]:
        if count == 0:
            return []
        if mode == "replicate":
            shape = shape_of(x)
            shape[dim] = count
            return [b.broadcast(slice_dim(x, dim, start, 1), shape)]
        part = slice_dim(x, dim, start, count)
        return [b.reverse(part, [dim]) if mode == "reflect" else part]

    first = {"reflect": 1, "replicate": 0, "circular": size - low}[mode]
    last = {"reflect": size - 1 - high, "replicate": size - 1, "circular": 0}[mode]
    return b.concat([*edge(first, low), x, *edge(last, high)], dim)


def _register_pads() -> None:
    for mode, prefix in (("reflect", "reflection_pad"), ("replicate", "replication_pad")):
        for n in (1, 2, 3):

            @converts(f"aten.{prefix}{n}d")
            def convert(c: Conversion, x: ir.Value, padding: list[int], mode: str = mode) -> ir.Value:
                return pad(c, x, padding, mode, None)


_register_pads()


@converts("aten.slice_scatter")
def slice_scatter(
    c: Conversion, x: ir.Value, source: ir.Value, dim: int, start: int | None, end: int | None, step: int
) -> ir.Value:
    if step != 1:
        raise NotConverted("slice_scatter with a step")
    dim = wrap_dim(dim, rank_of(x))
    size = shape_of(x)[dim]
    first, last, _ = slice(start, end).indices(size)
    if last <= first:
        return x
    source = b.convert(source, c.element)
    parts = [slice_dim(x, dim, 0, first)] if first else []
    parts.append(source)
    if last < size:
        parts.append(slice_dim(x, dim, last, size - last))
    return b.concat(parts, dim)


@converts("aten.select_scatter")
def select_scatter(c: Conversion, x: ir.Value, source: ir.Value, dim: int, index: int) -> ir.Value:
    dim = wrap_dim(dim, rank_of(x))
    index = index + shape_of(x)[dim] if index < 0 else index
    shape = shape_of(x)
    shape[dim] = 1
    return slice_scatter(c, x, b.reshape(source, shape), dim, index, index + 1, 1)


@converts("aten.pixel_shuffle")
def pixel_shuffle(c: Conversion, x: ir.Value, factor: int) -> ir.Value:
    *batch, channels, height, width = shape_of(x)
    n = len(batch)
    split = b.reshape(x, [*batch, channels // factor**2, factor, factor, height, width])
    order = [*range(n), n, n + 3, n + 1, n + 4, n + 2]
    return b.reshape(b.transpose(split, order), c.shape)
