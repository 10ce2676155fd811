"""One emission hook an elementwise op: registers in, register out. Scalars and vectors alike.

Values are in their register type: f16 and bf16 are f32, bools are i1, ui8 is i8 with unsigned semantics. Transcendental functions
come from a `Functions` object, which a target may override.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch_mlir import ir

from jic.errors import LoweringError

from ..ir import ops
from .functions import Functions
from .region import Node


@dataclass(frozen=True)
class Operands:
    """What a hook sees: the node, its operands' values and element names, and the function library."""

    node: Node
    values: list[ir.Value]
    elements: list[str]
    functions: Functions

    @property
    def is_float(self) -> bool:
        return is_float(self.elements[0])

    @property
    def unsigned(self) -> bool:
        return self.elements[0] in ("ui8", "i1")


Hook = Callable[[Operands], ir.Value]


def is_float(element: str) -> bool:
    return element in ("f16", "bf16", "f32", "f64")


def register_element(element: str) -> str:
    """The element in which values of `element` are computed."""
    return {"f16": "f32", "bf16": "f32", "ui8": "i8"}.get(element, element)


def emit(node: Node, values: list[ir.Value], elements: list[str], functions: Functions) -> ir.Value:
    """The value of elementwise `node`."""
    hook = HOOKS.get(node.op)
    if hook is None:
        raise LoweringError(f"jic.{node.op} has no elementwise lowering", location=node.location)
    return hook(Operands(node, values, elements, functions))


def _float_or_int(float_op: Callable[..., ir.Value], int_op: str, unsigned_op: str | None = None) -> Hook:
    def hook(o: Operands) -> ir.Value:
        if o.is_float:
            return float_op(*o.values)
        return ops.binary(unsigned_op if unsigned_op and o.unsigned else int_op, *o.values)

    return hook


def _function(name: str) -> Hook:
    return lambda o: getattr(o.functions, name)(*o.values)


def _abs(o: Operands) -> ir.Value:
    x = o.values[0]
    if o.is_float:
        return ops.unary("math.absf", x)
    return x if o.unsigned else ops.unary("math.absi", x)


def _neg(o: Operands) -> ir.Value:
    x = o.values[0]
    return ops.unary("arith.negf", x) if o.is_float else ops.binary("arith.subi", ops.constant(x.type, 0), x)


def _relu(o: Operands) -> ir.Value:
    # `x < 0 ? 0 : x` keeps NaN and is a single max instruction.
    x = o.values[0]
    zero = ops.constant(x.type, 0)
    if not o.is_float:
        return x if o.unsigned else ops.binary("arith.maxsi", x, zero)
    return ops.select(ops.cmpf("olt", x, zero), zero, x)


def _sign(o: Operands) -> ir.Value:
    x = o.values[0]
    zero, one = ops.constant(x.type, 0), ops.constant(x.type, 1)
    if o.unsigned:
        return ops.select(ops.cmpi("ne", x, zero), one, zero)
    minus = ops.constant(x.type, -1)
    if o.is_float:  # torch.sign(NaN) is 0
        return ops.select(ops.cmpf("ogt", x, zero), one, ops.select(ops.cmpf("olt", x, zero), minus, zero))
    return ops.select(ops.cmpi("sgt", x, zero), one, ops.select(ops.cmpi("slt", x, zero), minus, zero))


def _not(o: Operands) -> ir.Value:
    x = o.values[0]
    return ops.binary("arith.xori", x, ops.constant(x.type, -1 if o.elements[0] != "i1" else 1))


def _isnan(o: Operands) -> ir.Value:
    x = o.values[0]
    return ops.cmpf("uno", x, x) if o.is_float else _false(x)


def _isinf(o: Operands) -> ir.Value:
    x = o.values[0]
    if not o.is_float:
        return _false(x)
    return ops.cmpf("oeq", ops.unary("math.absf", x), ops.constant(x.type, float("inf")))


def _false(x: ir.Value) -> ir.Value:
    return ops.constant(ops.like(x.type, ir.IntegerType.get_signless(1)), 0)


def _logical_not(o: Operands) -> ir.Value:
    x = o.values[0]
    zero = ops.constant(x.type, 0)
    return ops.cmpf("oeq", x, zero) if o.is_float else ops.cmpi("eq", x, zero)


def _compare(o: Operands) -> ir.Value:
    predicate = o.node.attributes["predicate"]
    if o.is_float:
        return ops.cmpf("une" if predicate == "ne" else f"o{predicate}", *o.values)
    if predicate in ("eq", "ne"):
        return ops.cmpi(predicate, *o.values)
    return ops.cmpi(("u" if o.unsigned else "s") + predicate, *o.values)


