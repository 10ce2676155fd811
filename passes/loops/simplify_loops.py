"""Loops carry less, run less, or are no loops."""

from __future__ import annotations

from torch_mlir import ir

from jic.dialects import build

from ..base import Pass
from ..simplify._regions import control_flow, inline_before, inside, replace, terminator
from ..simplify._rewrite import splat
from ..simplify.dead_code_elimination import DeadCodeElimination
from ._equal import Numbering, initial_classes, refine
from ._induction import fold_comparisons, replace_inductions


class SimplifyLoops(Pass):
    """Take out of `jic.loop` and `jic.while` the carried values that are not needed, and loops that run at most once.

        %0:3 = jic.loop %n, %h, %zero, %w {               %0 = jic.loop %n, %h {
          ^bb0(%i, %x, %j, %v):                             ^bb0(%i, %x):
            %1 = jic.mul %x, %v                               %1 = jic.mul %x, %w
            %2 = jic.add %j, %one                     →       jic.yield %1
            jic.yield %1, %2, %v                          }
        }                                                 uses of %0#1: jic.maximum %n, %zero

    Carried values that never change are what they begin with, those that are always equal are one, and those that
    nothing needs go. In a counted loop a scalar i64 that grows by a constant is a linear function of the index, and a
    scalar that is one known value after the first iteration is a choice by the index. Comparisons of the index with
    constants that always come out one way are constants. A trip count of at most 0 leaves the initial values, of 1 the
    body; a `jic.while` whose condition is constantly false leaves its condition region.
    """

    name = "jic-simplify-loops"

    def apply(self, module: ir.Operation) -> None:
        loops = list(control_flow(module, "loop", "while"))
        for op in loops:
            (_loop if op.name == "jic.loop" else _while)(op)
        if loops:
            DeadCodeElimination().apply(module)


def _loop(op: ir.Operation) -> None:
    body, inits = op.regions[0].blocks[0], list(op.operands)[1:]
    trip_count = splat(op.operands[0])
    if trip_count is not None and trip_count <= 0:
        return replace(op, inits)
    if trip_count == 1:
        with ir.InsertionPoint(op), op.location:
            index = build.splat_like(op.operands[0], 0)
        return replace(op, inline_before(op, body, [index, *inits]))
    _drop_invariant(op)
    _unify_carried(op)
    replace_inductions(op)
    return fold_comparisons(op)


def _drop_invariant(op: ir.Operation) -> None:
    body, inits = op.regions[0].blocks[0], list(op.operands)[1:]
    left = set(range(len(inits)))
    changed = True
    while changed:
        changed = False
        yielded = list(terminator(body).operands)
        for i in sorted(left):
            argument = body.arguments[i + 1]
            if yielded[i] in (argument, inits[i]):
                argument.replace_all_uses_with(inits[i])
                op.results[i].replace_all_uses_with(inits[i])
                left.discard(i)
                changed = True


def _unify_carried(op: ir.Operation) -> None:
    """Let the first of several carried values that are equal in every iteration stand for the others."""
    body = op.regions[0].blocks[0]
    yielded = list(terminator(body).operands)
    classes = initial_classes(list(op.operands)[1:])
    while True:
        numbers = Numbering(body, [-1, *classes])
        refined = refine(classes, [numbers(v) for v in yielded])
        if refined == classes:
            break
        classes = refined
    for i, first in enumerate(classes):
        if first != i and op.results[i].type == op.results[first].type:
            body.arguments[i + 1].replace_all_uses_with(body.arguments[first + 1])
            op.results[i].replace_all_uses_with(op.results[first])


def _while(op: ir.Operation) -> None:
    before, after = (region.blocks[0] for region in op.regions)
    condition, *forwarded = terminator(before).operands
    if splat(condition) is not None and not splat(condition):
        return replace(op, inline_before(op, before, list(op.operands))[1:])
    for i, value in enumerate(forwarded):
        if not inside(value, op):
            after.arguments[i].replace_all_uses_with(value)
            op.results[i].replace_all_uses_with(value)
    _drop_invariant_of_while(op)
    return _unify_carried_of_while(op)


def _drop_invariant_of_while(op: ir.Operation) -> None:
    """A carried value that the condition region hands on and the body hands back is what it begins with."""
    before, after = (region.blocks[0] for region in op.regions)
    forwarded = list(terminator(before).operands)[1:]
    for i, (init, next_) in enumerate(zip(op.operands, list(terminator(after).operands), strict=True)):
        argument = before.arguments[i]
        places = [j for j, value in enumerate(forwarded) if value == argument]
        if next_ != init and all(next_ != after.arguments[j] for j in places):
            continue
        argument.replace_all_uses_with(init)
        for j in places:
            after.arguments[j].replace_all_uses_with(init)
            op.results[j].replace_all_uses_with(init)


def _unify_carried_of_while(op: ir.Operation) -> None:
    before, after = (region.blocks[0] for region in op.regions)
    forwarded, yielded = list(terminator(before).operands)[1:], list(terminator(after).operands)
    carried = initial_classes(list(op.operands))
    while True:
        numbers = Numbering(before, carried)
        handed_on = refine([0] * len(forwarded), [numbers(v) for v in forwarded])
        numbers = Numbering(after, handed_on)
        refined = refine(carried, [numbers(v) for v in yielded])
        if refined == carried:
            break
        carried = refined
    for i, first in enumerate(carried):
        if first != i and op.operands[i].type == op.operands[first].type:
            before.arguments[i].replace_all_uses_with(before.arguments[first])
    for j, first in enumerate(handed_on):
        if first != j and op.results[j].type == op.results[first].type:
            after.arguments[j].replace_all_uses_with(after.arguments[first])
            op.results[j].replace_all_uses_with(op.results[first])
