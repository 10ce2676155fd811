"""Convolution, pooling and nearest-neighbour resampling."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import torch
from torch_mlir import ir

from jic.dialects import build as b

from .conversion import Conversion, NotConverted, converts, element_of, is_float, rank_of, shape_of


def _spread(values: Any, n: int) -> list[int]:
    """A number or a list of one number stands for all spatial dims."""
    values = [values] if isinstance(values, int) else list(values)
    return values * n if len(values) == 1 else values


def _batched(x: ir.Value, n: int) -> ir.Value:
    """With a batch dim: PyTorch also takes one image alone."""
    return b.reshape(x, [1, *shape_of(x)]) if rank_of(x) == n + 1 else x


def _conv(
    c: Conversion,
    x: ir.Value,
    weight: ir.Value,
    bias: ir.Value | None,
    stride: Sequence[int],
    padding: list[int],
    dilation: Sequence[int],
    groups: int,
) -> ir.Value:
    n = rank_of(weight) - 2
    if 0 in c.shape or 0 in shape_of(x) or not is_float(element_of(x)):
        raise NotConverted("a convolution of an empty or integer tensor")
    value = b.conv(_batched(x, n), weight, _spread(stride, n), padding, _spread(dilation, n), groups)
    if bias is not None:
        value = b.elementwise("add", value, b.broadcast(b.convert(bias, element_of(value)), shape_of(value), [1]))
    return b.reshape(value, c.shape)


def _both_sides(padding: Sequence[int], n: int) -> list[int]:
    return [p for p in _spread(padding, n) for _ in range(2)]


@converts("aten.conv1d", "aten.conv2d", "aten.conv3d")
def conv(
    c: Conversion,
    x: ir.Value,
    weight: ir.Value,
    bias: ir.Value | None,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
) -> ir.Value:
    return _conv(c, x, weight, bias, stride, _both_sides(padding, rank_of(weight) - 2), dilation, groups)


@converts("aten.conv1d.padding", "aten.conv2d.padding", "aten.conv3d.padding")
def conv_named_padding(
    c: Conversion,
    x: ir.Value,
    weight: ir.Value,
    bias: ir.Value | None,
    stride: Any,
    padding: str,
    dilation: Any,
    groups: int,
) -> ir.Value:
    n = rank_of(weight) - 2
    amounts = [0] * 2 * n
    if padding == "same":
        amounts = []
        for size, step in zip(shape_of(weight)[2:], _spread(dilation, n), strict=True):
            total = step * (size - 1)
            amounts += [total // 2, total - total // 2]
    return _conv(c, x, weight, bias, stride, amounts, dilation, groups)


@converts("aten.convolution", "aten._convolution", "aten._convolution.deprecated", "aten.convolution_overrideable")
def convolution(
    c: Conversion,
    x: ir.Value,
    weight: ir.Value,
    bias: ir.Value | None,
    stride: Any,
    padding: Any,
    dilation: Any,
    transposed: bool,
    output_padding: Any,
    groups: int,
    *unused: Any,
) -> ir.Value:
    if transposed:
        raise NotConverted("a transposed convolution")
    return conv(c, x, weight, bias, stride, padding, dilation, groups)


def _high_padding(
    c: Conversion, size: Sequence[int], window: list[int], stride: list[int], low: list[int], dilation: list[int]
) -> list[int]:
    """The padding behind the input that gives the op's result shape, which `ceil_mode` may have enlarged."""
    high = []
    for i, out in enumerate(c.shape[-len(window) :]):
        needed = (out - 1) * stride[i] + dilation[i] * (window[i] - 1) + 1 - size[i] - low[i]
        high.append(max(needed, 0))
    return high


def _pool(
    c: Conversion,
    x: ir.Value,
    kind: str,
    window: list[int],
    stride: list[int],
    padding: list[int],
    dilation: list[int],
) -> ir.Value:
    n = len(window)
    if 0 in c.shape or 0 in shape_of(x):
        raise NotConverted("pooling of an empty tensor")
    x = _batched(x, n)
    high = _high_padding(c, shape_of(x)[2:], window, stride, padding, dilation)
    both = [p for pair in zip(padding, high, strict=True) for p in pair]
    return b.reshape(b.pool(x, kind, window, stride, both, dilation), c.shape)


def _register_max_pool(n: int) -> None:
    @converts(f"aten.max_pool{n}d")
    def max_pool(
        c: Conversion, x: ir.Value, window: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool
    ) -> ir.Value:
        window = _spread(window, n)
        return _pool(c, x, "max", window, _spread(stride or window, n), _spread(padding, n), _spread(dilation, n))


for _n in (1, 2, 3):
    _register_max_pool(_n)


@converts("aten.avg_pool1d")
def avg_pool1d(
    c: Conversion, x: ir.Value, window: Any, stride: Any, padding: Any, ceil_mode: bool, count_padding: bool
) -> ir.Value:
    return _avg_pool(c, x, 1, window, stride, padding, ceil_mode, count_padding, None)