def _extreme(greater: bool) -> Hook:
    signed, unsigned = ("arith.maxsi", "arith.maxui") if greater else ("arith.minsi", "arith.minui")

    def hook(o: Operands) -> ir.Value:
        if o.is_float:
            return ops.extreme(greater, *o.values)
        return ops.binary(unsigned if o.unsigned else signed, *o.values)

    return hook


def _mod(o: Operands) -> ir.Value:
    """Remainder with the divisor's sign, as Python's."""
    a, b = o.values
    zero = ops.constant(a.type, 0)
    if o.is_float:
        r = ops.binary("arith.remf", a, b)
        differs = ops.binary(
            "arith.andi",
            ops.cmpf("une", r, zero),
            ops.binary("arith.xori", ops.cmpf("olt", r, zero), ops.cmpf("olt", b, zero)),
        )
        return ops.select(differs, ops.addf(r, b), r)
    if o.unsigned:
        return ops.binary("arith.remui", a, _nonzero(b))
    divisor = _nonzero(b)
    r = ops.binary("arith.remsi", a, _not_minus_one(divisor))
    differs = ops.binary(
        "arith.andi",
        ops.cmpi("ne", r, zero),
        ops.binary("arith.xori", ops.cmpi("slt", r, zero), ops.cmpi("slt", divisor, zero)),
    )
    return ops.select(differs, ops.binary("arith.addi", r, divisor), r)


def _nonzero(b: ir.Value) -> ir.Value:
    """Integer division by zero kills the process on x86; eager raises before it runs (see the importer's check)."""
    return ops.select(ops.cmpi("eq", b, ops.constant(b.type, 0)), ops.constant(b.type, 1), b)


def _not_minus_one(b: ir.Value) -> ir.Value:
    """INT_MIN % -1 traps; any remainder by -1 is 0, as by 1."""
    return ops.select(ops.cmpi("eq", b, ops.constant(b.type, -1)), ops.constant(b.type, 1), b)


def _rem(o: Operands) -> ir.Value:
    a, b = o.values
    if o.is_float:
        return ops.binary("arith.remf", a, b)
    if o.unsigned:
        return ops.binary("arith.remui", a, _nonzero(b))
    return ops.binary("arith.remsi", a, _not_minus_one(_nonzero(b)))


def _div(o: Operands) -> ir.Value:
    a, b = o.values
    if o.is_float:
        return ops.divf(a, b)
    if o.unsigned:
        return ops.binary("arith.divui", a, _nonzero(b))
    minus_one = ops.cmpi("eq", b, ops.constant(b.type, -1))
    negated = ops.binary("arith.subi", ops.constant(a.type, 0), a)
    return ops.select(minus_one, negated, ops.binary("arith.divsi", a, _not_minus_one(_nonzero(b))))


def _pow(o: Operands) -> ir.Value:
    if o.is_float:
        return o.functions.pow(*o.values)
    # Square and multiply; a negative exponent gives 0 except for bases 1 and -1, as ATen's integer pow.
    base, exponent = o.values
    type_ = base.type
    one, zero = ops.constant(type_, 1), ops.constant(type_, 0)
    bits = ir.IntegerType(ops.scalar_of(type_)).width
    result, power = one, base
    for bit in range(min(bits, 64) - 1):
        taken = ops.cmpi("ne", ops.binary("arith.andi", exponent, ops.constant(type_, 1 << bit)), zero)
        result = ops.select(taken, ops.binary("arith.muli", result, power), result)
        power = ops.binary("arith.muli", power, power)
    odd = ops.cmpi("ne", ops.binary("arith.andi", exponent, one), zero)
    minus = ops.constant(type_, -1)
    negative = ops.select(
        ops.cmpi("eq", base, one),
        one,
        ops.select(ops.cmpi("eq", base, minus), ops.select(odd, minus, one), zero),
    )
    return ops.select(ops.cmpi("slt", exponent, zero), negative, result)


def _shift(name: str, unsigned_name: str | None = None) -> Hook:
    def hook(o: Operands) -> ir.Value:
        a, b = o.values
        bits = ir.IntegerType(ops.scalar_of(a.type)).width
        # A shift by the width or more is poison; torch's result is 0, or the sign for an arithmetic right shift.
        inside = ops.cmpi("ult", b, ops.constant(b.type, bits))
        used = unsigned_name if unsigned_name and o.unsigned else name
        if used == "arith.shrsi":
            return ops.binary(used, a, ops.select(inside, b, ops.constant(b.type, bits - 1)))
        shifted = ops.binary(used, a, ops.select(inside, b, ops.constant(b.type, 0)))
        return ops.select(inside, shifted, ops.constant(a.type, 0))

    return hook


