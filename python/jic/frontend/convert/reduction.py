"""Reductions, scans, statistics and norms."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from torch_mlir import ir

from jic.dialects import build as b

from .conversion import (
    Conversion,
    NotConverted,
    Scalar,
    converts,
    element_of,
    is_bool,
    is_float,
    opmath,
    rank_of,
    shape_of,
    wrap_dim,
)
from .elementwise import to_bool

_e = b.elementwise


def dims_of(x: ir.Value, dims: Sequence[int] | int | None) -> list[int]:
    """Increasing dims; None and [] mean all."""
    rank = rank_of(x)
    if dims is None or (not isinstance(dims, int) and not dims):
        return list(range(rank))
    dims = [dims] if isinstance(dims, int) else dims
    return sorted({wrap_dim(d, rank) for d in dims}) if rank else []


def reduce(x: ir.Value, kind: str, dims: Sequence[int]) -> ir.Value:
    """The reduction; of a zero-dim tensor itself."""
    return b.reduce(x, kind, dims) if dims else x


def _count(x: ir.Value, dims: Sequence[int]) -> int:
    return math.prod(shape_of(x)[d] for d in dims)


def _check_not_empty(x: ir.Value, what: str) -> None:
    if 0 in shape_of(x):
        raise NotConverted(f"{what} of an empty tensor")


@converts("aten.sum.dim_IntList")
def sum_dims(c: Conversion, x: ir.Value, dims: list[int] | None, keepdim: bool, dtype: Any) -> ir.Value:
    return b.reshape(reduce(b.convert(x, c.element), "sum", dims_of(x, dims)), c.shape)


@converts("aten.sum")
def sum_(c: Conversion, x: ir.Value, dtype: Any) -> ir.Value:
    return sum_dims(c, x, None, False, dtype)


@converts("prims.sum")
def prims_sum(c: Conversion, x: ir.Value, dims: list[int], dtype: Any) -> ir.Value:
    return sum_dims(c, x, dims, False, dtype)


@converts("aten.mean.dim")
def mean_dims(c: Conversion, x: ir.Value, dims: list[int] | None, keepdim: bool, dtype: Any) -> ir.Value:
    value = b.convert(x, opmath(c.element))
    return b.convert(b.reshape(_mean(value, dims_of(x, dims)), c.shape), c.element)


@converts("aten.mean")
def mean(c: Conversion, x: ir.Value, dtype: Any) -> ir.Value:
    return mean_dims(c, x, None, False, dtype)


def _mean(x: ir.Value, dims: Sequence[int]) -> ir.Value:
    total = reduce(x, "sum", dims)
    return _e("div", total, b.splat_like(total, float(_count(x, dims))))


def mean_and_variance(x: ir.Value, dims: Sequence[int], correction: float = 0) -> tuple[ir.Value, ir.Value]:
    """Over `dims`, which disappear, in `x`'s type."""
    average = _mean(x, dims)
    kept = [1 if d in set(dims) else s for d, s in enumerate(shape_of(x))]
    centered = _e("sub", x, b.broadcast(b.reshape(average, kept), shape_of(x)))
    squares = reduce(_e("mul", centered, centered), "sum", dims)
    return average, _e("div", squares, b.splat_like(squares, max(0.0, float(_count(x, dims) - correction))))


def _variance(c: Conversion, x: ir.Value, dims: Any, correction: Scalar | None) -> tuple[ir.Value, ir.Value]:
    value = b.convert(x, opmath(element_of(x)))
    return mean_and_variance(value, dims_of(x, dims), 1 if correction is None else correction)


@converts("aten.var.correction")
def var_correction(c: Conversion, x: ir.Value, dims: Any, correction: Scalar | None, keepdim: bool) -> ir.Value:
    return b.convert(b.reshape(_variance(c, x, dims, correction)[1], c.shape), c.element)


@converts("aten.var.dim")
def var_dim(c: Conversion, x: ir.Value, dims: Any, unbiased: bool, keepdim: bool) -> ir.Value:
    return var_correction(c, x, dims, int(unbiased), keepdim)


@converts("aten.var")
def var(c: Conversion, x: ir.Value, unbiased: bool) -> ir.Value:
    return var_correction(c, x, None, int(unbiased), False)