@converts("aten.avg_pool2d")
def avg_pool2d(
    c: Conversion,
    x: ir.Value,
    window: Any,
    stride: Any,
    padding: Any,
    ceil_mode: bool,
    count_padding: bool,
    divisor: int | None,
) -> ir.Value:
    return _avg_pool(c, x, 2, window, stride, padding, ceil_mode, count_padding, divisor)


@converts("aten.avg_pool3d")
def avg_pool3d(
    c: Conversion,
    x: ir.Value,
    window: Any,
    stride: Any,
    padding: Any,
    ceil_mode: bool,
    count_padding: bool,
    divisor: int | None,
) -> ir.Value:
    return _avg_pool(c, x, 3, window, stride, padding, ceil_mode, count_padding, divisor)


def _avg_pool(
    c: Conversion,
    x: ir.Value,
    n: int,
    window: Any,
    stride: Any,
    padding: Any,
    ceil_mode: bool,
    count_padding: bool,
    divisor: int | None,
) -> ir.Value:
    if not is_float(c.element):
        raise NotConverted("average pooling of integers")
    window = _spread(window, n)
    stride, padding = _spread(stride or window, n), _spread(padding, n)
    once = [1] * n
    if divisor is None and not (count_padding and any(padding)):
        # With ceil_mode a window may reach past the input: like `avg`, ATen counts only what lies inside.
        return _pool(c, x, "avg", window, stride, padding, once)
    if ceil_mode and divisor is None:
        raise NotConverted("average pooling with ceil_mode that counts padding")
    total = _pool(c, x, "sum", window, stride, padding, once)
    return b.elementwise("div", total, b.splat_like(total, float(divisor or prod(window))))


@converts("aten.adaptive_avg_pool1d", "aten.adaptive_avg_pool2d", "aten.adaptive_avg_pool3d")
def adaptive_avg_pool(c: Conversion, x: ir.Value, size: Any) -> ir.Value:
    n = len(size)
    shape = shape_of(x)
    if 0 in shape or 0 in c.shape or not is_float(c.element):
        raise NotConverted("adaptive pooling of an empty or integer tensor")
    inner, outer = shape[-n:], c.shape[-n:]
    if any(i % o for i, o in zip(inner, outer, strict=True)):
        raise NotConverted(f"adaptive pooling from {inner} to {outer}, which does not divide")
    window = [i // o for i, o in zip(inner, outer, strict=True)]
    if prod(outer) > 1:
        return _pool(c, x, "avg", window, window, [0] * n, [1] * n)
    wide = b.convert(x, ir.F32Type.get() if not isinstance(c.element, ir.F64Type) else c.element)
    total = b.reduce(wide, "sum", list(range(len(shape) - n, len(shape))))
    mean = b.elementwise("div", total, b.splat_like(total, float(prod(inner))))
    return b.reshape(b.convert(mean, c.element), c.shape)


@converts("aten._adaptive_avg_pool2d", "aten._adaptive_avg_pool3d")
def adaptive_avg_pool_inner(c: Conversion, x: ir.Value, size: Any) -> ir.Value:
    return adaptive_avg_pool(c, x, size)


def _nearest(c: Conversion, x: ir.Value, n: int, scales: Sequence[float | None]) -> ir.Value:
    """Each result position reads `floor(position * scale)`: repeats where sizes divide, else an index look-up a dim."""
    shape = shape_of(x)
    if 0 in c.shape or 0 in shape:
        raise NotConverted("resampling of an empty tensor")
    for i in range(n):
        dim = len(shape) - n + i
        size, out = shape[dim], c.shape[dim]
        if size == out and scales[i] in (None, 1.0):
            continue
        # As ATen computes it, in f32.
        given = scales[i]
        scale = torch.tensor(1.0 / given if given else size / out, dtype=torch.float32)
        index = (torch.arange(out, dtype=torch.float32) * scale).floor().to(torch.int64).clamp(max=size - 1)
        times = out // size
        if out % size == 0 and torch.equal(index, torch.arange(out) // times):
            now = shape_of(x)
            split = b.reshape(x, [*now[: dim + 1], 1, *now[dim + 1 :]])
            spread = b.broadcast(split, [*now[: dim + 1], times, *now[dim + 1 :]])
            x = b.reshape(spread, [*now[:dim], out, *now[dim + 1 :]])
        else:
            x = b.index_select(x, c.constant(index), dim)
    return x


@converts("aten.upsample_nearest1d.vec", "aten.upsample_nearest2d.vec", "aten.upsample_nearest3d.vec")
def upsample_nearest_vec(c: Conversion, x: ir.Value, size: list[int] | None, scales: list[float] | None) -> ir.Value:
    n = rank_of(x) - 2
    return _nearest(c, x, n, [None] * n if scales is None else scales)


@converts("aten.upsample_nearest1d", "aten.upsample_nearest2d", "aten.upsample_nearest3d")
def upsample_nearest(c: Conversion, x: ir.Value, size: list[int], *scales: float | None) -> ir.Value:
    return _nearest(c, x, rank_of(x) - 2, scales)
