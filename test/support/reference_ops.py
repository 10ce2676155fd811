"""What each `jic` op computes, in torch's words: keyword arguments are the op's attributes (and `shape`, the result's)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf

import torch
import torch.nn.functional as F
from torch import Tensor

HALF = (torch.float16, torch.bfloat16)


def _div(x: Tensor, y: Tensor) -> Tensor:
    return torch.div(x, y) if x.is_floating_point() else torch.div(x, y, rounding_mode="trunc")


def _compare(x: Tensor, y: Tensor, predicate: str) -> Tensor:
    return getattr(torch, predicate)(x, y)


def _broadcast(x: Tensor, dims: list[int], shape: list[int]) -> Tensor:
    aligned = [1] * len(shape)
    for size, d in zip(x.shape, dims, strict=True):
        aligned[d] = size
    return x.reshape(aligned).expand(shape)


def _slice(x: Tensor, offsets: list[int], strides: list[int], shape: list[int]) -> Tensor:
    for d, (offset, stride, size) in enumerate(zip(offsets, strides, shape, strict=True)):
        if size < 0:
            raise ValueError("a slice of dynamic size has no bounds to run with")
        steps = torch.arange(size) * stride + offset
        x = x.index_select(d, steps)
    return x


def _window(x: Tensor, index: Tensor, dim: int, size: int) -> Tensor:
    """The positions along `dim` of a slice of `size` that starts at `index`, clamped so that it lies inside."""
    start = min(max(int(index), 0), x.shape[dim] - size)
    return torch.arange(start, start + size)


def _dynamic_slice(x: Tensor, index: Tensor, dim: int, shape: list[int]) -> Tensor:
    if shape[dim] < 0:
        raise ValueError("a slice of dynamic size has no bounds to run with")
    return x.index_select(dim, _window(x, index, dim, shape[dim]))


def _dynamic_update(x: Tensor, update: Tensor, index: Tensor, dim: int) -> Tensor:
    return x.index_copy(dim, _window(x, index, dim, update.shape[dim]), update)


def _pad(x: Tensor, low: list[int], high: list[int], value: float) -> Tensor:
    widths = [w for pair in zip(reversed(low), reversed(high), strict=True) for w in pair]
    if x.dtype == torch.bool:
        return F.pad(x.to(torch.uint8), widths, value=int(value)).to(torch.bool)
    return F.pad(x, widths, value=value)


def _concat(*inputs: Tensor, dim: int) -> Tensor:
    return torch.cat(inputs, dim)


def _reduce(x: Tensor, kind: str, dims: list[int]) -> Tensor:
    if kind.startswith("arg"):
        return _first_extreme(x.to(torch.uint8) if x.dtype == torch.bool else x, kind == "argmax", dims[0])
    if not dims:
        return x
    if kind in ("max", "min"):
        return (torch.amax if kind == "max" else torch.amin)(x, dims)
    if kind == "sum":
        wide = x.float() if x.dtype in HALF else x
        return wide.sum(dims, dtype=wide.dtype).to(x.dtype)
    if kind in ("any", "all"):
        for d in reversed(dims):
            x = getattr(x, kind)(d)
        return x
    wide = x.float() if x.dtype in HALF else x
    for d in reversed(dims):
        wide = wide.prod(d, dtype=wide.dtype)
    return wide.to(x.dtype)


def _first_extreme(x: Tensor, largest: bool, dim: int) -> Tensor:
    """The position of the first extreme element along `dim`, or of the first NaN; a stable sort keeps equals in order."""
    position = torch.sort(x, stable=True, dim=dim, descending=largest)[1].select(dim, 0)
    if not x.is_floating_point():
        return position
    first_nan = torch.sort(x.isnan().byte(), stable=True, dim=dim, descending=True)[1].select(dim, 0)
    return torch.where(x.isnan().any(dim), first_nan, position)


def _cumulative(x: Tensor, kind: str, dim: int) -> Tensor:
    if kind in ("sum", "prod"):
        wide = x.float() if x.dtype in HALF else x
        return getattr(torch, f"cum{kind}")(wide, dim, dtype=wide.dtype).to(x.dtype)
    return getattr(torch, f"cum{kind}")(x, dim)[0]


def _widen(*tensors: Tensor) -> list[Tensor]:
    """f32 for half types; float64 for integers, whose products torch computes only in part."""
    wide = torch.float32 if tensors[0].dtype in HALF else tensors[0].dtype
    return [t.to(wide if wide.is_floating_point else torch.float64) for t in tensors]


def _matmul(x: Tensor, y: Tensor, transpose_lhs: bool, transpose_rhs: bool) -> Tensor:
    if x.dtype.is_floating_point:
        left, right = _widen(x, y)
    else:
        left, right = x, y
    left = left.mT if transpose_lhs else left
    right = right.mT if transpose_rhs else right
    return torch.matmul(left, right).to(x.dtype)


def _to_nchw(x: Tensor, layout: str) -> Tensor:
    return x if layout == "nchw" else x.movedim(-1, 1)


def _from_nchw(x: Tensor, layout: str) -> Tensor:
    return x if layout == "nchw" else x.movedim(1, -1)


def _pad_spatial(x: Tensor, padding: list[int], value: float) -> Tensor:
    """`x` in nchw with `padding` (low and high of each spatial dim) filled with `value`."""
    return _pad(x, [0, 0, *padding[::2]], [0, 0, *padding[1::2]], value)


def _conv(
    x: Tensor,
    weight: Tensor,
    stride: list[int],
    padding: list[int],
    dilation: list[int],
    groups: int,
    layout: str,
) -> Tensor:
    wide, filter_ = _widen(_pad_spatial(_to_nchw(x, layout), padding, 0), weight)
    convolve = (F.conv1d, F.conv2d, F.conv3d)[len(stride) - 1]
    out = convolve(wide, filter_, None, stride, 0, dilation, groups)
    return _from_nchw(out, layout).to(x.dtype)


def _pool(
    x: Tensor,
    kind: str,
    window: list[int],
    stride: list[int],
    padding: list[int],
    dilation: list[int],
    layout: str,
) -> Tensor:
    source = _to_nchw(x, layout)
    lowest = 0 if kind != "max" else -inf if x.is_floating_point() else torch.iinfo(x.dtype).min
    windows = _windows(_pad_spatial(source, padding, lowest), window, stride, dilation)
    if kind == "max":
        return _from_nchw(windows.amax(-1), layout)
    wide = windows.float() if x.dtype in HALF else windows
    out = wide.sum(-1, dtype=wide.dtype)
    if kind == "avg":
        inside = _pad_spatial(torch.ones_like(source, dtype=out.dtype), padding, 0)
        out = _div(out, _windows(inside, window, stride, dilation).sum(-1, dtype=out.dtype))
    return _from_nchw(out, layout).to(x.dtype)


def _windows(x: Tensor, window: list[int], stride: list[int], dilation: list[int]) -> Tensor:
    """`[N, C, *positions, taps]` of an nchw tensor."""
    n = len(window)
    for i in range(n):
        span = dilation[i] * (window[i] - 1) + 1
        x = x.unfold(2 + i, span, stride[i])[..., :: dilation[i]]
    return x.flatten(-n)


def _positions(indices: Tensor, size: int) -> Tensor:
    if ((indices < 0) | (indices >= size)).any():
        raise IndexError(f"index out of range for a dim of size {size}")
    return indices.long()


def _index_select(x: Tensor, indices: Tensor, dim: int) -> Tensor:
    flat = x.index_select(dim, _positions(indices, x.shape[dim]).flatten())
    return flat.reshape([*x.shape[:dim], *indices.shape, *x.shape[dim + 1 :]])


def _gather(x: Tensor, indices: Tensor, dim: int) -> Tensor:
    return torch.gather(x, dim, _positions(indices, x.shape[dim]))


def _softmax(x: Tensor, dim: int, log: bool) -> Tensor:
    return (torch.log_softmax if log else torch.softmax)(x, dim)


def _affine(x: Tensor, affine: Sequence[Tensor], like: torch.dtype) -> Tensor:
    for tensor, apply in zip(affine, (torch.mul, torch.add), strict=False):
        x = apply(x, tensor)
    return x.to(like)


def _layer_norm(x: Tensor, *affine: Tensor, rank: int, epsilon: float) -> Tensor:
    (wide,) = _widen(x)
    dims = list(range(x.dim() - rank, x.dim()))
    centred = wide - wide.mean(dims, keepdim=True)
    out = centred / torch.sqrt((centred * centred).mean(dims, keepdim=True) + epsilon)
    return _affine(out, affine, x.dtype)


def _per_channel(tensors: Sequence[Tensor], rank: int) -> list[Tensor]:
    return [t.reshape([1, -1] + [1] * (rank - 2)) for t in _widen(*tensors)] if tensors else []


def _batch_norm(x: Tensor, mean: Tensor, var: Tensor, *affine: Tensor, epsilon: float) -> Tensor:
    (wide,) = _widen(x)
    mean, var, *rest = _per_channel([mean, var, *affine], x.dim())
    return _affine((wide - mean) / torch.sqrt(var + epsilon), rest, x.dtype)


def _group_norm(x: Tensor, *affine: Tensor, groups: int, epsilon: float) -> Tensor:
    (wide,) = _widen(x)
    grouped = wide.reshape(x.shape[0], groups, -1)
    centred = grouped - grouped.mean(-1, keepdim=True)
    out = centred / torch.sqrt((centred * centred).mean(-1, keepdim=True) + epsilon)
    return _affine(out.reshape(x.shape), _per_channel(affine, x.dim()), x.dtype)


def _attention(query: Tensor, key: Tensor, value: Tensor, *mask: Tensor, scale: float, causal: bool) -> Tensor:
    q, k, v = _widen(query, key, value)
    scores = torch.matmul(q, k.mT) * scale
    for m in mask:
        scores = scores.masked_fill(~m, -inf) if m.dtype == torch.bool else scores + m.to(scores.dtype)
    if causal:
        scores = scores.masked_fill(torch.ones(scores.shape[-2:], dtype=torch.bool).triu(1), -inf)
    weights = torch.softmax(scores, -1)
    # A query that may look at nothing gives zeros, as torch's SDPA does.
    weights = weights.masked_fill((scores == -inf).all(-1, keepdim=True), 0.0)
    return torch.matmul(weights, v).to(query.dtype)


# fmt: off
UNARY = (
    "abs", "neg", "sign", "relu", "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sqrt", "rsqrt", "reciprocal",
    "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "sigmoid", "erf", "floor", "ceil", "round", "trunc",
    "isnan", "isinf", "logical_not",
)
# fmt: on
BINARY = {
    "add": torch.add,
    "sub": torch.sub,
    "mul": torch.mul,
    "div": _div,
    "rem": torch.fmod,
    "mod": torch.remainder,
    "pow": torch.pow,
    "maximum": torch.maximum,
    "minimum": torch.minimum,
    "atan2": torch.atan2,
    "and": torch.bitwise_and,
    "or": torch.bitwise_or,
    "xor": torch.bitwise_xor,
    "shl": torch.bitwise_left_shift,
    "shr": torch.bitwise_right_shift,
}
OPS: dict[str, Callable[..., Tensor]] = {
    **{name: getattr(torch, name) for name in UNARY},
    **BINARY,
    "not": torch.bitwise_not,
    "compare": _compare,
    "select": torch.where,
    "reshape": lambda x, shape: x.reshape(shape),
    "transpose": lambda x, permutation: x.permute(permutation),
    "broadcast": _broadcast,
    "slice": _slice,
    "reverse": lambda x, dims: x.flip(dims),
    "pad": _pad,
    "concat": _concat,
    "reduce": _reduce,
    "cumulative": _cumulative,
    "matmul": _matmul,
    "conv": _conv,
    "pool": _pool,
    "index_select": _index_select,
    "gather": _gather,
    "dynamic_slice": _dynamic_slice,
    "dynamic_update": _dynamic_update,
    "softmax": _softmax,
    "layer_norm": _layer_norm,
    "batch_norm": _batch_norm,
    "group_norm": _group_norm,
    "attention": _attention,
}
