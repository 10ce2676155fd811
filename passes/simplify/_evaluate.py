"""What elementwise, view and reduce ops compute, in numpy, with the dialect's semantics.

Floats: basic arithmetic is done in the element type (f32 for half types) and is exact to the last bit; functions like `exp` are
done in f64 and rounded once. Integers wrap. What has no defined value (integer division by zero, shifts by the width or
more) is not evaluated.
"""

from __future__ import annotations

from collections.abc import Callable
from math import erf
from typing import Any

import numpy as np
from torch_mlir import ir

from ._rewrite import attribute, element, ints, shape
from .constants import numpy_type, rounded

Array = np.ndarray


class Undefined(Exception):
    """The op has no defined value here, or none that is worked out at compile time."""


def _wide(function: Callable[..., Any]) -> Callable[..., Array]:
    return lambda *operands: np.asarray(function(*(x.astype(np.float64) for x in operands)))


def _sign(x: Array) -> Array:
    return (x > 0).astype(x.dtype) - (x < 0).astype(x.dtype)  # 0 for NaN, as in PyTorch


def _relu(x: Array) -> Array:
    return np.where(x < 0, np.zeros((), x.dtype), x)  # keeps NaN and -0.0, as in PyTorch


def _check_divisor(x: Array, y: Array) -> None:
    if np.issubdtype(y.dtype, np.integer) and (
        (y == 0).any()
        or (np.issubdtype(y.dtype, np.signedinteger) and ((y == -1) & (x == np.iinfo(x.dtype).min)).any())
    ):
        raise Undefined


def _div(x: Array, y: Array) -> Array:
    _check_divisor(x, y)
    return (x - np.fmod(x, y)) // y if np.issubdtype(x.dtype, np.integer) else x / y


def _rem(x: Array, y: Array) -> Array:
    _check_divisor(x, y)
    return np.fmod(x, y)


def _mod(x: Array, y: Array) -> Array:
    remainder = _rem(x, y)
    return np.where((remainder != 0) & ((y < 0) != (remainder < 0)), remainder + y, remainder)


def _extreme(better: Callable[[Array, Array], Array]) -> Callable[[Array, Array], Array]:
    """NaN if an operand is, and the left one of two zeros."""
    return lambda x, y: np.where(better(y, x) | (y != y), y, x)


def _pow(x: Array, y: Array) -> Array:
    if np.issubdtype(x.dtype, np.integer):
        if np.issubdtype(y.dtype, np.signedinteger) and (y < 0).any():
            raise Undefined
        return np.power(x, y)
    return np.power(x.astype(np.float64), y.astype(np.float64))


def _shift(function: Callable[[Array, Array], Array]) -> Callable[[Array, Array], Array]:
    def compute(x: Array, y: Array) -> Array:
        if ((y < 0) | (y >= 8 * x.dtype.itemsize)).any():
            raise Undefined
        return function(x, y)

    return compute


UNARY: dict[str, Callable[[Array], Array]] = {
    "abs": np.abs, "neg": np.negative, "sign": _sign, "relu": _relu, "floor": np.floor, "ceil": np.ceil, "round": np.rint,
    "trunc": np.trunc, "sqrt": np.sqrt, "reciprocal": lambda x: np.ones((), x.dtype) / x,
    "rsqrt": lambda x: np.ones((), x.dtype) / np.sqrt(x), "sigmoid": _wide(lambda x: 1 / (1 + np.exp(-x))),
    "erf": _wide(np.vectorize(erf, otypes=[np.float64])), "isnan": np.isnan, "isinf": np.isinf,
    "logical_not": np.logical_not, "not": np.invert,
    **{n: _wide(getattr(np, n)) for n in ("exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sin", "cos", "tan")},
    **{n: _wide(getattr(np, n)) for n in ("sinh", "cosh", "tanh")},
    **{n: _wide(getattr(np, f"arc{n[1:]}")) for n in ("asin", "acos", "atan")},
}  # fmt: skip
BINARY: dict[str, Callable[[Array, Array], Array]] = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "div": _div, "rem": _rem, "mod": _mod, "pow": _pow,
    "maximum": _extreme(np.greater), "minimum": _extreme(np.less), "atan2": _wide(np.arctan2),
    "and": np.bitwise_and, "or": np.bitwise_or, "xor": np.bitwise_xor,
    "shl": _shift(np.left_shift), "shr": _shift(np.right_shift),
}  # fmt: skip
COMPARE = {
    "eq": np.equal, "ne": np.not_equal, "lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal,
}  # fmt: skip
ELEMENTWISE = (*UNARY, *BINARY, "compare", "select", "convert")
VIEWS = ("reshape", "transpose", "slice", "reverse", "pad", "concat")


