"""Neighbouring loops that run equally often become one loop."""

from __future__ import annotations

from torch_mlir import ir

from jic.dialects import build

from ..base import Pass
from ..simplify._rewrite import attribute, erase_unused, shape, splat
from ._affine import Indices
from ._carried import Buffer, classify
from ._loop import Loop, clone, is_movable, loops, reads


class FuseLoops(Pass):
    """Make one loop of two in one block that run equally often and do not wait for each other.

        %p = jic.loop(%n, %a) {                   %r:2 = jic.loop(%n, %a, %b) {
          ^bb0(%i, %x):                             ^bb0(%i, %x, %y):
            %0 = jic.tanh %x                          %0 = jic.tanh %x
            jic.yield %0                        →     %1 = jic.sin %y
        }                                             jic.yield %0, %1
        %q = jic.loop(%n, %b) {                   }
          ^bb0(%i, %y):
            %1 = jic.sin %y
            jic.yield %1
        }

    Each step then costs one round of launches, and work of equal shape shares kernels; so only loops are fused that carry
    tensors of the same shapes (the two directions of a bidirectional RNN). The second may read what the first wrote in the
    same iteration: `dynamic_slice(buffer, i)` of a buffer that the first fills by `dynamic_update(…, i)`. Trip counts are
    one value or equal constants. What stands between the loops and needs the first one moves behind them. Loops with
    effects stay.
    """

    name = "jic-fuse-loops"

    def apply(self, module: ir.Operation) -> None:
        while any(_fuse_first(op) for op in loops(module)):
            pass  # wrappers of the ops that were fused dangle: walk again
        erase_unused(module)


def _fuse_first(first: ir.Operation) -> bool:
    """Fuse `first` with the next loop of its block that it can be fused with."""
    if not is_movable(first):
        return False
    operations = [o.operation for o in first.block.operations]
    start = operations.index(first)
    for end in range(start + 1, len(operations)):
        second = operations[end]
        if second.name == "jic.loop" and _alike(Loop(first), Loop(second)) and is_movable(second):
            between = operations[start + 1 : end]
            waiting = _waiting(first, between)
            forwarded = _forwarded(Loop(first), Loop(second), waiting)
            if all(map(is_movable, waiting)) and forwarded is not None:
                _fuse(Loop(first), Loop(second), waiting, forwarded)
                return True
    return False


def _alike(first: Loop, second: Loop) -> bool:
    a, b = first.op.operands[0], second.op.operands[0]
    count = splat(a)
    if a != b and (count is None or splat(b) != count):
        return False
    shapes = [{tuple(shape(v)) for v in loop.inits if shape(v)} for loop in (first, second)]
    return bool(shapes[0] and shapes[1]) and (shapes[0] <= shapes[1] or shapes[1] <= shapes[0])


def _waiting(first: ir.Operation, between: list[ir.Operation]) -> list[ir.Operation]:
    """The ops of `between` that need a result of `first`."""
    values = set(first.results)
    found = []
    for op in between:
        if any(v in values for v in reads(op)):
            found.append(op)
            values.update(op.results)
    return found


def _forwarded(first: Loop, second: Loop, waiting: list[ir.Operation]) -> dict[ir.Value, ir.Value] | None:
    """Slices in the second body that are values of the first body; None if the second loop waits for the first."""
    later = {r for op in waiting for r in op.results}
    read = {v for v in reads(second.op) if v in set(first.op.results)}
    if any(v in later for v in reads(second.op)):
        return None
    if not read:
        return {}
    if any(v in read for v in second.op.operands) or not first.trip_count:
        return None
    return _same_rows(first, second, read)


def _same_rows(first: Loop, second: Loop, read: set[ir.Value]) -> dict[ir.Value, ir.Value] | None:
    """For each `dynamic_slice` of `read` in the second body, the rows that the first writes in that iteration."""
    indices, others = Indices(first), Indices(second)
    kinds = classify(first, indices)
    body = second.operations()
    forwarded: dict[ir.Value, ir.Value] = {}
    for k, (result, kind) in enumerate(zip(first.op.results, kinds, strict=True)):
        if result not in read:
            continue
        if not isinstance(kind, Buffer) or len(kind.links) != 1:
            return None
        write = first.yielded[k].owner.operation
        rows = write.operands[1]
        readers = [op for op in body if result in reads(op)]
        for op in readers:
            if op.name != "jic.dynamic_slice" or attribute(op, "dim") != attribute(write, "dim"):
                return None
            position = indices.affine(write.operands[2])
            if op.results[0].type != rows.type or others.affine(op.operands[1]) != position:
                return None
            forwarded[op.results[0]] = rows
    return forwarded


def _fuse(first: Loop, second: Loop, waiting: list[ir.Operation], forwarded: dict[ir.Value, ir.Value]) -> None:
    inits = [*first.inits, *second.inits]
    with ir.InsertionPoint(second.op), second.op.location:
        new = build.op("loop", [second.op.operands[0], *inits], [v.type for v in inits], regions=1)
    index_type = first.index.type
    block = new.regions[0].blocks.append(index_type, *(v.type for v in inits))
    index, *carried = block.arguments
    values = {first.index: index, second.index: index}
    values.update(zip([*first.carried, *second.carried], carried, strict=True))
    with ir.InsertionPoint(block), second.op.location:
        for op in [*first.operations(), *second.operations()]:
            if len(op.results) == 1 and op.results[0] in forwarded:
                values[op.results[0]] = values.get(rows := forwarded[op.results[0]], rows)
            else:
                values.update(zip(op.results, clone(op, values).results, strict=True))
        build.yield_(*(values.get(v, v) for v in [*first.yielded, *second.yielded]))
    for old, result in zip([*first.op.results, *second.op.results], new.results, strict=True):
        old.replace_all_uses_with(result)
    for op in reversed(waiting):
        op.move_after(second.op)
    second.op.erase()
    first.op.erase()
