"""The few builders that the matrix kernels are written with: index arithmetic, loops, and vector loads and stores.

Index arguments may be `ir.Value`s or Python ints; an int becomes a constant, and sums and products of ints are folded.
All builders use the current insertion point and location.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from torch_mlir import ir
from torch_mlir.dialects import arith, memref, scf, vector

Index = ir.Value | int


def index(value: Index) -> ir.Value:
    if isinstance(value, ir.Value):
        return value
    return arith.ConstantOp(ir.IndexType.get(), value).result


def add(a: Index, b: Index) -> Index:
    if isinstance(a, int) and isinstance(b, int):
        return a + b
    if isinstance(a, int) and a == 0:
        return b
    if isinstance(b, int) and b == 0:
        return a
    return arith.AddIOp(index(a), index(b)).result


def mul(a: Index, b: Index) -> Index:
    if isinstance(a, int) and isinstance(b, int):
        return a * b
    for x, y in ((a, b), (b, a)):
        if isinstance(x, int) and x in (0, 1):
            return y if x else 0
    return arith.MulIOp(index(a), index(b)).result


def sub(a: Index, b: Index) -> Index:
    if isinstance(a, int) and isinstance(b, int):
        return a - b
    return arith.SubIOp(index(a), index(b)).result


def div(a: Index, b: int) -> Index:
    if b == 1:
        return a
    return a // b if isinstance(a, int) else arith.DivUIOp(a, index(b)).result


def rem(a: Index, b: int) -> Index:
    if b == 1:
        return 0
    return a % b if isinstance(a, int) else arith.RemUIOp(a, index(b)).result


def minimum(a: Index, b: Index) -> Index:
    if isinstance(a, int) and isinstance(b, int):
        return min(a, b)
    return arith.MinUIOp(index(a), index(b)).result


def equal(a: Index, b: Index) -> ir.Value:
    return arith.CmpIOp(arith.CmpIPredicate.eq, index(a), index(b)).result


def below(a: Index, b: Index) -> ir.Value:
    return arith.CmpIOp(arith.CmpIPredicate.ult, index(a), index(b)).result


@contextmanager
def loop(lower: Index, upper: Index, step: int = 1) -> Iterator[Index]:
    """The body of `for i in range(lower, upper, step)`; a loop of exactly one iteration is not emitted as a loop."""
    if isinstance(lower, int) and isinstance(upper, int) and 0 < upper - lower <= step:
        yield lower
        return
    op = scf.ForOp(index(lower), index(upper), index(step))
    with ir.InsertionPoint(op.body):
        yield op.induction_variable
        scf.YieldOp([])


@contextmanager
def when(condition: ir.Value) -> Iterator[None]:
    op = scf.IfOp(condition)
    with ir.InsertionPoint(op.then_block):
        yield
        scf.YieldOp([])


def fold(
    lower: Index, upper: Index, step: int, initial: Sequence[ir.Value], body: Callable[[Index, list[ir.Value]], list]
) -> list[ir.Value]:
    """`values = body(i, values)` for i in range(lower, upper, step), starting with `initial`."""
    if isinstance(lower, int) and isinstance(upper, int):
        if lower >= upper:
            return list(initial)
        if upper - lower <= step:
            return body(lower, list(initial))
    op = scf.ForOp(index(lower), index(upper), index(step), list(initial))
    with ir.InsertionPoint(op.body):
        scf.YieldOp(body(op.induction_variable, list(op.inner_iter_args)))
    return list(op.results)


def vector_type(lanes: int, element: ir.Type) -> ir.VectorType:
    return ir.VectorType.get([lanes], element)


def splat(type_: ir.VectorType, value: float | int = 0) -> ir.Value:
    element = type_.element_type
    if isinstance(element, ir.IntegerType):
        attribute = ir.IntegerAttr.get(element, int(value))
    else:
        attribute = ir.FloatAttr.get(element, float(value))
    return arith.ConstantOp(type_, ir.DenseElementsAttr.get_splat(type_, attribute)).result


def first_lanes(lanes: int, used: int) -> ir.Value:
    """A constant mask with the first `used` of `lanes` lanes set."""
    type_ = vector_type(lanes, ir.IntegerType.get_signless(1))
    return vector.ConstantMaskOp(type_, [used]).result


def load(buffer: ir.Value, indices: Sequence[Index], lanes: int, used: int | None = None) -> ir.Value:
    """`lanes` consecutive elements; with `used` < lanes the others are zero and are not read."""
    type_ = vector_type(lanes, ir.MemRefType(buffer.type).element_type)
    where = [index(i) for i in indices]
    if used is None or used == lanes:
        return vector.LoadOp(type_, buffer, where).result
    return vector.MaskedLoadOp(type_, buffer, where, first_lanes(lanes, used), splat(type_)).result


def store(value: ir.Value, buffer: ir.Value, indices: Sequence[Index], used: int | None = None) -> None:
    """Store a vector, or its first `used` lanes."""
    lanes = ir.VectorType(value.type).shape[0]
    where = [index(i) for i in indices]
    if used is None or used == lanes:
        vector.StoreOp(value, buffer, where)
    else:
        vector.MaskedStoreOp(buffer, where, first_lanes(lanes, used), value)


def load_scalar(buffer: ir.Value, indices: Sequence[Index]) -> ir.Value:
    return memref.LoadOp(buffer, [index(i) for i in indices]).result


def broadcast(lanes: int, scalar: ir.Value) -> ir.Value:
    return vector.BroadcastOp(vector_type(lanes, scalar.type), scalar).result


def shuffle(a: ir.Value, b: ir.Value, mask: Sequence[int]) -> ir.Value:
    return vector.ShuffleOp(a, b, list(mask)).result


def multiply_add(a: ir.Value, b: ir.Value, c: ir.Value) -> ir.Value:
    """`a * b + c`, fused for floats, wrapping for integers."""
    if isinstance(ir.VectorType(c.type).element_type, ir.IntegerType):
        return arith.AddIOp(arith.MulIOp(a, b).result, c).result
    return vector.FMAOp(a, b, c).result
