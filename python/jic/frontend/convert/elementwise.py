"""Elementwise ops: arithmetic, comparisons, logic, math functions, type conversions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch_mlir import ir

from jic.dialects import build as b

from .conversion import (
    Conversion,
    NotConverted,
    Scalar,
    converts,
    dtype_of,
    element_of,
    is_bool,
    is_float,
    opmath,
)
from .numbers import check_fits, is_never_zero, number_of

Operand = ir.Value | Scalar

# Results in the operand's type, the same however wide the computation is.
_EXACT = {"abs": "abs", "neg": "neg", "sign": "sign", "sgn": "sign", "negative": "neg", "absolute": "abs"}
# Integers are converted to the float result type first.
_FLOAT = {
    "exp": "exp", "exp2": "exp2", "expm1": "expm1", "log": "log", "log2": "log2", "log10": "log10", "log1p": "log1p",
    "sqrt": "sqrt", "rsqrt": "rsqrt", "reciprocal": "reciprocal", "sin": "sin", "cos": "cos", "tan": "tan",
    "asin": "asin", "acos": "acos", "atan": "atan", "sinh": "sinh", "cosh": "cosh", "tanh": "tanh",
    "sigmoid": "sigmoid", "erf": "erf", "arcsin": "asin", "arccos": "acos", "arctan": "atan",
    "special_exp2": "exp2", "special_expm1": "expm1", "special_log1p": "log1p", "special_erf": "erf",
    "special_expit": "sigmoid",
}  # fmt: skip
# Identities on integers.
_ROUND = {"floor": "floor", "ceil": "ceil", "round": "round", "trunc": "trunc", "fix": "trunc"}
_COMPARE = {
    "eq": "eq", "ne": "ne", "lt": "lt", "le": "le", "gt": "gt", "ge": "ge", "not_equal": "ne", "less": "lt",
    "less_equal": "le", "greater": "gt", "greater_equal": "ge",
}  # fmt: skip
_BITWISE = {
    "bitwise_and": "and",
    "bitwise_or": "or",
    "bitwise_xor": "xor",
    "__and__": "and",
    "__or__": "or",
    "__xor__": "xor",
}


def op(name: str) -> Callable[..., ir.Value]:
    """The builder of the elementwise op `name`."""
    return lambda *operands: b.elementwise(name, *operands)


def _unary(torch_name: str, jic_name: str, exact: bool) -> None:
    @converts(f"aten.{torch_name}")
    def convert(c: Conversion, x: ir.Value) -> ir.Value:
        if is_bool(c.element):
            if jic_name in ("sign", "abs"):
                return x
            raise NotConverted(f"{torch_name} of a bool tensor")
        return c.map(op(jic_name), x, exact=exact)


def _rounding(torch_name: str, jic_name: str) -> None:
    @converts(f"aten.{torch_name}")
    def convert(c: Conversion, x: ir.Value) -> ir.Value:
        return c.map(op(jic_name), x, exact=True) if is_float(c.element) else x


def _comparison(torch_name: str, predicate: str) -> None:
    @converts(f"aten.{torch_name}.Tensor", f"aten.{torch_name}.Scalar")
    def convert(c: Conversion, lhs: ir.Value, rhs: Operand) -> ir.Value:
        element = c.promote(lhs, rhs)
        # A number is compared at the precision that PyTorch computes in, not rounded to f16 or bf16 first.
        exact = isinstance(rhs, ir.Value)
        return c.map(lambda x, y: b.compare(predicate, x, y), lhs, rhs, element=element, exact=exact)


def _bitwise(torch_name: str, jic_name: str) -> None:
    @converts(f"aten.{torch_name}.Tensor", f"aten.{torch_name}.Scalar")
    def convert(c: Conversion, lhs: ir.Value, rhs: Operand) -> ir.Value:
        return c.map(op(jic_name), lhs, rhs)


def _shift(direction: str, jic_name: str) -> None:
    bitwise = f"aten.bitwise_{direction}_shift"
    operator = f"aten.__{direction[0]}shift__"

    @converts(f"{bitwise}.Tensor", f"{bitwise}.Tensor_Scalar", f"{operator}.Tensor", f"{operator}.Scalar")
    def convert(c: Conversion, lhs: ir.Value, rhs: Operand) -> ir.Value:
        if not isinstance(c.element, ir.IntegerType) or is_bool(c.element):
            raise NotConverted("shifts of other than integers")
        return c.map(op(jic_name), lhs, rhs)


def _logical(torch_name: str, jic_name: str) -> None:
    @converts(f"aten.{torch_name}")
    def convert(c: Conversion, lhs: ir.Value, rhs: ir.Value) -> ir.Value:
        return c.map(op(jic_name), to_bool(lhs), to_bool(rhs))


for _torch, _jic in _EXACT.items():
    _unary(_torch, _jic, exact=True)
for _torch, _jic in _FLOAT.items():
    _unary(_torch, _jic, exact=False)
for _torch, _jic in _ROUND.items():
    _rounding(_torch, _jic)
for _torch, _jic in _COMPARE.items():
    _comparison(_torch, _jic)
for _torch, _jic in _BITWISE.items():
    _bitwise(_torch, _jic)
_shift("left", "shl")
_shift("right", "shr")
for _name in ("and", "or", "xor"):
    _logical(f"logical_{_name}", _name)


def to_bool(x: ir.Value) -> ir.Value:
    return b.convert(x, ir.IntegerType.get_signless(1))


@converts("aten.add.Tensor", "aten.add.Scalar")
def add(c: Conversion, lhs: ir.Value, rhs: Operand, alpha: Scalar) -> ir.Value:
    if is_bool(c.element):
        return c.map(op("or"), lhs, _scaled_bool(rhs, alpha))
    check_fits(alpha, c.element)
    return c.map(lambda x, y: b.elementwise("add", x, scaled(y, alpha)), lhs, rhs)


@converts("aten.sub.Tensor", "aten.sub.Scalar", "aten.subtract.Tensor", "aten.subtract.Scalar")
def sub(c: Conversion, lhs: ir.Value, rhs: Operand, alpha: Scalar) -> ir.Value:
    _check_subtraction(c, lhs, rhs, alpha)
    return c.map(lambda x, y: b.elementwise("sub", x, scaled(y, alpha)), lhs, rhs)


def _check_subtraction(c: Conversion, lhs: ir.Value, rhs: Operand, alpha: Scalar) -> None:
    if is_bool(element_of(lhs)) or (is_bool(element_of(rhs)) if isinstance(rhs, ir.Value) else isinstance(rhs, bool)):
        raise NotConverted("subtraction of bools, which is an error")
    check_fits(alpha, c.element)


@converts("aten.rsub.Tensor", "aten.rsub.Scalar")
def rsub(c: Conversion, lhs: ir.Value, rhs: Operand, alpha: Scalar) -> ir.Value:
    _check_subtraction(c, lhs, rhs, alpha)
    return c.map(lambda x, y: b.elementwise("sub", y, scaled(x, alpha)), lhs, rhs)


@converts("aten.mul.Tensor", "aten.mul.Scalar", "aten.multiply.Tensor", "aten.multiply.Scalar")
def mul(c: Conversion, lhs: ir.Value, rhs: Operand) -> ir.Value:
    return c.map(op("and" if is_bool(c.element) else "mul"), lhs, rhs)


def scaled(value: ir.Value, factor: Scalar) -> ir.Value:
    return value if factor == 1 else b.elementwise("mul", value, b.splat_like(value, factor))


def _scaled_bool(value: Operand, alpha: Scalar) -> Operand:
    if alpha:
        return value
    raise NotConverted("add of bools with alpha=0")


@converts(
    "aten.div.Tensor", "aten.div.Scalar", "aten.divide.Tensor", "aten.divide.Scalar", "aten.true_divide.Tensor",
    "aten.true_divide.Scalar",
)  # fmt: skip
def div(c: Conversion, lhs: ir.Value, rhs: Operand) -> ir.Value:
    return c.map(op("div"), lhs, rhs)


@converts(
    "aten.div.Tensor_mode", "aten.div.Scalar_mode", "aten.divide.Tensor_mode", "aten.divide.Scalar_mode",
)  # fmt: skip
def div_mode(c: Conversion, lhs: ir.Value, rhs: Operand, rounding_mode: str | None) -> ir.Value:
    if rounding_mode is None:
        return div(c, lhs, rhs)
    if not is_float(c.element):
        _check_divisor(rhs, c.element)
        return c.map(op("div") if rounding_mode == "trunc" else _floor_div_integer, lhs, rhs)
    if rounding_mode == "trunc":
        return b.elementwise("trunc", div(c, lhs, rhs))  # the quotient is rounded to the result type first
    return c.map(_floor_div_float, lhs, rhs)


@converts("aten.floor_divide", "aten.floor_divide.Scalar")
def floor_divide(c: Conversion, lhs: ir.Value, rhs: Operand) -> ir.Value:
    return div_mode(c, lhs, rhs, "floor")


def _check_divisor(rhs: Operand, element: ir.Type) -> None:
    """A kernel cannot raise on a zero divisor, as PyTorch does for integers; a number wraps to `element` first."""
    if isinstance(rhs, ir.Value):
        if is_never_zero(rhs):
            return
        rhs = number_of(rhs)
    if rhs is None or not int(rhs) % (1 << ir.IntegerType(element).width):
        raise NotConverted("integer division by a tensor raises on a zero divisor")


def _floor_div_integer(x: ir.Value, y: ir.Value) -> ir.Value:
    """The quotient rounds to zero, so it is one too large where the operands' signs differ; no step overflows."""
    quotient = b.elementwise("div", x, y)
    if dtype_of(element_of(x)) == torch.uint8:
        return quotient
    zero, rest = b.splat_like(x, 0), b.elementwise("rem", x, y)
    inexact = b.compare("ne", rest, zero)
    below = b.elementwise("xor", b.compare("lt", rest, zero), b.compare("lt", y, zero))
    less = b.elementwise("sub", quotient, b.splat_like(x, 1))
    return b.select(b.elementwise("and", inexact, below), less, quotient)


