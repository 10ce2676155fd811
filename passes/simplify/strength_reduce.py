"""Expensive ops become cheap ones."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from math import frexp, inf

from torch_mlir import ir

from jic.dialects import build

from ..base import Pass
from ._rewrite import Rewrite, apply_rewrites, by_name, defining, element, is_float, is_static, is_unsigned, splat

# The exponents e for which 2**e and 2**-e are both normal numbers.
_EXPONENTS = {"f16": 14, "bf16": 126, "f32": 126, "f64": 1022}
MAX_INTEGER_POWER = 16


@dataclass(frozen=True)
class StrengthReduce(Pass):
    """Replace powers, divisions and integer products by cheaper ops.

        jic.pow %x, dense<2.0>                →   jic.mul %x, %x
        jic.div %x, dense<8.0>                →   jic.mul %x, dense<0.125>
        jic.reciprocal (jic.sqrt %x)          →   jic.rsqrt %x
        jic.mod %i, dense<8>                  →   jic.and %i, dense<7>

    Powers with the constant exponents 2, 3, 0.5, -0.5, -1 and -2 become what PyTorch computes for `x ** number` (so
    `x ** 0.5` is `sqrt`); the exponent 4 takes two multiplications (within 2 ulp of `pow`); integer powers up to 16 take
    a few. `2 ** x` becomes `exp2`. Division by a power of two is exact as a product. `1 / sqrt(x)` becomes `rsqrt`, which
    rounds once where half types rounded twice. Integer products, quotients and remainders by powers of two become shifts and
    masks that round as the op does.

    `fast-math` also turns division by any constant, and by a square root, into a product (1 ulp each), and takes float
    powers up to 16.
    """

    name = "jic-strength-reduce"
    fast_math: bool = False

    def apply(self, module: ir.Operation) -> None:
        table: list[tuple[str, Rewrite]] = [
            ("pow", partial(_pow, self.fast_math)),
            ("div", partial(_div, self.fast_math)),
            ("reciprocal", _reciprocal),
            ("mul", _mul),
            ("div rem mod", _integer_division),
        ]
        apply_rewrites(module, by_name(table))


def _pow(fast_math: bool, op: ir.Operation) -> ir.Value | None:
    base, exponent = op.operands
    floats = is_float(element(base))
    if splat(base) == 2 and floats:
        return build.elementwise("exp2", exponent)
    number = splat(exponent)
    if number is None or not is_static(base):
        return None
    if number == 0:
        return build.splat_like(base, 1)
    if number == 1:
        return base
    if floats and number in (0.5, -0.5, -1, -2):
        name = {0.5: "sqrt", -0.5: "rsqrt"}.get(number, "reciprocal")
        return build.elementwise(name, base if number != -2 else build.elementwise("mul", base, base))
    most = MAX_INTEGER_POWER if fast_math or not floats else 4
    return _product(base, int(number)) if number == int(number) and 2 <= number <= most else None


def _product(base: ir.Value, power: int) -> ir.Value:
    """`base ** power` by squaring; 3 is `(x * x) * x`, as in PyTorch."""
    result, square = None, base
    if power == 3:
        return build.elementwise("mul", build.elementwise("mul", base, base), base)
    while power:
        if power & 1:
            result = square if result is None else build.elementwise("mul", result, square)
        power >>= 1
        if power:
            square = build.elementwise("mul", square, square)
    assert result is not None
    return result


def _div(fast_math: bool, op: ir.Operation) -> ir.Value | None:
    lhs, rhs = op.operands
    if not is_float(element(lhs)):
        return None
    root = defining(rhs, "sqrt")
    if root is not None and splat(lhs) == 1:
        return build.elementwise("rsqrt", root.operands[0])
    if root is not None and fast_math:
        return build.elementwise("mul", lhs, build.elementwise("rsqrt", root.operands[0]))
    divisor = splat(rhs)
    if divisor is None or divisor in (0, inf, -inf) or divisor != divisor or not is_static(lhs):
        return None
    mantissa, exponent = frexp(divisor)
    normal = abs(exponent - 1) <= _EXPONENTS[str(element(lhs))]
    if normal and (abs(mantissa) == 0.5 or fast_math):
        return build.elementwise("mul", lhs, build.splat_like(rhs, 1 / divisor))
    return None


def _reciprocal(op: ir.Operation) -> ir.Value | None:
    root = defining(op.operands[0], "sqrt")
    return None if root is None else build.elementwise("rsqrt", root.operands[0])


def _mul(op: ir.Operation) -> ir.Value | None:
    lhs, rhs = op.operands
    if splat(lhs) is not None:
        lhs, rhs = rhs, lhs
    number = splat(rhs)
    if number is None:
        return None
    if number == 2:
        return build.elementwise("add", lhs, lhs)
    shift = None if is_float(element(lhs)) else _log2(number)
    return None if not shift else build.elementwise("shl", lhs, build.splat_like(rhs, shift))


def _log2(number: int) -> int | None:
    return number.bit_length() - 1 if number > 0 and number & (number - 1) == 0 else None


def _integer_division(op: ir.Operation) -> ir.Value | None:
    """Division by `2**k`. `mod` (the remainder of floor division) is a mask; `div` and `rem` round towards zero, so `2**k - 1` is
    added to negative dividends first."""
    value, rhs = op.operands
    type_, name = element(value), op.name[4:]
    number = None if is_float(type_) or not is_static(rhs) else splat(rhs)
    shift = None if number is None else _log2(number)
    if number is None or not shift:
        return None
    mask, by = build.splat_like(rhs, number - 1), build.splat_like(rhs, shift)
    if is_unsigned(type_) or name == "mod":
        return build.elementwise("shr", value, by) if name == "div" else build.elementwise("and", value, mask)
    sign = build.elementwise("shr", value, build.splat_like(rhs, type_.width - 1))
    rounded = build.elementwise("add", value, build.elementwise("and", sign, mask))
    quotient = build.elementwise("shr", rounded, by)
    if name == "div":
        return quotient
    return build.elementwise("sub", value, build.elementwise("shl", quotient, by))