def _select(o: Operands) -> ir.Value:
    return ops.select(*o.values)


def _convert(o: Operands) -> ir.Value:
    return convert(o.values[0], o.elements[0], o.node.element)


def convert(value: ir.Value, source: str, target: str) -> ir.Value:
    """`value` of element `source` as element `target`, both in registers; narrow floats are rounded."""
    if source == target:
        return value
    to = ops.like(value.type, ops.element_type(register_element(target)))
    if target == "i1":
        zero = ops.constant(value.type, 0)
        return ops.cmpf("une", value, zero) if is_float(source) else ops.cmpi("ne", value, zero)
    if is_float(source) and is_float(target):
        return _convert_float(value, source, target)
    if is_float(source):
        return _whole(value, target, to)
    if is_float(target):
        name = "arith.uitofp" if source in ("ui8", "i1") else "arith.sitofp"
        number = ops.op(name, [value], to)
        return round_to(number, target)
    before, after = _width(source), _width(target)
    if before == after:
        return value
    if before > after:
        return ops.op("arith.trunci", [value], to)
    return ops.op("arith.extui" if source in ("ui8", "i1") else "arith.extsi", [value], to)


def _whole(value: ir.Value, target: str, to: ir.Type) -> ir.Value:
    """A float as an integer, rounded to zero.

    Out of range is poison in LLVM. PyTorch on x86 gives the low bits of the least integer of the register that it converts in:
    64 bits for int64 and uint8, else 32.
    """
    bits = 64 if target in ("i64", "ui8") else 32
    inside = ops.cmpf("olt", ops.unary("math.absf", value), ops.constant(value.type, float(1 << (bits - 1))))
    safe = ops.select(inside, value, ops.constant(value.type, 0.0))
    wide = ops.op("arith.fptosi", [safe], ops.like(value.type, ops.element_type(f"i{bits}")))
    least = ops.constant(wide.type, -(1 << (bits - 1)))
    wide = ops.select(inside, wide, least)
    return wide if wide.type == to else ops.op("arith.trunci", [wide], to)


def _width(element: str) -> int:
    return int(element.lstrip("ui"))


def _convert_float(value: ir.Value, source: str, target: str) -> ir.Value:
    wide_source, wide_target = register_element(source) == "f64", register_element(target) == "f64"
    if wide_source and not wide_target:
        value = ops.op("arith.truncf", [value], ops.like(value.type, ops.element_type("f32")))
    if wide_target and not wide_source:
        value = ops.op("arith.extf", [value], ops.like(value.type, ops.element_type("f64")))
    return round_to(value, target)


def round_to(value: ir.Value, element: str) -> ir.Value:
    """`value`, an f32 register, rounded to what `element` can hold (f16, bf16); others as they are."""
    if element not in ("f16", "bf16"):
        return value
    narrow = ops.op("arith.truncf", [value], ops.like(value.type, ops.element_type(element)))
    return ops.op("arith.extf", [narrow], value.type)


# Ops that are one call of the function library.
_FUNCTIONS = (
    *("exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "rsqrt", "reciprocal", "sigmoid", "erf", "tanh"),
    *("sin", "cos", "tan", "asin", "acos", "atan", "atan2", "sinh", "cosh"),
)

HOOKS: dict[str, Hook] = {
    "abs": _abs,
    "neg": _neg,
    "sign": _sign,
    "relu": _relu,
    "not": _not,
    "isnan": _isnan,
    "isinf": _isinf,
    "logical_not": _logical_not,
    "compare": _compare,
    "select": _select,
    "convert": _convert,
    "add": _float_or_int(ops.addf, "arith.addi"),
    "sub": _float_or_int(ops.subf, "arith.subi"),
    "mul": _float_or_int(ops.mulf, "arith.muli"),
    "div": _div,
    "rem": _rem,
    "mod": _mod,
    "pow": _pow,
    "maximum": _extreme(True),
    "minimum": _extreme(False),
    "and": lambda o: ops.binary("arith.andi", *o.values),
    "or": lambda o: ops.binary("arith.ori", *o.values),
    "xor": lambda o: ops.binary("arith.xori", *o.values),
    "shl": _shift("arith.shli"),
    "shr": _shift("arith.shrsi", "arith.shrui"),
    "floor": lambda o: ops.unary("math.floor", o.values[0]),
    "ceil": lambda o: ops.unary("math.ceil", o.values[0]),
    "round": lambda o: ops.unary("math.roundeven", o.values[0]),
    "trunc": lambda o: ops.unary("math.trunc", o.values[0]),
    "sqrt": lambda o: ops.unary("math.sqrt", o.values[0]),
    **{name: _function(name) for name in _FUNCTIONS},
}