def _floor_div_float(x: ir.Value, y: ir.Value) -> ir.Value:
    """As Python and PyTorch: exact for quotients near an integer, `x / y` for a zero divisor."""
    zero, one = b.splat_like(x, 0.0), b.splat_like(x, 1.0)
    remainder = b.elementwise("rem", x, y)
    quotient = b.elementwise("div", b.elementwise("sub", x, remainder), y)
    signs_differ = b.elementwise("xor", b.compare("lt", y, zero), b.compare("lt", remainder, zero))
    lower = b.elementwise("and", b.compare("ne", remainder, zero), signs_differ)
    quotient = b.select(lower, b.elementwise("sub", quotient, one), quotient)
    floored = b.elementwise("floor", quotient)
    above = b.compare("gt", b.elementwise("sub", quotient, floored), b.splat_like(x, 0.5))
    floored = b.select(above, b.elementwise("add", floored, one), floored)
    ratio = b.elementwise("div", x, y)
    # A zero quotient takes the sign of the ratio.
    signed_zero = b.elementwise("mul", ratio, zero)
    floored = b.select(b.compare("eq", quotient, zero), signed_zero, floored)
    return b.select(b.compare("eq", y, zero), ratio, floored)


@converts("aten.remainder.Tensor", "aten.remainder.Scalar")
def remainder(c: Conversion, lhs: ir.Value, rhs: Operand) -> ir.Value:
    if not is_float(c.element):
        _check_divisor(rhs, c.element)
    return c.map(op("mod"), lhs, rhs)


