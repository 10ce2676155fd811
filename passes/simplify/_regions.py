"""Surgery on ops with regions: what they yield, take and return, and moving their bodies out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from torch_mlir import ir

from jic.dialects import build

from ..base import functions, walk
from ._rewrite import is_pure, used

CONTROL_FLOW = ("jic.loop", "jic.while", "jic.if")


def terminator(block: ir.Block) -> ir.Operation:
    return list(block.operations)[-1].operation


def keep_yields(block: ir.Block, keep: Sequence[int]) -> None:
    old = terminator(block)
    if len(keep) == len(old.operands):
        return
    with ir.InsertionPoint(old), old.location:
        build.op(old.name.removeprefix("jic."), [old.operands[i] for i in keep], [])
    old.erase()


def keep_arguments(block: ir.Block, keep: Sequence[int]) -> None:
    for i in reversed(range(len(block.arguments))):
        if i not in keep:
            block.erase_argument(i)


def erase_dead(block: ir.Block) -> None:
    """Erase unused Pure ops of `block` itself; a dead op's region goes with it."""
    for op in reversed([o.operation for o in block.operations]):
        if is_pure(op) and not any(used(r) for r in op.results):
            op.erase()


def rebuild(op: ir.Operation, operands: list[ir.Value], keep: Sequence[int]) -> None:
    """Put in `op`'s place an op with its regions, these operands and the results `keep`; erases `op`."""
    named = [op.attributes[i] for i in range(len(op.attributes))]
    attributes = {a.name: a.attr for a in named if not a.name.endswith("SegmentSizes")}
    types = [op.results[i].type for i in keep]
    with ir.InsertionPoint(op), op.location:
        new = build.op(op.name.removeprefix("jic."), operands, types, attributes, regions=len(op.regions))
    for old, region in zip(op.regions, new.regions, strict=True):
        old.blocks[0].append_to(region)
    for i, k in enumerate(keep):
        op.results[k].replace_all_uses_with(new.results[i])
    op.erase()


def control_flow(module: ir.Operation, *names: str) -> Iterator[ir.Operation]:
    """The ops of these names (without `jic.`), inner ones before those around them, later ones first.

    What a caller erases or moves out of an op concerns ops that were handed out already, and new ops are not handed out.
    """
    wanted = {f"jic.{name}" for name in names}
    for function in functions(module):
        yield from reversed([op for op in walk(function) if op.name in wanted])


def body_ops(block: ir.Block) -> list[ir.Operation]:
    """The operations of `block` but its terminator."""
    return [view.operation for view in block.operations][:-1]


def has_effects(op: ir.Operation) -> bool:
    """True if `op` or something in it calls ATen, gives up the call, or might not end."""
    if op.name in ("jic.loop", "jic.if"):
        return any(not is_pure(inner) and inner.name not in ("jic.yield", "jic.loop", "jic.if") for inner in walk(op))
    return not is_pure(op)


def inside(value: ir.Value, op: ir.Operation) -> bool:
    """True if `value` is defined in a region of `op`."""
    owner = value.owner
    current = owner.owner.operation if isinstance(owner, ir.Block) else owner.operation.parent
    while current is not None:
        if current.operation == op:
            return True
        current = current.operation.parent
    return False


def used_values(op: ir.Operation) -> list[ir.Value]:
    """All values that `op` or anything in its regions uses."""
    values = list(op.operands)
    for inner in walk(op):
        values.extend(inner.operands)
    return values


def inline_before(op: ir.Operation, block: ir.Block, arguments: Sequence[ir.Value]) -> list[ir.Value]:
    """Move the ops of the region `block` before `op`, with `arguments` for its own; what it yielded."""
    for argument, value in zip(block.arguments, arguments, strict=True):
        argument.replace_all_uses_with(value)
    for inner in body_ops(block):
        inner.move_before(op)
    return list(terminator(block).operands)


def replace(op: ir.Operation, values: Sequence[ir.Value]) -> None:
    """Put `values` in the place of `op`'s results and erase it."""
    for result, value in zip(op.results, values, strict=True):
        result.replace_all_uses_with(value)
    op.erase()