def elementwise(op: ir.Operation, operands: list[Array]) -> Array:
    """The value of an elementwise op; operands of size 1 along a dim stand for splats. Raises `Undefined`."""
    name, type_ = op.name[4:], element(op.results[0])
    with np.errstate(all="ignore"):
        if name == "convert":
            return convert(operands[0], type_)
        if name == "compare":
            return COMPARE[attribute(op, "predicate")](*operands)
        if name == "select":
            return np.where(*operands)
        # numpy would compute f16 functions such as 1 / sqrt in f16, with two roundings.
        wide = [x.astype(np.float32) if x.dtype == np.float16 else x for x in operands]
        return rounded((UNARY.get(name) or BINARY[name])(*wide), type_)


def convert(x: Array, type_: ir.Type) -> Array:
    """`x` with the element type `type_`. A float out of range gives what PyTorch does on x86, and what kernels compute."""
    target = numpy_type(type_)
    if target is np.bool_:
        return x != 0
    if isinstance(type_, ir.IntegerType) and np.issubdtype(x.dtype, np.floating):
        # the low bits of the register's least integer: 64 bits for int64 and uint8, else 32
        bits = 64 if type_.width == 64 or type_.is_unsigned else 32
        number = x.astype(np.float64)
        inside = np.abs(number) < 2.0 ** (bits - 1)
        x = np.where(inside, np.where(inside, number, 0).astype(np.int64), -(1 << (bits - 1)))
    return rounded(x, type_)


def view(op: ir.Operation, operands: list[Array]) -> Array:
    """The value of a view op on arrays of full shape."""
    name, (x, *_) = op.name[4:], operands
    if name == "reshape":
        return x.reshape(shape(op.results[0]))
    if name == "transpose":
        return x.transpose(ints(op, "permutation"))
    if name == "reverse":
        return np.flip(x, tuple(ints(op, "dims")))
    if name == "concat":
        return np.concatenate(operands, attribute(op, "dim"))
    if name == "pad":
        widths = list(zip(ints(op, "low"), ints(op, "high"), strict=True))
        return np.pad(x, widths, constant_values=attribute(op, "value")) if widths else x
    offsets, strides = ints(op, "offsets"), ints(op, "strides")
    sizes = shape(op.results[0])
    return x[tuple(slice(o, o + s * n, s) for o, s, n in zip(offsets, strides, sizes, strict=True))]


def broadcast(op: ir.Operation, x: Array) -> Array:
    out = shape(op.results[0])
    aligned = [1] * len(out)
    for size, dim in zip(x.shape, ints(op, "dims"), strict=True):
        aligned[dim] = size
    return np.broadcast_to(x.reshape(aligned), out)


def iota(op: ir.Operation) -> Array:
    out, dim = shape(op.results[0]), attribute(op, "dim")
    aligned = [1] * len(out)
    aligned[dim] = out[dim]
    numbers = rounded(np.arange(out[dim], dtype=np.int64), element(op.results[0]))
    return np.broadcast_to(numbers.reshape(aligned), out)


def reduce(op: ir.Operation, x: Array) -> Array:
    """The value of a reduce op. Sums and products of floats are taken in f64 and rounded once."""
    kind, dims = attribute(op, "kind"), tuple(ints(op, "dims"))
    if not dims:
        return x
    with np.errstate(all="ignore"):
        if kind.startswith("arg"):
            return getattr(np, kind)(x, axis=dims[0]).astype(np.int64)
        if kind in ("sum", "prod"):
            wide = np.float64 if np.issubdtype(x.dtype, np.floating) else x.dtype
            return rounded(getattr(np, kind)(x, axis=dims, dtype=wide), element(op.results[0]))
        if x.size == 0 and kind in ("max", "min"):
            raise Undefined
        return getattr(np, kind)(x, axis=dims)
