"""Softmax and the normalisations."""

from __future__ import annotations

from typing import Any

import torch
from torch_mlir import ir

from jic.dialects import build as b

from .conversion import (
    Conversion,
    NotConverted,
    converts,
    dtype_of,
    element_of,
    opmath,
    rank_of,
    shape_of,
    wrap_dim,
)
from .reduction import mean_and_variance

_e = b.elementwise


def _softmax(c: Conversion, x: ir.Value, dim: int, log: bool) -> ir.Value:
    x = b.convert(x, c.element)
    if rank_of(x) == 0:
        return b.reshape(b.softmax(b.reshape(x, [1]), 0, log), [])
    return b.softmax(x, wrap_dim(dim, rank_of(x)), log)


@converts("aten.softmax.int", "aten._softmax", "aten.special_softmax")
def softmax(c: Conversion, x: ir.Value, dim: int, *unused: Any) -> ir.Value:
    return _softmax(c, x, dim, log=False)


@converts("aten.log_softmax.int", "aten._log_softmax", "aten.special_log_softmax")
def log_softmax(c: Conversion, x: ir.Value, dim: int, *unused: Any) -> ir.Value:
    return _softmax(c, x, dim, log=True)


def _affine(weight: ir.Value | None, bias: ir.Value | None, shape: list[int], element: ir.Type) -> list[ir.Value]:
    """Nothing, the weight, or weight and bias, in one element type."""
    if weight is None and bias is None:
        return []
    weight = b.splat(shape, element, 1) if weight is None else b.convert(weight, element)
    return [weight] if bias is None else [weight, b.convert(bias, element)]


def _element(x: ir.Value, *others: ir.Value | None) -> ir.Type:
    """The type to normalise in: the input's, or f32 if a parameter has another one."""
    element = element_of(x)
    return element if all(o is None or element_of(o) == element for o in others) else opmath(element)


@converts("aten.layer_norm")
def layer_norm(
    c: Conversion,
    x: ir.Value,
    shape: list[int],
    weight: ir.Value | None,
    bias: ir.Value | None,
    epsilon: float,
    cudnn: bool,
) -> ir.Value:
    element = _element(x, weight, bias)
    affine = _affine(weight, bias, list(shape), element)
    return b.convert(b.layer_norm(b.convert(x, element), affine, len(shape), epsilon), c.element)


@converts("aten.native_layer_norm")
def native_layer_norm(
    c: Conversion, x: ir.Value, shape: list[int], weight: ir.Value | None, bias: ir.Value | None, epsilon: float
) -> list[ir.Value]:
    """The normalised tensor, the mean and the reciprocal standard deviation."""
    value = layer_norm(c, x, shape, weight, bias, epsilon, False)
    wide = b.convert(x, opmath(element_of(x)))
    dims = list(range(rank_of(x) - len(shape), rank_of(x)))
    mean, variance = mean_and_variance(wide, dims)
    rstd = _e("rsqrt", _e("add", variance, b.splat_like(variance, epsilon)))
    statistics = [
        b.reshape(b.convert(v, t.element_type), list(t.shape)) for v, t in zip((mean, rstd), c.types[1:], strict=True)
    ]
    return [value, *statistics]


@converts("aten.rms_norm")
def rms_norm(c: Conversion, x: ir.Value, shape: list[int], weight: ir.Value | None, epsilon: float | None) -> ir.Value:
    wide = b.convert(x, opmath(element_of(x)))
    dims = list(range(rank_of(x) - len(shape), rank_of(x)))
    total = b.reduce(_e("mul", wide, wide), "sum", dims)
    count = 1
    for size in shape:
        count *= size
    if epsilon is None:
        epsilon = torch.finfo(dtype_of(element_of(wide))).eps
    mean = _e("div", total, b.splat_like(total, float(count)))
    rstd = _e("rsqrt", _e("add", mean, b.splat_like(mean, epsilon)))
    kept = [1 if d in dims else s for d, s in enumerate(shape_of(x))]
    value = _e("mul", wide, b.broadcast(b.reshape(rstd, kept), shape_of(x)))
    if weight is not None:
        value = _e("mul", value, b.broadcast(b.convert(weight, element_of(wide)), shape_of(x)))
    return b.convert(value, c.element)