@converts("aten.std.correction")
def std_correction(c: Conversion, x: ir.Value, dims: Any, correction: Scalar | None, keepdim: bool) -> ir.Value:
    variance = _variance(c, x, dims, correction)[1]
    return b.convert(b.reshape(_e("sqrt", variance), c.shape), c.element)


@converts("aten.std.dim")
def std_dim(c: Conversion, x: ir.Value, dims: Any, unbiased: bool, keepdim: bool) -> ir.Value:
    return std_correction(c, x, dims, int(unbiased), keepdim)


@converts("aten.std")
def std(c: Conversion, x: ir.Value, unbiased: bool) -> ir.Value:
    return std_correction(c, x, None, int(unbiased), False)


@converts("aten.var_mean.correction")
def var_mean_correction(
    c: Conversion, x: ir.Value, dims: Any, correction: Scalar | None, keepdim: bool
) -> list[ir.Value]:
    average, variance = _variance(c, x, dims, correction)
    return [b.convert(b.reshape(v, c.shape), c.element) for v in (variance, average)]


@converts("aten.var_mean.dim")
def var_mean_dim(c: Conversion, x: ir.Value, dims: Any, unbiased: bool, keepdim: bool) -> list[ir.Value]:
    return var_mean_correction(c, x, dims, int(unbiased), keepdim)


@converts("aten.std_mean.correction")
def std_mean_correction(
    c: Conversion, x: ir.Value, dims: Any, correction: Scalar | None, keepdim: bool
) -> list[ir.Value]:
    average, variance = _variance(c, x, dims, correction)
    return [b.convert(b.reshape(v, c.shape), c.element) for v in (_e("sqrt", variance), average)]


def _extreme(c: Conversion, x: ir.Value, dims: Any, kind: str) -> ir.Value:
    _check_not_empty(x, kind)
    if is_bool(element_of(x)):
        kind = "any" if kind == "max" else "all"
    return b.reshape(reduce(x, kind, dims_of(x, dims)), c.shape)


@converts("aten.amax", "prims.amax")
def amax(c: Conversion, x: ir.Value, dims: list[int], *unused: Any) -> ir.Value:
    return _extreme(c, x, dims, "max")


@converts("aten.amin", "prims.amin")
def amin(c: Conversion, x: ir.Value, dims: list[int], *unused: Any) -> ir.Value:
    return _extreme(c, x, dims, "min")


@converts("aten.max")
def max_(c: Conversion, x: ir.Value) -> ir.Value:
    return _extreme(c, x, None, "max")


@converts("aten.min")
def min_(c: Conversion, x: ir.Value) -> ir.Value:
    return _extreme(c, x, None, "min")


def _extreme_dim(c: Conversion, x: ir.Value, dim: int, kind: str) -> list[ir.Value]:
    """Values and indices along one dim."""
    _check_not_empty(x, kind)
    if is_bool(element_of(x)):
        raise NotConverted(f"{kind} with indices of a bool tensor")
    if rank_of(x) == 0:
        return [x, b.splat([], c.types[1].element_type, 0)]
    dims = dims_of(x, dim)
    return [b.reshape(reduce(x, kind, dims), c.shape), b.reshape(b.reduce(x, f"arg{kind}", dims), c.shape)]


@converts("aten.max.dim")
def max_dim(c: Conversion, x: ir.Value, dim: int, keepdim: bool) -> list[ir.Value]:
    return _extreme_dim(c, x, dim, "max")


@converts("aten.min.dim")
def min_dim(c: Conversion, x: ir.Value, dim: int, keepdim: bool) -> list[ir.Value]:
    return _extreme_dim(c, x, dim, "min")


def _arg_extreme(c: Conversion, x: ir.Value, dim: int | None, kind: str) -> ir.Value:
    _check_not_empty(x, kind)
    if is_bool(element_of(x)):
        raise NotConverted(f"{kind} of a bool tensor")
    if rank_of(x) == 0:
        return b.splat(c.shape, c.element, 0)
    if dim is None:
        x, dim = b.reshape(x, [-1]), 0
    return b.reshape(b.reduce(x, kind, dims_of(x, dim)), c.shape)


@converts("aten.argmax")
def argmax(c: Conversion, x: ir.Value, dim: int | None, keepdim: bool) -> ir.Value:
    return _arg_extreme(c, x, dim, "argmax")