@converts("aten.fmod.Tensor", "aten.fmod.Scalar")
def fmod(c: Conversion, lhs: ir.Value, rhs: Operand) -> ir.Value:
    if not is_float(c.element):
        _check_divisor(rhs, c.element)
    return c.map(op("rem"), lhs, rhs)


@converts("aten.pow.Tensor_Tensor", "aten.pow.Tensor_Scalar", "aten.pow.Scalar")
def pow_(c: Conversion, base: Operand, exponent: Operand) -> ir.Value:
    if is_bool(c.element):
        raise NotConverted("pow of bool tensors")
    if not is_float(c.element) and isinstance(exponent, ir.Value):
        raise NotConverted("an integer power with a tensor exponent raises on negative ones")
    if not isinstance(exponent, ir.Value):
        check_fits(exponent, c.element)
    return c.map(op("pow"), base, exponent)


@converts("aten.square")
def square(c: Conversion, x: ir.Value) -> ir.Value:
    return mul(c, x, x)


@converts("aten.maximum", "aten.max.other")
def maximum(c: Conversion, lhs: ir.Value, rhs: ir.Value) -> ir.Value:
    return c.map(op("maximum"), lhs, rhs, exact=True)


@converts("aten.minimum", "aten.min.other")
def minimum(c: Conversion, lhs: ir.Value, rhs: ir.Value) -> ir.Value:
    return c.map(op("minimum"), lhs, rhs, exact=True)


