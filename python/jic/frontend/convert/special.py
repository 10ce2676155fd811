"""Functions that are short expressions of others: inverse hyperbolic ones, hypot, extremes that skip NaN, decimals."""

from __future__ import annotations

from torch_mlir import ir

from jic.dialects import build as b

from .conversion import Conversion, NotConverted, converts, element_of, is_bool, is_float, shape_of, wrap_dim
from .view import slice_dim

_e = b.elementwise


def _splat(like: ir.Value, value: float) -> ir.Value:
    return b.splat_like(like, value)


@converts("aten.asinh", "aten.arcsinh")
def asinh(c: Conversion, x: ir.Value) -> ir.Value:
    """`sign(x) log1p(a + a² / (1 + sqrt(a² + 1)))` with `a = |x|`; beyond the range of squares `log(a) + log(2)`."""

    def emit(x: ir.Value) -> ir.Value:
        a, one = _e("abs", x), _splat(x, 1.0)
        square = _e("mul", a, a)
        root = _e("sqrt", _e("add", square, one))
        near = _e("log1p", _e("add", a, _e("div", square, _e("add", one, root))))
        far = _e("add", _e("log", a), _splat(x, 0.6931471805599453))
        value = b.select(b.compare("gt", a, _splat(x, 1e9)), far, near)
        return b.select(b.compare("lt", x, _splat(x, 0.0)), _e("neg", value), b.select(_is_zero(x), x, value))

    return c.map(emit, _number(c, x))


@converts("aten.acosh", "aten.arccosh")
def acosh(c: Conversion, x: ir.Value) -> ir.Value:
    """`log1p(t + sqrt(t) sqrt(t + 2))` with `t = x - 1`: exact near 1, and no square overflows."""

    def emit(x: ir.Value) -> ir.Value:
        t = _e("sub", x, _splat(x, 1.0))
        roots = _e("mul", _e("sqrt", t), _e("sqrt", _e("add", t, _splat(x, 2.0))))
        near = _e("log1p", _e("add", t, roots))
        far = _e("add", _e("log", x), _splat(x, 0.6931471805599453))
        return b.select(b.compare("gt", x, _splat(x, 1e18)), far, near)

    return c.map(emit, _number(c, x))


@converts("aten.atanh", "aten.arctanh")
def atanh(c: Conversion, x: ir.Value) -> ir.Value:
    def emit(x: ir.Value) -> ir.Value:
        one, two = _splat(x, 1.0), _splat(x, 2.0)
        value = _e("div", _e("log1p", _e("div", _e("mul", x, two), _e("sub", one, x))), two)
        return b.select(_is_zero(x), x, value)  # keeps the zero's sign

    return c.map(emit, _number(c, x))


def _number(c: Conversion, x: ir.Value) -> ir.Value:
    if is_bool(element_of(x)):
        raise NotConverted("a function of bools")
    return x


def _is_zero(x: ir.Value) -> ir.Value:
    return b.compare("eq", x, _splat(x, 0.0))


@converts("aten.fmax")
def fmax(c: Conversion, lhs: ir.Value, rhs: ir.Value) -> ir.Value:
    return _skipping_nan(c, lhs, rhs, "maximum")


@converts("aten.fmin")
def fmin(c: Conversion, lhs: ir.Value, rhs: ir.Value) -> ir.Value:
    return _skipping_nan(c, lhs, rhs, "minimum")


def _skipping_nan(c: Conversion, lhs: ir.Value, rhs: ir.Value, name: str) -> ir.Value:
    if isinstance(c.element, ir.BF16Type):
        lhs, rhs = rhs, lhs  # of two zeros PyTorch gives the right one here, the left one for other types

    def emit(x: ir.Value, y: ir.Value) -> ir.Value:
        value = _e(name, x, y)
        if is_float(element_of(x)):
            value = b.select(_e("isnan", x), y, b.select(_e("isnan", y), x, value))
        return value

    return c.map(emit, lhs, rhs, exact=True)


@converts("aten.hypot")
def hypot(c: Conversion, lhs: ir.Value, rhs: ir.Value) -> ir.Value:
    """`m sqrt(1 + (n / m)²)` with `m` the larger magnitude, so that no square overflows."""
    if not is_float(c.element):
        raise NotConverted("hypot of integers")

    def emit(x: ir.Value, y: ir.Value) -> ir.Value:
        x, y = _e("abs", x), _e("abs", y)
        large, small = _e("maximum", x, y), _e("minimum", x, y)
        ratio = _e("div", small, large)
        value = _e("mul", large, _e("sqrt", _e("add", _e("mul", ratio, ratio), _splat(x, 1.0))))
        infinite = _e("or", _e("isinf", x), _e("isinf", y))
        value = b.select(_is_zero(large), large, value)
        return b.select(infinite, _splat(x, float("inf")), value)

    return c.map(emit, lhs, rhs)


@converts("aten.round.decimals")
def round_decimals(c: Conversion, x: ir.Value, decimals: int) -> ir.Value:
    if not is_float(c.element):
        return x
    if c.element != element_of(x) or c.element in (ir.F16Type.get(), ir.BF16Type.get()):
        raise NotConverted("rounding f16 or bf16 to decimals")
    power = _splat(x, float(10 ** abs(decimals)))
    up, down = ("mul", "div") if decimals >= 0 else ("div", "mul")
    return _e(down, _e("round", _e(up, x, power)), power)


@converts("aten.diagonal", "aten.diagonal_copy")
def diagonal(c: Conversion, x: ir.Value, offset: int, dim1: int, dim2: int) -> ir.Value:
    """The two dims moved to the end and merged, of which every `columns + 1`-th element is taken."""
    rank = len(shape_of(x))
    dim1, dim2 = wrap_dim(dim1, rank), wrap_dim(dim2, rank)
    x = b.transpose(x, [*(d for d in range(rank) if d not in (dim1, dim2)), dim1, dim2])
    *batch, rows, columns = shape_of(x)
    if 0 in c.shape:
        return b.splat(c.shape, c.element, 0)
    flat = b.reshape(x, [*batch, rows * columns])
    start = offset if offset >= 0 else -offset * columns
    return slice_dim(flat, len(batch), start, c.shape[-1], columns + 1)
