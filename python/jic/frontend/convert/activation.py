"""Activation functions, as compositions of elementwise ops computed in at least f32."""

from __future__ import annotations

import math

from torch_mlir import ir

from jic.dialects import build as b

from .conversion import Conversion, NotConverted, Scalar, converts, is_bool, is_float, rank_of, shape_of, wrap_dim
from .elementwise import op
from .numbers import check_fits

_e = b.elementwise


def _number(like: ir.Value, value: Scalar) -> ir.Value:
    return b.splat_like(like, value)


@converts("aten.relu")
def relu(c: Conversion, x: ir.Value) -> ir.Value:
    return c.map(op("relu"), x, exact=True)


@converts("aten.gelu")
def gelu(c: Conversion, x: ir.Value, approximate: str) -> ir.Value:
    return c.map(_gelu_tanh if approximate == "tanh" else _gelu_erf, x)


def _gelu_erf(x: ir.Value) -> ir.Value:
    erf = _e("erf", _e("mul", x, _number(x, math.sqrt(0.5))))
    return _e("mul", _e("mul", x, _number(x, 0.5)), _e("add", erf, _number(x, 1.0)))


def _gelu_tanh(x: ir.Value) -> ir.Value:
    cube = _e("mul", _e("mul", x, x), x)
    inner = _e("mul", _e("add", x, _e("mul", cube, _number(x, 0.044715))), _number(x, math.sqrt(2 / math.pi)))
    return _e("mul", _e("mul", x, _number(x, 0.5)), _e("add", _e("tanh", inner), _number(x, 1.0)))


@converts("aten.silu")
def silu(c: Conversion, x: ir.Value) -> ir.Value:
    return c.map(lambda v: _e("mul", v, _e("sigmoid", v)), x)


@converts("aten.mish")
def mish(c: Conversion, x: ir.Value) -> ir.Value:
    return c.map(lambda v: _e("mul", v, _e("tanh", _e("log1p", _e("exp", v)))), x)


@converts("aten.softplus")
def softplus(c: Conversion, x: ir.Value, beta: Scalar, threshold: Scalar) -> ir.Value:
    def emit(v: ir.Value) -> ir.Value:
        scaled = _e("mul", v, _number(v, beta))
        soft = _e("div", _e("log1p", _e("exp", scaled)), _number(v, beta))
        return b.select(b.compare("gt", scaled, _number(v, threshold)), v, soft)

    return c.map(emit, x)


@converts("aten.log_sigmoid")
def log_sigmoid(c: Conversion, x: ir.Value) -> ir.Value:
    def emit(v: ir.Value) -> ir.Value:
        tail = _e("log1p", _e("exp", _e("neg", _e("abs", v))))
        return _e("sub", _e("minimum", v, _number(v, 0.0)), tail)

    return c.map(emit, x)


@converts("aten.elu")
def elu(c: Conversion, x: ir.Value, alpha: Scalar, scale: Scalar, input_scale: Scalar) -> ir.Value:
    def emit(v: ir.Value) -> ir.Value:
        below = _e("mul", _e("expm1", _e("mul", v, _number(v, input_scale))), _number(v, alpha * scale))
        return b.select(b.compare("le", v, _number(v, 0.0)), below, _e("mul", v, _number(v, scale)))

    return c.map(emit, x)


@converts("aten.selu")
def selu(c: Conversion, x: ir.Value) -> ir.Value:
    return elu(c, x, 1.6732632423543772848170429916717, 1.0507009873554804934193349852946, 1.0)


@converts("aten.celu")
def celu(c: Conversion, x: ir.Value, alpha: Scalar) -> ir.Value:
    return elu(c, x, alpha, 1.0, 1.0 / alpha)


@converts("aten.leaky_relu")
def leaky_relu(c: Conversion, x: ir.Value, slope: Scalar) -> ir.Value:
    def emit(v: ir.Value) -> ir.Value:
        return b.select(b.compare("gt", v, _number(v, 0)), v, _e("mul", v, _number(v, slope)))

    return c.map(emit, x)


@converts("aten.prelu")
def prelu(c: Conversion, x: ir.Value, weight: ir.Value) -> ir.Value:
    """The weight is one number, or one for each channel at dim 1."""
    size = (shape_of(weight) or [1])[0]
    rank = rank_of(x)
    weight = b.reshape(weight, [] if size == 1 else [size, *[1] * (rank - 2)])

    def emit(v: ir.Value, w: ir.Value) -> ir.Value:
        return b.select(b.compare("gt", v, _number(v, 0.0)), v, _e("mul", v, w))

    return c.map(emit, x, weight)


@converts("aten.hardtanh")
def hardtanh(c: Conversion, x: ir.Value, low: Scalar, high: Scalar) -> ir.Value:
    for bound in (low, high):
        check_fits(bound, c.element)
    return c.map(lambda v: _clamped(v, low, high), x, exact=True)


@converts("aten.relu6")
def relu6(c: Conversion, x: ir.Value) -> ir.Value:
    return hardtanh(c, x, 0, 6)


def _clamped(v: ir.Value, low: Scalar, high: Scalar) -> ir.Value:
    return _e("minimum", _e("maximum", v, _number(v, low)), _number(v, high))


@converts("aten.hardsigmoid")
def hardsigmoid(c: Conversion, x: ir.Value) -> ir.Value:
    return c.map(lambda v: _e("div", _shifted(v), _number(v, 6.0)), x)


@converts("aten.hardswish")
def hardswish(c: Conversion, x: ir.Value) -> ir.Value:
    return c.map(lambda v: _e("div", _e("mul", v, _shifted(v)), _number(v, 6.0)), x)


def _shifted(v: ir.Value) -> ir.Value:
    return _clamped(_e("add", v, _number(v, 3.0)), 0.0, 6.0)


@converts("aten.threshold")
def threshold(c: Conversion, x: ir.Value, limit: Scalar, value: Scalar) -> ir.Value:
    if is_bool(c.element) or (not is_float(c.element) and isinstance(limit, float)):
        raise NotConverted("threshold of integers with a float limit")
    for number in (limit, value):
        check_fits(number, c.element)
    return c.map(lambda v: b.select(b.compare("le", v, _number(v, limit)), _number(v, value), v), x)


@converts("aten.glu")
def glu(c: Conversion, x: ir.Value, dim: int) -> ir.Value:
    shape = shape_of(x)
    dim = wrap_dim(dim, len(shape))
    half = [*shape]
    half[dim] //= 2
    zeros, ones = [0] * len(shape), [1] * len(shape)
    upper = [half[d] if d == dim else 0 for d in range(len(shape))]
    value, gate = b.slice_(x, zeros, half, ones), b.slice_(x, upper, half, ones)
    return c.map(lambda v, g: _e("mul", v, _e("sigmoid", g)), value, gate)
