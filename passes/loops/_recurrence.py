"""Whether a loop is a recurrence over independent rows: one dim, the batch, runs through the whole body untouched."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from torch_mlir import ir

from jic.passes.fusion._graph import is_static
from jic.passes.fusion._ops import ELEMENTWISE

from ._dim_classes import BODY_OPS, Dim, DimClasses, is_constant, op_name, shape_of

_FLOATS = ("f64", "f32", "bf16", "f16")
_INLINE = ELEMENTWISE | {"constant", "iota", "broadcast", "transpose", "slice", "reverse", "pad", "reshape"}
_MANY_ROWS = 16
_SMALL = 32
_BYTES = {"i1": 1, "ui8": 1}


@dataclass(frozen=True)
class Rows:
    """A recurrence's rows.

    Attributes:
        size: the number of rows, 1 if the body works on one thing that has no batch dim.
        dims: for each value that has one, the dim along which its rows lie. A value without is the same for all rows.
        weights: for the result of each `jic.matmul` of rows by something else, that the loop needs, the number (0 or 1)
            of the operand that is the same in all steps.
    """

    size: int
    dims: dict[ir.Value, int]
    weights: dict[ir.Value, int]


@dataclass(frozen=True)
class Limits:
    """Bytes of the weights that each step reads again, of the values of one row, and of both where there is one row."""

    weights: int = 8 << 20
    row: int = 128 << 10
    single: int = 4 << 20


def find_rows(loop: ir.Operation, limits: Limits | None = None) -> Rows | None:
    """The rows of a `jic.loop`, or None if it is not a recurrence. With `limits` also None if it is too big to pay."""
    block = loop.regions[0].blocks[0]
    body = [view.operation for view in block.operations][:-1]
    if any(op_name(op) not in BODY_OPS or not _is_plain(op) for op in body):
        return None
    body = _live(body, list(block.operations)[-1].operation)
    inner = set(block.arguments) | {r for op in body for r in op.results}
    values = [*inner, *(v for op in body for v in op.operands), *loop.operands]
    if not all(isinstance(v.type, ir.RankedTensorType) and is_static(shape_of(v)) for v in values):
        return None
    if not all(prod(shape_of(v)) for v in values):
        return None
    carried = [v for v in list(block.arguments)[1:] if shape_of(v)]
    if not carried:
        return None
    candidates = _candidates(DimClasses.of(loop), carried)
    for size, dims in [*candidates, (1, {})]:
        weights = _weights(loop, body, dims)
        if weights is None or not _updates_fit(loop, body):
            continue
        if limits is not None and not _pays(loop, body, dims, size, weights, limits):
            continue
        return Rows(size, dims, weights)
    return None


def _live(body: list[ir.Operation], last: ir.Operation) -> list[ir.Operation]:
    """The ops that what the loop yields depends on."""
    wanted = set(last.operands)
    found = []
    for op in reversed(body):
        if any(r in wanted for r in op.results):
            wanted |= set(op.operands)
            found.append(op)
    return found[::-1]


def _candidates(classes: DimClasses, carried: list[ir.Value]) -> list[tuple[int, dict[ir.Value, int]]]:
    """(number of rows, dims): the outermost dim of enough rows for many threads first, else the one of most rows."""
    for value in carried:
        for d in range(len(shape_of(value))):
            classes.find((value, d))
    open_ = classes.open_classes()
    sizes = [s for s in dict.fromkeys(shape_of(carried[0])) if s > 1]
    found = [(size, _cover(classes, open_, carried, size)) for size in sizes]
    return sorted(((s, dims) for s, dims in found if dims), key=lambda c: 0 if c[0] >= _MANY_ROWS else 1 / c[0])


def _cover(
    classes: DimClasses, open_: dict[Dim, dict[ir.Value, int]], carried: list[ir.Value], size: int
) -> dict[ir.Value, int]:
    """Dims of `size`, one for each of `carried` and whatever shares it; empty if there are none.

    Carried values that never meet have classes of their own, which are taken together.
    """
    found: dict[ir.Value, int] = {}
    for value in carried:
        if value in found:
            continue
        for d, extent in enumerate(shape_of(value)):
            dims = open_.get(classes.find((value, d))) if extent == size else None
            if dims is not None and not found.keys() & dims.keys():
                found |= dims
                break
        else:
            return {}
    return found


def _is_plain(op: ir.Operation) -> bool:
    """No dense constants: a kernel takes those as arguments."""
    return op.name != "jic.constant" or is_splat(op.results[0])


def is_splat(constant: ir.Value) -> bool:
    value = constant.owner.operation.attributes["value"]
    return isinstance(value, ir.DenseElementsAttr) and value.is_splat


def _weights(loop: ir.Operation, body: list[ir.Operation], dims: dict[ir.Value, int]) -> dict[ir.Value, int] | None:
    """The weight operands of the matmuls, or None if an op of the body cannot be done row by row."""
    variant = set(loop.regions[0].blocks[0].arguments)
    found: dict[ir.Value, int] = {}
    computed: set[ir.Value] = set()
    batched = bool(dims)
    for op in body:
        # what is packed before the loop is computed element by element: no sums, no elements in another order
        reordered = op.name == "jic.reshape" and op.operands[0] in computed
        computed |= set() if op.name == "jic.reshape" else set(op.results)
        if op_name(op) not in _INLINE or reordered or any(v in variant for v in op.operands):
            variant |= set(op.results)
        result, name = op.results[0], op_name(op)
        own = result in dims or not batched
        if name == "matmul" and _is_own(result, dims):
            continue
        if name == "matmul":
            number = _weight_operand(op, variant, dims, batched)
            if number is None or not own:
                return None
            found[result] = number
        elif name == "reduce":
            kind, reduced = ir.StringAttr(op.attributes["kind"]).value, tuple(op.attributes["dims"])
            if not own or not reduced or (kind.startswith("arg") and len(reduced) != 1):
                return None
        elif name in ("concat", "dynamic_update") and not own:
            return None
    yielded = list(loop.regions[0].blocks[0].operations)[-1].operation.operands
    if batched and any(shape_of(v) and v not in dims and not is_constant(v) for v in yielded):
        return None
    return found


def _is_own(result: ir.Value, dims: dict[ir.Value, int]) -> bool:
    """Whether a matmul multiplies matrices that belong to one row each, small ones: there is no register blocking for them."""
    *batch, m, n = shape_of(result)
    own = dims.get(result, len(batch)) < len(batch) if dims else bool(batch) and prod(batch) == 1
    return own and _is_float(result) and min(m, n) <= _SMALL


def _is_float(value: ir.Value) -> bool:
    return str(ir.RankedTensorType(value.type).element_type) in _FLOATS


def _weight_operand(op: ir.Operation, variant: set[ir.Value], dims: dict[ir.Value, int], batched: bool) -> int | None:
    result = op.results[0]
    if len(shape_of(result)) != 2 or not _is_float(result):
        return None
    for number in (1, 0):
        weight, rows = op.operands[number], op.operands[1 - number]
        if weight not in variant and weight not in dims and (rows in dims or not batched):
            return number
    return None


def _updates_fit(loop: ir.Operation, body: list[ir.Operation]) -> bool:
    """Every `dynamic_update` is a link of a chain from a carried value, which nothing else reads, to what is yielded for it."""
    block = loop.regions[0].blocks[0]
    chained: set[ir.Value] = set()
    last = list(block.operations)[-1].operation
    for argument, value in zip(list(block.arguments)[1:], last.operands, strict=True):
        chain = update_chain(argument, value)
        if chain is not None and len(list(argument.uses)) == 1:
            chained |= {op.results[0] for op in chain}
    return all(op.results[0] in chained for op in body if op.name == "jic.dynamic_update")


def update_chain(argument: ir.Value, value: ir.Value) -> list[ir.Operation] | None:
    """The `dynamic_update`s, first one first, that make `value` from `argument` and that nothing else reads; else None."""
    found: list[ir.Operation] = []
    while value != argument:
        if isinstance(value.owner, ir.Block) or value.owner.operation.name != "jic.dynamic_update":
            return None
        if len(list(value.uses)) > 1:
            return None
        found.append(value.owner.operation)
        value = found[-1].operands[0]
    return found[::-1] or None


def bytes_of(value: ir.Value) -> int:
    element = ir.RankedTensorType(value.type).element_type
    return prod(shape_of(value)) * (_BYTES.get(str(element)) or max(1, element.width // 8))  # type: ignore[attr-defined]


def _pays(
    loop: ir.Operation,
    body: list[ir.Operation],
    dims: dict[ir.Value, int],
    size: int,
    weights: dict[ir.Value, int],
    limits: Limits,
) -> bool:
    """Whether a row's values and the weights stay in the caches from one step to the next."""
    read = sum(bytes_of(result.owner.operation.operands[number]) for result, number in weights.items())
    block = loop.regions[0].blocks[0]
    buffers = {r for op in body if op.name == "jic.dynamic_update" for r in op.results}
    last = list(block.operations)[-1].operation
    state = [a for a, y in zip(list(block.arguments)[1:], last.operands, strict=True) if y not in buffers]
    kept = [op.results[0] for op in body if op_name(op) in ("matmul", "reduce", "concat")]
    row = sum(bytes_of(v) for v in (*state, *kept)) // size
    if not dims:  # one thread does it all: only where the steps are small
        return bool(weights) and read + row <= limits.single
    return read <= limits.weights and row <= limits.row