@converts("aten.atan2", "aten.arctan2")
def atan2(c: Conversion, lhs: ir.Value, rhs: ir.Value) -> ir.Value:
    return c.map(op("atan2"), lhs, rhs)


@converts("aten.clamp", "aten.clip")
def clamp(c: Conversion, x: ir.Value, low: Scalar | None, high: Scalar | None) -> ir.Value:
    return _clamp(c, x, low, high)


@converts("aten.clamp.Tensor", "aten.clip.Tensor")
def clamp_tensor(c: Conversion, x: ir.Value, low: ir.Value | None, high: ir.Value | None) -> ir.Value:
    return _clamp(c, x, low, high)


@converts("aten.clamp_min", "aten.clamp_min.Tensor")
def clamp_min(c: Conversion, x: ir.Value, low: Operand) -> ir.Value:
    return _clamp(c, x, low, None)


@converts("aten.clamp_max", "aten.clamp_max.Tensor")
def clamp_max(c: Conversion, x: ir.Value, high: Operand) -> ir.Value:
    return _clamp(c, x, None, high)


def _clamp(c: Conversion, x: ir.Value, low: Operand | None, high: Operand | None) -> ir.Value:
    if is_bool(c.element):
        raise NotConverted("clamp of a bool tensor")
    for bound in (low, high):
        if isinstance(bound, float) and not is_float(c.element):
            raise NotConverted("clamp of integers to a float bound")
        if bound is not None and not isinstance(bound, ir.Value):
            check_fits(bound, c.element)
    value = c.operand(x, c.element, c.shape)
    for name, bound in (("maximum", low), ("minimum", high)):
        if bound is not None:
            value = b.elementwise(name, value, c.operand(bound, c.element, c.shape))
    return value


@converts("aten.where.self", "aten.where.ScalarSelf", "aten.where.ScalarOther", "aten.where.Scalar")
def where(c: Conversion, condition: ir.Value, on_true: Operand, on_false: Operand) -> ir.Value:
    for value in (on_true, on_false):
        if not isinstance(value, ir.Value):
            check_fits(value, c.element)
    mask = b.broadcast(to_bool(condition), c.shape)
    return b.select(mask, c.operand(on_true, c.element, c.shape), c.operand(on_false, c.element, c.shape))


@converts("aten.masked_fill.Scalar", "aten.masked_fill.Tensor")
def masked_fill(c: Conversion, x: ir.Value, mask: ir.Value, value: Operand) -> ir.Value:
    return where(c, mask, value, x)


@converts("aten.bitwise_not")
def bitwise_not(c: Conversion, x: ir.Value) -> ir.Value:
    return b.elementwise("not", x)


@converts("aten.logical_not")
def logical_not(c: Conversion, x: ir.Value) -> ir.Value:
    return b.elementwise("logical_not", x)


@converts("aten.isnan")
def isnan(c: Conversion, x: ir.Value) -> ir.Value:
    return b.elementwise("isnan", x) if is_float(element_of(x)) else b.splat(c.shape, c.element, False)


@converts("aten.isinf")
def isinf(c: Conversion, x: ir.Value) -> ir.Value:
    return b.elementwise("isinf", x) if is_float(element_of(x)) else b.splat(c.shape, c.element, False)