@converts("aten.batch_norm")
def batch_norm(
    c: Conversion,
    x: ir.Value,
    weight: ir.Value | None,
    bias: ir.Value | None,
    mean: ir.Value | None,
    variance: ir.Value | None,
    training: bool,
    momentum: float,
    epsilon: float,
    cudnn: bool,
) -> ir.Value:
    if rank_of(x) < 2:
        raise NotConverted("batch_norm of a tensor without a channel dim")
    if training or mean is None or variance is None:
        return _normalise_batch(x, weight, bias, epsilon, c.element)[0]
    element = _element(x, weight, bias, mean, variance)
    affine = _affine(weight, bias, shape_of(mean), element)
    value = b.batch_norm(b.convert(x, element), b.convert(mean, element), b.convert(variance, element), affine, epsilon)
    return b.convert(value, c.element)


def _per_channel(value: ir.Value, shape: list[int]) -> ir.Value:
    return b.broadcast(value, shape, [1])


def _normalise_batch(
    x: ir.Value, weight: ir.Value | None, bias: ir.Value | None, epsilon: float, element: ir.Type
) -> tuple[ir.Value, ir.Value, ir.Value]:
    """Normalised with the batch's own statistics; also the mean and the biased variance, of each channel."""
    wide, shape = b.convert(x, opmath(element_of(x))), shape_of(x)
    mean, variance = mean_and_variance(wide, [d for d in range(len(shape)) if d != 1])
    rstd = _e("rsqrt", _e("add", variance, b.splat_like(variance, epsilon)))
    value = _e("mul", _e("sub", wide, _per_channel(mean, shape)), _per_channel(rstd, shape))
    for name, parameter in (("mul", weight), ("add", bias)):
        if parameter is not None:
            value = _e(name, value, _per_channel(b.convert(parameter, element_of(wide)), shape))
    return b.convert(value, element), mean, variance


@converts("aten._native_batch_norm_legit_functional")
def batch_norm_training(
    c: Conversion,
    x: ir.Value,
    weight: ir.Value | None,
    bias: ir.Value | None,
    mean: ir.Value,
    variance: ir.Value,
    training: bool,
    momentum: float,
    epsilon: float,
) -> list[ir.Value]:
    """The result, the batch's mean and reciprocal standard deviation, and the new running mean and variance."""
    if not training:
        raise NotConverted("_native_batch_norm_legit_functional outside training")
    value, batch_mean, batch_variance = _normalise_batch(x, weight, bias, epsilon, c.element)
    rstd = _e("rsqrt", _e("add", batch_variance, b.splat_like(batch_variance, epsilon)))
    shape = shape_of(x)
    count = 1
    for d, size in enumerate(shape):
        count *= size if d != 1 else 1
    unbiased = _e("mul", batch_variance, b.splat_like(batch_variance, count / max(count - 1, 1)))
    new = [_moved(old, current, momentum) for old, current in ((mean, batch_mean), (variance, unbiased))]
    statistics = [batch_mean, rstd, *new]
    return [value, *(b.convert(v, t.element_type) for v, t in zip(statistics, c.types[1:], strict=True))]


def _moved(old: ir.Value, current: ir.Value, momentum: float) -> ir.Value:
    kept = b.convert(old, element_of(current))
    kept = _e("mul", kept, b.splat_like(kept, 1.0 - momentum))
    return _e("add", kept, _e("mul", current, b.splat_like(current, momentum)))


@converts("aten._native_batch_norm_legit_no_training")
def batch_norm_no_training(
    c: Conversion,
    x: ir.Value,
    weight: ir.Value | None,
    bias: ir.Value | None,
    mean: ir.Value,
    variance: ir.Value,
    momentum: float,
    epsilon: float,
) -> list[ir.Value]:
    value = batch_norm(c, x, weight, bias, mean, variance, False, momentum, epsilon, False)
    return [value, *(b.splat(t.shape, t.element_type, 0) for t in c.types[1:])]


@converts("aten.group_norm")
def group_norm(
    c: Conversion,
    x: ir.Value,
    groups: int,
    weight: ir.Value | None,
    bias: ir.Value | None,
    epsilon: float,
    cudnn: bool,
) -> ir.Value:
    element = _element(x, weight, bias)
    affine = _affine(weight, bias, [shape_of(x)[1]], element)
    return b.convert(b.group_norm(b.convert(x, element), affine, groups, epsilon), c.element)


@converts("aten.instance_norm")
def instance_norm(
    c: Conversion,
    x: ir.Value,
    weight: ir.Value | None,
    bias: ir.Value | None,
    mean: ir.Value | None,
    variance: ir.Value | None,
    use_input_statistics: bool,
    momentum: float,
    epsilon: float,
    cudnn: bool,
) -> ir.Value:
    if use_input_statistics:
        return group_norm(c, x, shape_of(x)[1], weight, bias, epsilon, cudnn)
    return batch_norm(c, x, weight, bias, mean, variance, False, momentum, epsilon, cudnn)
