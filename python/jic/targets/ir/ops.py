"""Fast builders of the upstream ops that kernels are made of (`arith`, `math`, `vector`, `memref`, `scf`).

`Operation.create` is used throughout: it is several times faster than the generated classes, and a kernel is thousands of
ops. All build at the current insertion point.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import contextmanager

from torch_mlir import ir


def op(
    name: str, operands: Sequence[ir.Value], result: ir.Type | None, attributes: dict[str, ir.Attribute] | None = None
) -> ir.Value:
    """An op with at most one result; returns that result (None for an op without results)."""
    created = ir.Operation.create(
        name, results=[] if result is None else [result], operands=list(operands), attributes=attributes or {}
    )
    return created.result if result is not None else None  # type: ignore[return-value]


def element_type(name: str) -> ir.Type:
    """The type a value of element `name` has in registers or memory, without signedness."""
    return ir.Type.parse("i8" if name == "ui8" else name)


def index_type() -> ir.Type:
    return ir.IndexType.get()


def vector_type(width: int, element: ir.Type) -> ir.Type:
    return ir.VectorType.get([width], element)


def scalar_of(type_: ir.Type) -> ir.Type:
    return type_.element_type if isinstance(type_, ir.VectorType) else type_


def like(type_: ir.Type, element: ir.Type) -> ir.Type:
    """`element`, as a vector of `type_`'s width if that is a vector."""
    return ir.VectorType.get(type_.shape, element) if isinstance(type_, ir.VectorType) else element


def constant(type_: ir.Type, value: float | int | bool) -> ir.Value:
    """A constant of a scalar or (splat) vector type."""
    element = scalar_of(type_)
    if isinstance(element, (ir.IntegerType, ir.IndexType)):
        number = int(value)
        if isinstance(element, ir.IntegerType) and element.width < 64:
            # wrap into the signed range that IntegerAttr takes
            number &= (1 << element.width) - 1
            if element.width > 1 and number >> (element.width - 1):
                number -= 1 << element.width
        attribute = ir.IntegerAttr.get(element, number)
    else:
        attribute = ir.FloatAttr.get(element, float(value))
    if isinstance(type_, ir.VectorType):
        attribute = ir.DenseElementsAttr.get_splat(type_, attribute)
    return op("arith.constant", [], type_, {"value": attribute})


def index(value: int) -> ir.Value:
    return constant(index_type(), value)


def binary(name: str, lhs: ir.Value, rhs: ir.Value) -> ir.Value:
    """`arith`-like op whose result has the type of its operands."""
    return op(name, [lhs, rhs], lhs.type)


def fastmath(flags: str) -> dict[str, ir.Attribute]:
    return {"fastmath": ir.Attribute.parse(f"#arith.fastmath<{flags}>")}


def _contract() -> dict[str, ir.Attribute]:
    return fastmath("contract")


def addf(lhs: ir.Value, rhs: ir.Value) -> ir.Value:
    return op("arith.addf", [lhs, rhs], lhs.type, _contract())


def subf(lhs: ir.Value, rhs: ir.Value) -> ir.Value:
    return op("arith.subf", [lhs, rhs], lhs.type, _contract())


def mulf(lhs: ir.Value, rhs: ir.Value) -> ir.Value:
    return op("arith.mulf", [lhs, rhs], lhs.type, _contract())


def divf(lhs: ir.Value, rhs: ir.Value) -> ir.Value:
    return binary("arith.divf", lhs, rhs)


def fma(a: ir.Value, b: ir.Value, c: ir.Value) -> ir.Value:
    return op("math.fma", [a, b, c], a.type)


def unary(name: str, value: ir.Value) -> ir.Value:
    return op(name, [value], value.type)


_CMPF = {"oeq": 1, "ogt": 2, "oge": 3, "olt": 4, "ole": 5, "one": 6, "uno": 14, "une": 13}
_CMPI = {"eq": 0, "ne": 1, "slt": 2, "sle": 3, "sgt": 4, "sge": 5, "ult": 6, "ule": 7, "ugt": 8, "uge": 9}


def _predicate(number: int) -> dict[str, ir.Attribute]:
    return {"predicate": ir.IntegerAttr.get(ir.IntegerType.get_signless(64), number)}


def cmpf(predicate: str, lhs: ir.Value, rhs: ir.Value) -> ir.Value:
    type_ = like(lhs.type, ir.IntegerType.get_signless(1))
    return op("arith.cmpf", [lhs, rhs], type_, _predicate(_CMPF[predicate]))


def cmpi(predicate: str, lhs: ir.Value, rhs: ir.Value) -> ir.Value:
    type_ = like(lhs.type, ir.IntegerType.get_signless(1))
    return op("arith.cmpi", [lhs, rhs], type_, _predicate(_CMPI[predicate]))


def select(condition: ir.Value, on_true: ir.Value, on_false: ir.Value) -> ir.Value:
    return op("arith.select", [condition, on_true, on_false], on_true.type)


def extreme(greater: bool, lhs: ir.Value, rhs: ir.Value) -> ir.Value:
    """The greater or the less of two floats; NaN if one is. Of two zeros the left one, as PyTorch's scalar code.

    The first select is one instruction on x86, which gives its second operand on a tie and for NaN.
    """
    better = select(cmpf("ogt" if greater else "olt", rhs, lhs), rhs, lhs)
    return select(cmpf("uno", rhs, rhs), rhs, better)


def bitcast(value: ir.Value, element: ir.Type) -> ir.Value:
    return op("arith.bitcast", [value], like(value.type, element))


def extract(vector: ir.Value, lane: int) -> ir.Value:
    """One lane of a vector."""
    return op("vector.extract", [vector], scalar_of(vector.type), {"static_position": ir.DenseI64ArrayAttr.get([lane])})


def splat(value: ir.Value, width: int) -> ir.Value:
    """A scalar repeated over a vector."""
    return op("vector.broadcast", [value], vector_type(width, value.type))


def for_loop(
    lower: ir.Value,
    upper: ir.Value,
    step: ir.Value,
    body: Callable[[ir.Value, list[ir.Value]], Sequence[ir.Value]],
    carried: Sequence[ir.Value] = (),
) -> list[ir.Value]:
    """`scf.for`; `body` gets the induction variable and the carried values and returns their next values."""
    loop = ir.Operation.create(
        "scf.for",
        results=[v.type for v in carried],
        operands=[lower, upper, step, *carried],
        regions=1,
    )
    block = loop.regions[0].blocks.append(index_type(), *[v.type for v in carried])
    with ir.InsertionPoint(block):
        arguments = list(block.arguments)
        op("scf.yield", list(body(arguments[0], arguments[1:])), None)
    return list(loop.results)


def repeat(lower: ir.Value, upper: ir.Value, step: ir.Value, body: Callable[[ir.Value], None]) -> None:
    """`scf.for` that carries nothing; `body` gets the induction variable."""

    def one(position: ir.Value, _: list[ir.Value]) -> Sequence[ir.Value]:
        body(position)
        return ()

    for_loop(lower, upper, step, one)


@contextmanager
def if_then(condition: ir.Value):
    """`scf.if` without results: the `with` body builds inside."""
    branch = ir.Operation.create("scf.if", results=[], operands=[condition], regions=2)
    block = branch.regions[0].blocks.append()
    with ir.InsertionPoint(block):
        yield
        op("scf.yield", [], None)
