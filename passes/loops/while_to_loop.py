"""A `while` that counts becomes a counted loop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from torch_mlir import ir

from jic.dialects import build

from ..base import Pass
from ..simplify._regions import body_ops, control_flow, inline_before, inside, terminator
from ..simplify._regions import replace as replace_op
from ..simplify._rewrite import attribute, defining, element, is_pure, shape, splat
from ..simplify.cse import SWAPPED


class WhileToLoop(Pass):
    """Turn a `jic.while` into a `jic.loop` if a carried i64 scalar grows by a constant up to a bound that does not change.

        jic.while %zero, %h {                           %0:2 = jic.loop %n, %zero, %h {
          jic.condition (jic.compare %k lt %n), %k, %x    ^bb0(%i, %k, %x):
        } do {                                              %1 = jic.add %k, %one
          %1 = jic.add %k, %one                       →     %2 = jic.exp %x
          %2 = jic.exp %x                                   jic.yield %1, %2
          jic.yield %1, %2                                }
        }

    Comparisons may be `lt` and `le` of a counter that grows, `gt` and `ge` of one that falls. The condition region
    must hold Pure ops only: it is computed in each iteration, and once more after the last.
    """

    name = "jic-while-to-loop"

    def apply(self, module: ir.Operation) -> None:
        for op in control_flow(module, "while"):
            before = op.regions[0].blocks[0]
            if all(is_pure(inner) and not len(inner.regions) for inner in body_ops(before)):
                found = _count(op)
                if found is not None:
                    _convert(op, found)


@dataclass(frozen=True)
class _Count:
    """From `start` in steps of `step` while the counter is below (above, for a negative step) `bound`, or equal if `closed`."""

    start: ir.Value
    bound: ir.Value
    step: int
    closed: bool


def _count(op: ir.Operation) -> _Count | None:
    before, after = (region.blocks[0] for region in op.regions)
    condition, *forwarded = terminator(before).operands
    compare = defining(condition, "compare")
    if compare is None or shape(compare.operands[0]) or str(element(compare.operands[0])) != "i64":
        return None
    counter, bound = compare.operands
    predicate = attribute(compare, "predicate")
    if counter not in list(before.arguments):
        counter, bound, predicate = bound, counter, SWAPPED[predicate]
    if counter not in list(before.arguments) or (inside(bound, op) and splat(bound) is None):
        return None
    position = list(before.arguments).index(counter)
    handed_on = [after.arguments[j] for j, value in enumerate(forwarded) if value == counter]
    step = _step(terminator(after).operands[position], handed_on)
    if step is None or predicate not in (("lt", "le") if step > 0 else ("gt", "ge")):
        return None
    return _Count(op.operands[position], bound, step, predicate in ("le", "ge"))


def _step(next_: ir.Value, counters: Sequence[ir.Value]) -> int | None:
    """The constant that `next_` adds to one of `counters`, not 0."""
    change = defining(next_, "add", "sub")
    if change is None:
        return None
    lhs, rhs = change.operands
    if change.name == "jic.add" and lhs not in counters:
        lhs, rhs = rhs, lhs
    number = splat(rhs)
    if lhs not in counters or not number:
        return None
    return number if change.name == "jic.add" else -number


def _convert(op: ir.Operation, count: _Count) -> None:
    before, after = (region.blocks[0] for region in op.regions)
    types = [v.type for v in op.operands]
    with ir.InsertionPoint(op), op.location:
        if inside(count.bound, op):
            count = replace(count, bound=build.splat_like(count.bound, splat(count.bound)))
        trips = _trips(count)
        loop = build.op("loop", [trips, *op.operands], types, regions=1)
        last = _computed_again(op, before, list(loop.results))
    body = loop.regions[0].blocks.append(trips.type, *types)
    with ir.InsertionPoint(body), op.location:
        end = build.yield_(*list(body.arguments)[1:])
    _, *forwarded = inline_before(end, before, list(body.arguments)[1:])
    yielded = inline_before(end, after, forwarded)
    for i, value in enumerate(yielded):
        end.operands[i] = value
    replace_op(op, last)


def _trips(count: _Count) -> ir.Value:
    """How often the condition holds; 0 or negative if it never does."""
    low, high = (count.start, count.bound) if count.step > 0 else (count.bound, count.start)
    distance = build.elementwise("sub", high, low)
    size = abs(count.step)
    # The quotient is rounded up, which is one more than down where the bound belongs to the range.
    add = size if count.closed else size - 1
    distance = build.elementwise("add", distance, build.splat_like(distance, add)) if add else distance
    return distance if size == 1 else build.elementwise("div", distance, build.splat_like(distance, size))


def _computed_again(op: ir.Operation, block: ir.Block, arguments: Sequence[ir.Value]) -> list[ir.Value]:
    """What `block`, the condition region of `op`, hands on for `arguments`, computed before `op`."""
    values = dict(zip(block.arguments, arguments, strict=True))
    for inner in body_ops(block):
        with ir.InsertionPoint(op):
            copy = inner.clone()
        for i, operand in enumerate(copy.operands):
            copy.operands[i] = values.get(operand, operand)
        values.update(zip(inner.results, copy.results, strict=True))
    return [values.get(v, v) for v in terminator(block).operands][1:]