@converts("aten.isfinite")
def isfinite(c: Conversion, x: ir.Value) -> ir.Value:
    if not is_float(element_of(x)):
        return b.splat(c.shape, c.element, True)
    return b.elementwise("not", b.elementwise("or", b.elementwise("isnan", x), b.elementwise("isinf", x)))


@converts("aten.frac")
def frac(c: Conversion, x: ir.Value) -> ir.Value:
    return c.map(lambda v: b.elementwise("sub", v, b.elementwise("trunc", v)), x)


@converts("aten.addcmul")
def addcmul(c: Conversion, x: ir.Value, lhs: ir.Value, rhs: ir.Value, value: Scalar) -> ir.Value:
    check_fits(value, opmath(c.element))

    def emit(x: ir.Value, lhs: ir.Value, rhs: ir.Value) -> ir.Value:
        return b.elementwise("add", x, b.elementwise("mul", scaled(lhs, value), rhs))

    return c.map(emit, x, lhs, rhs)


@converts("aten.addcdiv")
def addcdiv(c: Conversion, x: ir.Value, lhs: ir.Value, rhs: ir.Value, value: Scalar) -> ir.Value:
    check_fits(value, opmath(c.element))

    def emit(x: ir.Value, lhs: ir.Value, rhs: ir.Value) -> ir.Value:
        return b.elementwise("add", x, b.elementwise("div", scaled(lhs, value), rhs))

    return c.map(emit, x, lhs, rhs)


@converts("aten.lerp.Scalar", "aten.lerp.Tensor")
def lerp(c: Conversion, start: ir.Value, end: ir.Value, weight: Operand) -> ir.Value:
    """From the nearer end, as PyTorch does, so that weight 1 gives `end` exactly."""

    def emit(s: ir.Value, e: ir.Value, w: ir.Value) -> ir.Value:
        distance = b.elementwise("sub", e, s)
        from_start = b.elementwise("add", s, b.elementwise("mul", w, distance))
        rest = b.elementwise("sub", b.splat_like(w, 1.0), w)
        from_end = b.elementwise("sub", e, b.elementwise("mul", distance, rest))
        near = b.compare("lt", b.elementwise("abs", w), b.splat_like(w, 0.5))
        return b.select(near, from_start, from_end)

    return c.map(emit, start, end, weight)


def convert_to(c: Conversion, x: ir.Value, *unused: Any) -> ir.Value:
    """Conversions of type, device and memory format: only the element type is visible here."""
    return b.convert(x, c.element)


for _name in (
    "to.dtype", "to.device", "to.other", "to.dtype_layout", "_to_copy", "type_as", "clone", "contiguous", "detach",
    "alias", "lift_fresh", "lift_fresh_copy", "lift", "positive", "_conj", "conj", "resolve_conj", "resolve_neg",
    "real",
    "_autocast_to_reduced_precision", "_autocast_to_full_precision", "detach_copy", "alias_copy",
):  # fmt: skip
    converts(f"aten.{_name}")(convert_to)
converts("prims.convert_element_type")(convert_to)


@converts("aten.dropout", "aten.alpha_dropout", "aten.feature_dropout", "aten.feature_alpha_dropout")
def dropout(c: Conversion, x: ir.Value, p: float, train: bool) -> ir.Value:
    if train and p:
        raise NotConverted("dropout draws random numbers")
    return x


@converts("aten.copy")
def copy(c: Conversion, x: ir.Value, source: ir.Value, non_blocking: bool) -> ir.Value:
    return c.operand(source, c.element, c.shape)


@converts("aten.fill.Scalar", "aten.fill.Tensor")
def fill(c: Conversion, x: ir.Value, value: Operand) -> ir.Value:
    if not isinstance(value, ir.Value):
        check_fits(value, c.element)
    return c.operand(value, c.element, c.shape)


@converts("aten.zero")
def zero(c: Conversion, x: ir.Value) -> ir.Value:
    return b.splat(c.shape, c.element, 0)


@converts("prims.fma")
def fma(c: Conversion, x: ir.Value, y: ir.Value, z: ir.Value) -> ir.Value:
    return c.map(lambda x, y, z: b.elementwise("add", b.elementwise("mul", x, y), z), x, y, z)