@converts("aten.argmin")
def argmin(c: Conversion, x: ir.Value, dim: int | None, keepdim: bool) -> ir.Value:
    return _arg_extreme(c, x, dim, "argmin")


def _truth(c: Conversion, x: ir.Value, dims: Any, kind: str) -> ir.Value:
    return b.convert(b.reshape(reduce(to_bool(x), kind, dims_of(x, dims)), c.shape), c.element)


@converts("aten.any", "aten.any.dim", "aten.any.dims")
def any_(c: Conversion, x: ir.Value, dims: Any = None, keepdim: bool = False) -> ir.Value:
    return _truth(c, x, dims, "any")


@converts("aten.all", "aten.all.dim", "aten.all.dims")
def all_(c: Conversion, x: ir.Value, dims: Any = None, keepdim: bool = False) -> ir.Value:
    return _truth(c, x, dims, "all")


@converts("aten.prod", "aten.prod.dim_int")
def prod(c: Conversion, x: ir.Value, *arguments: Any) -> ir.Value:
    dim = arguments[0] if len(arguments) == 3 else None
    return b.reshape(reduce(b.convert(x, c.element), "prod", dims_of(x, dim)), c.shape)


@converts("aten.cumsum")
def cumsum(c: Conversion, x: ir.Value, dim: int, dtype: Any) -> ir.Value:
    return _scan(c, x, dim, "sum")


@converts("aten.cumprod")
def cumprod(c: Conversion, x: ir.Value, dim: int, dtype: Any) -> ir.Value:
    return _scan(c, x, dim, "prod")


def _scan(c: Conversion, x: ir.Value, dim: int, kind: str) -> ir.Value:
    value = b.convert(x, opmath(c.element))
    if rank_of(x):
        value = b.cumulative(value, kind, wrap_dim(dim, rank_of(x)))
    return b.convert(value, c.element)


@converts("aten.logsumexp")
def logsumexp(c: Conversion, x: ir.Value, dims: list[int], keepdim: bool) -> ir.Value:
    _check_not_empty(x, "logsumexp")
    value = b.convert(x, opmath(c.element))
    dims = dims_of(x, dims)
    shape = shape_of(x)
    kept = [1 if d in dims else s for d, s in enumerate(shape)]
    top = reduce(value, "max", dims)
    infinite = b.elementwise("isinf", top)
    top = b.select(infinite, b.splat_like(top, 0.0), top)
    shifted = _e("sub", value, b.broadcast(b.reshape(top, kept), shape))
    total = _e("add", _e("log", reduce(_e("exp", shifted), "sum", dims)), top)
    return b.convert(b.reshape(total, c.shape), c.element)


def _norm(c: Conversion, x: ir.Value, order: float, dims: list[int]) -> ir.Value:
    if not is_float(element_of(x)):
        raise NotConverted("a norm of integers")
    value = _e("abs", b.convert(x, opmath(c.element)))
    if math.isinf(order):
        _check_not_empty(x, "an infinite norm")
        total = reduce(value, "max" if order > 0 else "min", dims)
    elif order == 0:
        nonzero = b.convert(b.compare("ne", value, b.splat_like(value, 0.0)), element_of(value))
        total = reduce(nonzero, "sum", dims)
    elif order == 1:
        total = reduce(value, "sum", dims)
    elif order == 2:
        total = _e("sqrt", reduce(_e("mul", value, value), "sum", dims))
    else:
        total = reduce(_e("pow", value, b.splat_like(value, order)), "sum", dims)
        total = _e("pow", total, b.splat_like(total, 1.0 / order))
    return b.convert(b.reshape(total, c.shape), c.element)


@converts("aten.linalg_vector_norm")
def linalg_vector_norm(c: Conversion, x: ir.Value, order: Scalar, dims: Any, keepdim: bool, dtype: Any) -> ir.Value:
    return _norm(c, x, float(order), dims_of(x, dims))


@converts("aten.norm.ScalarOpt_dim")
def norm_dim(c: Conversion, x: ir.Value, order: Scalar | None, dims: list[int], keepdim: bool) -> ir.Value:
    return _norm(c, x, 2.0 if order is None else float(order), dims_of(x, dims))


@converts("aten.norm.Scalar")
def norm(c: Conversion, x: ir.Value, order: Scalar) -> ir.Value:
    return _norm(c, x, float(order), dims_of(x, None))
