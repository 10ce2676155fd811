"""The few builders that the matrix kernels are written with: index arithmetic, loops, and vector loads and stores.

Index arguments may be `ir.Value`s or Python ints; an int becomes a constant, and sums and products of ints are folded.
All builders use the current insertion point and location.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from torch_mlir import ir

from . import ops

Index = ir.Value | int


def index(value: Index) -> ir.Value:
    return value if isinstance(value, ir.Value) else ops.index(value)


def add(a: Index, b: Index) -> Index:
    if isinstance(a, int) and isinstance(b, int):
        return a + b
    if isinstance(a, int) and a == 0:
        return b
    if isinstance(b, int) and b == 0:
        return a
    return ops.binary("arith.addi", index(a), index(b))


def mul(a: Index, b: Index) -> Index:
    if isinstance(a, int) and isinstance(b, int):
        return a * b
    for x, y in ((a, b), (b, a)):
        if isinstance(x, int) and x in (0, 1):
            return y if x else 0
    return ops.binary("arith.muli", index(a), index(b))


def sub(a: Index, b: Index) -> Index:
    if isinstance(a, int) and isinstance(b, int):
        return a - b
    return a if isinstance(b, int) and b == 0 else ops.binary("arith.subi", index(a), index(b))


def div(a: Index, b: int) -> Index:
    if b == 1:
        return a
    return a // b if isinstance(a, int) else ops.binary("arith.divui", a, index(b))


def rem(a: Index, b: int) -> Index:
    if b == 1:
        return 0
    return a % b if isinstance(a, int) else ops.binary("arith.remui", a, index(b))


def minimum(a: Index, b: Index) -> Index:
    if isinstance(a, int) and isinstance(b, int):
        return min(a, b)
    return ops.binary("arith.minui", index(a), index(b))


def equal(a: Index, b: Index) -> ir.Value:
    return ops.cmpi("eq", index(a), index(b))


@contextmanager
def loop(lower: Index, upper: Index, step: int = 1) -> Iterator[Index]:
    """The body of `for i in range(lower, upper, step)`; exactly one iteration is emitted without a loop."""
    if isinstance(lower, int) and isinstance(upper, int) and 0 < upper - lower <= step:
        yield lower
        return
    created = ir.Operation.create("scf.for", operands=[index(lower), index(upper), index(step)], regions=1)
    block = created.regions[0].blocks.append(ops.index_type())
    with ir.InsertionPoint(block):
        yield block.arguments[0]
        ops.op("scf.yield", [], None)


@contextmanager
def when(*conditions: ir.Value | bool) -> Iterator[None]:
    """The body of an `if` that holds where all conditions hold; conditions that are Python `True` cost nothing."""
    dynamic = [c for c in conditions if isinstance(c, ir.Value)]
    if not dynamic:
        yield
        return
    condition = dynamic[0]
    for other in dynamic[1:]:
        condition = ops.binary("arith.andi", condition, other)
    with ops.if_then(condition):
        yield


def fold(
    lower: Index,
    upper: Index,
    step: int,
    initial: Sequence[ir.Value],
    body: Callable[[Index, list[ir.Value]], list[ir.Value]],
) -> list[ir.Value]:
    """`values = body(i, values)` for i in range(lower, upper, step), starting with `initial`."""
    if isinstance(lower, int) and isinstance(upper, int):
        if lower >= upper:
            return list(initial)
        if upper - lower <= step:
            return body(lower, list(initial))
    return ops.for_loop(index(lower), index(upper), index(step), body, initial)


def zero(lanes: int, element: ir.Type) -> ir.Value:
    return ops.constant(ops.vector_type(lanes, element), 0)


def first_lanes(lanes: int, used: int) -> ir.Value:
    """A constant mask with the first `used` of `lanes` lanes set."""
    type_ = ops.vector_type(lanes, ir.IntegerType.get_signless(1))
    return ops.op("vector.constant_mask", [], type_, {"mask_dim_sizes": ir.DenseI64ArrayAttr.get([used])})


def load(buffer: ir.Value, at: Index, lanes: int, used: int | None = None) -> ir.Value:
    """`lanes` consecutive elements of a flat buffer; with `used` < lanes the others are zero and are not read."""
    type_ = ops.vector_type(lanes, buffer.type.element_type)
    if used is None or used == lanes:
        return ops.op("vector.load", [buffer, index(at)], type_)
    return ops.op("vector.maskedload", [buffer, index(at), first_lanes(lanes, used), ops.constant(type_, 0)], type_)


def store(value: ir.Value, buffer: ir.Value, at: Index, used: int | None = None) -> None:
    """Store a vector, or its first `used` lanes."""
    lanes = value.type.shape[0]
    if used is None or used == lanes:
        ops.op("vector.store", [value, buffer, index(at)], None)
    elif used == 1:  # a masked store of one lane that was truncated is stored too wide (see kernel/memory.py)
        element, place = ir.VectorType(value.type).element_type, ir.DenseI64ArrayAttr.get([0])
        first = ops.op("vector.extract", [value], element, {"static_position": place})
        ops.op("memref.store", [first, buffer, index(at)], None)
    else:
        ops.op("vector.maskedstore", [buffer, index(at), first_lanes(lanes, used), value], None)


def prefetch(buffer: ir.Value, at: Index) -> None:
    """Start to bring an element, which may lie past the end, into the cache."""
    attributes = {
        "isWrite": ir.BoolAttr.get(False),
        "isDataCache": ir.BoolAttr.get(True),
        "localityHint": ir.IntegerAttr.get(ops.element_type("i32"), 3),
    }
    ops.op("memref.prefetch", [buffer, index(at)], None, attributes)


def load_scalar(buffer: ir.Value, at: Index) -> ir.Value:
    return ops.op("memref.load", [buffer, index(at)], buffer.type.element_type)


def first_lane(value: ir.Value) -> ir.Value:
    attributes = {"static_position": ir.DenseI64ArrayAttr.get([0])}
    return ops.op("vector.extract", [value], value.type.element_type, attributes)


def shuffle(a: ir.Value, b: ir.Value, mask: Sequence[int]) -> ir.Value:
    type_ = ops.vector_type(len(mask), a.type.element_type)
    return ops.op("vector.shuffle", [a, b], type_, {"mask": ir.DenseI64ArrayAttr.get(list(mask))})


def plus(a: ir.Value, b: ir.Value) -> ir.Value:
    return ops.binary("arith.addi" if isinstance(a.type.element_type, ir.IntegerType) else "arith.addf", a, b)


def multiply_add(a: ir.Value, b: ir.Value, c: ir.Value) -> ir.Value:
    """`a * b + c`, fused for floats, wrapping for integers."""
    if isinstance(c.type.element_type, ir.IntegerType):
        return plus(ops.binary("arith.muli", a, b), c)
    return ops.op("vector.fma", [a, b, c], c.type)
