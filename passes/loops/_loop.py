"""A `jic.loop` with its parts by name, and the small questions that loop passes ask."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import prod

from torch_mlir import ir

from jic.dialects import build

from ..base import functions, walk
from ..simplify._rewrite import element, is_static, shape, splat, used

# Ops that only their users need: they may be computed elsewhere, or not at all.
_IMPURE = {"jic.aten_call", "jic.bail", "jic.launch", "jic.while", "jic.yield", "jic.condition"}


@dataclass(frozen=True)
class Loop:
    """The parts of a `jic.loop`. Wrappers dangle when the op is erased: make it, use it, drop it."""

    op: ir.Operation

    @property
    def body(self) -> ir.Block:
        return self.op.regions[0].blocks[0]

    @property
    def index(self) -> ir.Value:
        return self.body.arguments[0]

    @property
    def carried(self) -> list[ir.Value]:
        return list(self.body.arguments)[1:]

    @property
    def inits(self) -> list[ir.Value]:
        return list(self.op.operands)[1:]

    @property
    def terminator(self) -> ir.Operation:
        return list(self.body.operations)[-1].operation

    @property
    def yielded(self) -> list[ir.Value]:
        return list(self.terminator.operands)

    @property
    def trip_count(self) -> int | None:
        """The number of iterations, if it is a constant."""
        count = splat(self.op.operands[0])
        return None if count is None else max(0, int(count))

    def operations(self) -> list[ir.Operation]:
        """The ops of the body, without its terminator."""
        return [op.operation for op in self.body.operations][:-1]


def loops(module: ir.Operation) -> list[ir.Operation]:
    """All `jic.loop`s outside kernels, inner ones before the loops around them."""
    found: list[ir.Operation] = []
    for function in functions(module):
        found += [op for op in walk(function) if op.name == "jic.loop"]
    return [op for op in reversed(found) if not inside(op, "jic.fused")]


def inside(op: ir.Operation, name: str) -> bool:
    parent = op.parent
    while parent is not None:
        if parent.operation.name == name:
            return True
        parent = parent.operation.parent
    return False


def is_movable(op: ir.Operation) -> bool:
    """True if `op`, with all that its regions hold, has no effect but its results and comes to an end."""
    inner = [o for o in walk(op) if o.name not in ("jic.yield", "func.return")]
    return all(o.name.startswith("jic.") and o.name not in _IMPURE for o in [op, *inner])


def captured(op: ir.Operation) -> list[ir.Value]:
    """The values from outside that the regions of `op` use."""
    inner = walk(op)
    if not inner:
        return []
    own: set[ir.Value] = set()
    for o in [op, *inner]:
        for region in o.regions:
            for block in region.blocks:
                own.update(block.arguments)
    for o in inner:
        own.update(o.results)
    return list(dict.fromkeys(v for o in inner for v in o.operands if v not in own))


def reads(op: ir.Operation) -> list[ir.Value]:
    """All values that `op` depends on: its operands and what its regions capture."""
    return [*op.operands, *captured(op)]


def closure(body: list[ir.Operation], roots: Iterable[ir.Value]) -> tuple[list[int], set[ir.Value]]:
    """The positions in `body` of the ops that `roots` are computed from, in order, and all values these ops read."""
    wanted = set(roots)
    found: list[int] = []
    for i in reversed(range(len(body))):
        if any(r in wanted for r in body[i].results):
            found.append(i)
            wanted.update(reads(body[i]))
    return found[::-1], wanted


def invariant_in(op: ir.Operation) -> Callable[[ir.Value], bool]:
    """A test for values that are defined outside of the loop `op` as it is now.

    It does not ask a value where it stands: a wrapper of a block's argument goes on naming the op that held the block when
    the wrapper was made, and that op may be gone.
    """
    own: set[ir.Value] = set()
    for o in [op, *walk(op)]:
        for region in o.regions:
            for block in region.blocks:
                own.update(block.arguments)
        if o != op:
            own.update(o.results)
    return lambda value: value not in own


def clone(op: ir.Operation, replacements: dict[ir.Value, ir.Value]) -> ir.Operation:
    """A copy of `op` at the insertion point, with other values in place of those that it and its regions read."""
    new = op.clone()
    for o in [new, *walk(new)]:
        for i, operand in enumerate(o.operands):
            if operand in replacements:
                o.operands[i] = replacements[operand]
    return new


def attributes(op: ir.Operation) -> dict[str, ir.Attribute]:
    named = [op.attributes[i] for i in range(len(op.attributes))]
    return {a.name: a.attr for a in named if not a.name.endswith("SegmentSizes")}


def element_bytes(type_: ir.Type) -> int:
    if isinstance(type_, ir.IntegerType):
        return max(1, type_.width // 8)
    return {"f16": 2, "bf16": 2, "f64": 8}.get(str(type_), 4)


def size_in_bytes(value: ir.Value) -> int:
    """The memory of a tensor of static shape."""
    return prod(shape(value)) * element_bytes(element(value))


def all_static(op: ir.Operation) -> bool:
    return is_static(*op.operands, *op.results)


def keep_carried(loop: Loop, keep: list[int]) -> ir.Operation:
    """Put in the loop's place one that carries only the values `keep`, which need no other; erases `loop.op`."""
    op, body = loop.op, loop.body
    inits, yielded = loop.inits, loop.yielded
    # MLIR would not notice what is erased while in use, and would end the process some time later.
    left = [k for k in range(len(inits)) if k not in keep and used(op.results[k])]
    assert not left, f"results {left} are still in use"
    with ir.InsertionPoint(op), op.location:
        new = build.op("loop", [op.operands[0], *(inits[k] for k in keep)], [inits[k].type for k in keep], regions=1)
    old = loop.terminator
    with ir.InsertionPoint(old), old.location:
        build.yield_(*(yielded[k] for k in keep))
    old.erase()
    for inner in reversed([o.operation for o in body.operations][:-1]):
        if is_movable(inner) and not any(map(used, inner.results)):
            inner.erase()
    for k in reversed(range(len(inits))):
        if k not in keep:
            assert not used(body.arguments[k + 1]), f"carried value {k} is still in use"
            body.erase_argument(k + 1)
    body.append_to(new.regions[0])
    for i, k in enumerate(keep):
        op.results[k].replace_all_uses_with(new.results[i])
    op.erase()
    return new
