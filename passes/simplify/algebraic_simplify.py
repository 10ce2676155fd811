"""Identities of arithmetic and logic that hold exactly."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from torch_mlir import ir

from jic.dialects import build

from ..base import Pass
from ._rewrite import (
    Rewrite,
    apply_rewrites,
    attribute,
    by_name,
    defining,
    element,
    ints,
    is_bool,
    is_float,
    is_static,
    is_unsigned,
    shape,
    splat,
)
from .cse import SWAPPED

COMMUTATIVE = "add mul maximum minimum and or xor"
INVERSE = {"eq": "ne", "ne": "eq", "lt": "ge", "ge": "lt", "gt": "le", "le": "gt"}
_INTEGRAL = ("floor", "ceil", "round", "trunc")
# Bits of the significand: integers up to 2**bits are exact.
_SIGNIFICAND = {"bf16": 8, "f16": 11, "f32": 24, "f64": 53}
_WIDER_FLOATS = {"bf16": ("f32", "f64"), "f16": ("f32", "f64"), "f32": ("f64",), "f64": ()}


@dataclass(frozen=True)
class AlgebraicSimplify(Pass):
    """Simplify by identities that hold for every value, with NaN, infinities and the sign of zero.

        %1 = jic.mul %x, dense<1.0>       %2 = jic.abs %x
        %2 = jic.abs (jic.neg %1)     →

    On floats: `x - 0.0`, `x + -0.0`, `x * 1`, `x / 1`, `x * -1` and `-0.0 - x` (negation), signs that cancel, idempotent ops
    (`relu`, `abs`, `floor`, …), `max(x, x)`, `x < x`, and conversions by way of a type that holds every value. On
    integers also `x * 0`, `x - x`, masks, constants of one op after another. Constants go to the right side.

    `fast-math` adds what is wrong for some float: `x + 0.0`, `0.0 - x` and a sum of one element (zeros get the other sign),
    `x * 0`, `x - x` and `x / x` (NaN and infinities).
    """

    name = "jic-algebraic-simplify"
    fast_math: bool = False

    def apply(self, module: ir.Operation) -> None:
        apply_rewrites(module, by_name(_table(self.fast_math)))


def _table(fast_math: bool) -> list[tuple[str, Rewrite]]:
    return [
        (f"{COMMUTATIVE} compare", _constant_to_right),
        ("add", partial(_add, fast_math)),
        ("sub", partial(_sub, fast_math)),
        ("mul", partial(_mul, fast_math)),
        ("div", partial(_div, fast_math)),
        ("rem mod", _remainder),
        ("add mul and or xor maximum minimum", _combine_constants),
        ("maximum minimum and or", _same_operands),
        ("and or xor", _bitwise),
        ("shl shr", _shift),
        ("neg not logical_not", _involution),
        ("abs", _abs),
        ("relu sign floor ceil round trunc", _idempotent),
        ("compare", _compare),
        ("isnan isinf", _integers_are_finite),
        ("select", _select),
        ("convert", _convert),
        ("reduce", partial(_reduce_one, fast_math)),
        ("cumulative", partial(_scan_one, fast_math)),
    ]


def _negative_zero(value: Any) -> bool:
    return value == 0 and str(float(value)) == "-0.0"


def _constant_to_right(op: ir.Operation) -> ir.Value | None:
    lhs, rhs = op.operands
    if defining(lhs, "constant") is None or defining(rhs, "constant") is not None:
        return None
    if op.name in ("jic.maximum", "jic.minimum") and is_float(element(lhs)) and splat(lhs) in (None, 0):
        return None  # of two zeros the left one is the result
    if op.name == "jic.compare":
        return build.compare(SWAPPED[attribute(op, "predicate")], rhs, lhs)
    return build.elementwise(op.name[4:], rhs, lhs)


def _zero(op: ir.Operation) -> ir.Value | None:
    return build.splat_like(op.results[0], 0) if is_static(op.results[0]) else None


def _add(fast_math: bool, op: ir.Operation) -> ir.Value | None:
    lhs, rhs = op.operands
    number = splat(rhs)
    if number == 0 and (not is_float(element(lhs)) or _negative_zero(number) or fast_math):
        return lhs
    if negated := defining(rhs, "neg"):
        return build.elementwise("sub", lhs, negated.operands[0])
    if negated := defining(lhs, "neg"):
        return build.elementwise("sub", rhs, negated.operands[0])
    return None


def _sub(fast_math: bool, op: ir.Operation) -> ir.Value | None:
    lhs, rhs = op.operands
    floats = is_float(element(lhs))
    number = splat(rhs)
    if number == 0 and (not floats or not _negative_zero(number) or fast_math):
        return lhs
    if lhs == rhs and (not floats or fast_math):
        return _zero(op)
    number = splat(lhs)
    if number == 0 and not is_unsigned(element(lhs)) and (not floats or _negative_zero(number) or fast_math):
        return build.elementwise("neg", rhs)
    if negated := defining(rhs, "neg"):
        return build.elementwise("add", lhs, negated.operands[0])
    return None


def _mul(fast_math: bool, op: ir.Operation) -> ir.Value | None:
    lhs, rhs = op.operands
    number = splat(rhs)
    if number == 1:
        return lhs
    if number == -1 and not is_unsigned(element(lhs)):
        return build.elementwise("neg", lhs)
    if number == 0 and (not is_float(element(lhs)) or fast_math):
        return _zero(op)
    return _cancel_signs(op)


def _div(fast_math: bool, op: ir.Operation) -> ir.Value | None:
    lhs, rhs = op.operands
    number = splat(rhs)
    if number == 1:
        return lhs
    if not is_float(element(lhs)):
        return None
    if number == -1:
        return build.elementwise("neg", lhs)
    if lhs == rhs and fast_math and is_static(lhs):
        return build.splat_like(lhs, 1)
    return _cancel_signs(op)


def _cancel_signs(op: ir.Operation) -> ir.Value | None:
    """`-x * -y` and `-x / -y`; on integers the product only, `-x / -y` overflows elsewhere."""
    left, right = (defining(v, "neg") for v in op.operands)
    if left is None or right is None:
        return None
    return build.elementwise(op.name[4:], left.operands[0], right.operands[0])


def _remainder(op: ir.Operation) -> ir.Value | None:
    if not is_float(element(op.results[0])) and splat(op.operands[1]) == 1:
        return _zero(op)
    return None


def _combine_constants(op: ir.Operation) -> ir.Value | None:
    """`(x + 1) + 2` → `x + (1 + 2)`, where the op is associative for all values."""
    inner, name = defining(op.operands[0], op.name[4:]), op.name[4:]
    if inner is None or splat(op.operands[1]) is None or splat(inner.operands[1]) is None:
        return None
    if is_float(element(op.results[0])) and (
        name not in ("maximum", "minimum") or splat(op.operands[1]) == 0 == splat(inner.operands[1])
    ):
        return None
    return build.elementwise(name, inner.operands[0], build.elementwise(name, inner.operands[1], op.operands[1]))


def _same_operands(op: ir.Operation) -> ir.Value | None:
    """`max(x, x)`, `max(max(x, y), y)` and their like."""
    lhs, rhs = op.operands
    if lhs == rhs:
        return lhs
    for value, other in ((lhs, rhs), (rhs, lhs)):
        inner = defining(value, op.name[4:])
        if inner is None or other not in list(inner.operands):
            continue
        if value == lhs or other == inner.operands[0] or not is_float(element(lhs)):
            return value  # `max(y, max(x, y))` is the other zero if x and y are zeros
    return None


def _bitwise(op: ir.Operation) -> ir.Value | None:
    lhs, rhs = op.operands
    type_, name = element(lhs), op.name[4:]
    if name == "xor" and lhs == rhs:
        return _zero(op)
    number = splat(rhs)
    if number is None:
        return None
    ones = bool(number) if is_bool(type_) else number == (2**type_.width - 1 if type_.is_unsigned else -1)
    if not number:
        return rhs if name == "and" and rhs.type == op.results[0].type else lhs if name != "and" else None
    if ones:
        return {"and": lhs, "or": rhs}.get(name) or build.elementwise("not", lhs)
    return None


def _shift(op: ir.Operation) -> ir.Value | None:
    return op.operands[0] if splat(op.operands[1]) == 0 else None


def _involution(op: ir.Operation) -> ir.Value | None:
    """Two negations cancel; the negation of a comparison is the inverse one (but for the order of NaNs)."""
    operand = op.operands[0]
    if op.name == "jic.logical_not":
        if not is_bool(element(operand)):
            return None
        return build.elementwise("not", operand)
    if inner := defining(operand, op.name[4:]):
        return inner.operands[0]
    comparison = defining(operand, "compare") if op.name == "jic.not" else None
    if comparison is None:
        return None
    predicate = attribute(comparison, "predicate")
    if is_float(element(comparison.operands[0])) and predicate not in ("eq", "ne"):
        return None
    return build.compare(INVERSE[predicate], *comparison.operands)


def _abs(op: ir.Operation) -> ir.Value | None:
    operand = op.operands[0]
    if is_unsigned(element(operand)):
        return operand
    if inner := defining(operand, "neg"):
        return build.elementwise("abs", inner.operands[0])
    if inner := defining(operand, "abs", "exp", "exp2", "sigmoid"):
        return inner.results[0]
    return None


def _idempotent(op: ir.Operation) -> ir.Value | None:
    name, operand = op.name[4:], op.operands[0]
    known = {"relu": ("relu", "exp", "exp2", "sigmoid", "abs"), "sign": ("sign",)}.get(name, _INTEGRAL)
    if name == "relu" and (is_unsigned(element(operand)) or not is_float(element(operand))):
        known = ("relu",)  # abs of the smallest integer is negative
    if defining(operand, *known):
        return operand
    if name in _INTEGRAL and (inner := defining(operand, "convert")) and not is_float(element(inner.operands[0])):
        return operand
    return None


def _compare(op: ir.Operation) -> ir.Value | None:
    (lhs, rhs), predicate = op.operands, attribute(op, "predicate")
    if lhs == rhs:
        if is_float(element(lhs)) and predicate in ("eq", "ne", "le", "ge"):
            nan = build.elementwise("isnan", lhs)
            return nan if predicate == "ne" else build.elementwise("not", nan)
        if is_static(lhs):
            return build.splat_like(op.results[0], predicate in ("eq", "le", "ge"))
    # `converted != 0` of a bool is the bool.
    inner = defining(lhs, "convert")
    if inner and splat(rhs) == 0 and is_bool(element(inner.operands[0])) and predicate in ("eq", "ne", "gt"):
        flag = inner.operands[0]
        return build.elementwise("not", flag) if predicate == "eq" else flag
    if is_bool(element(lhs)) and splat(rhs) is not None and predicate in ("eq", "ne"):
        return lhs if bool(splat(rhs)) == (predicate == "eq") else build.elementwise("not", lhs)
    return None


def _integers_are_finite(op: ir.Operation) -> ir.Value | None:
    return None if is_float(element(op.operands[0])) else _zero(op)


def _select(op: ir.Operation) -> ir.Value | None:
    condition, on_true, on_false = op.operands
    if on_true == on_false:
        return on_true
    if (chosen := splat(condition)) is not None:
        return on_true if chosen else on_false
    if (inner := defining(condition, "not", "logical_not")) and is_bool(element(inner.operands[0])):
        return build.select(inner.operands[0], on_false, on_true)
    if is_bool(element(on_true)):
        sides = splat(on_true), splat(on_false)
        if sides == (True, False):
            return condition
        if sides == (False, True):
            return build.elementwise("not", condition)
    if (inner := defining(on_true, "select")) and inner.operands[0] == condition:
        return build.select(condition, inner.operands[1], on_false)
    if (inner := defining(on_false, "select")) and inner.operands[0] == condition:
        return build.select(condition, on_true, inner.operands[2])
    return None


def _convert(op: ir.Operation) -> ir.Value | None:
    operand, target = op.operands[0], element(op.results[0])
    if element(operand) == target:
        return operand
    inner = defining(operand, "convert")
    if inner is None:
        return None
    source, middle = element(inner.operands[0]), element(operand)
    truncations = (
        all(isinstance(t, ir.IntegerType) and t.width > 1 for t in (source, middle, target))
        and source.width >= middle.width >= target.width
    )
    # A float goes to an integer as it is, but an integer that went through a float would wrap where the float does not.
    back = is_float(middle) and not is_float(source) and not is_float(target)
    if truncations or (_holds(source, middle) and (not back or is_bool(target) or _holds(source, target))):
        return build.convert(inner.operands[0], target)
    return None


def _holds(source: ir.Type, target: ir.Type) -> bool:
    """True if every value of `source` is one of `target`."""
    if source == target:
        return True
    if is_float(source):
        return str(target) in _WIDER_FLOATS[str(source)]
    if is_bool(target):
        return False
    bits = source.width - (not is_bool(source) and not source.is_unsigned)
    if is_float(target):
        return bits <= _SIGNIFICAND[str(target)] and not (str(target) == "f16" and bits > 15)
    signed = not is_bool(source) and not source.is_unsigned
    return not (signed and target.is_unsigned) and bits <= target.width - (not target.is_unsigned)


def _reduce_one(fast_math: bool, op: ir.Operation) -> ir.Value | None:
    """A reduction over dims of size 1 moves nothing but the shape."""
    operand, kind, dims = op.operands[0], attribute(op, "kind"), ints(op, "dims")
    if not is_static(operand) or any(shape(operand)[d] != 1 for d in dims):
        return None
    if kind.startswith("arg"):
        return _zero(op)
    if dims and kind == "sum" and is_float(element(operand)) and not fast_math:
        return None  # 0.0 + -0.0 is 0.0
    return build.reshape(operand, shape(op.results[0]))


def _scan_one(fast_math: bool, op: ir.Operation) -> ir.Value | None:
    operand = op.operands[0]
    exact = attribute(op, "kind") != "sum" or not is_float(element(operand)) or fast_math
    return operand if exact and shape(operand)[attribute(op, "dim")] == 1 else None
