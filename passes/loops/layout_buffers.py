"""A loop writes its buffers in the layout that they are read in."""

from __future__ import annotations

from torch_mlir import ir

from jic.dialects import build

from ..base import Pass
from ..simplify._rewrite import defining, element, has_one_use, ints, shape, splat
from ._loop import Loop, loops


class LayoutBuffers(Pass):
    """Transpose what is stored into a loop's buffer rather than the whole buffer after the loop.

        %r = jic.loop(%n, %zeros) {                    %r = jic.loop(%n, %zeros_t) {
          ^bb0(%i, %buf):                                ^bb0(%i, %buf):
            %1 = jic.dynamic_update %buf, %u, %i           %0 = jic.transpose %u
              {dim = 0}                                    %1 = jic.dynamic_update %buf, %0, %i {dim = 1}
            jic.yield %1                                   jic.yield %1
        }                                              }
        return jic.transpose(%r)                   →   return %r

    For buffers that start as a splat, are only written by one `dynamic_update` a step, and of which every use after the loop is
    the same transpose. `torch.stack(outputs, 1)` of what a loop appends is such a one.
    """

    name = "jic-layout-buffers"

    def apply(self, module: ir.Operation) -> None:
        for op in loops(module):
            loop = Loop(op)
            wanted = {k: p for k in range(len(loop.inits)) if (p := _permutation(loop, k)) is not None}
            if wanted:
                _rebuild(loop, wanted)


def _permutation(loop: Loop, number: int) -> list[int] | None:
    """The transpose that every use of result `number` is, if the loop may do it."""
    users = [use.owner.operation for use in loop.op.results[number].uses]
    if not users or any(u.name != "jic.transpose" for u in users):
        return None
    permutations = [ints(u, "permutation") for u in users]
    if any(p != permutations[0] for p in permutations):
        return None
    update = defining(loop.yielded[number], "dynamic_update")
    argument = loop.carried[number]
    if (
        update is None
        or update.operands[0] != argument
        or not has_one_use(argument)
        or not has_one_use(update.results[0])
    ):
        return None
    if argument in (update.operands[1], update.operands[2]) or splat(loop.inits[number]) is None:
        return None
    return permutations[0]


def _rebuild(loop: Loop, wanted: dict[int, list[int]]) -> None:
    op, body = loop.op, loop.body
    inits = list(loop.inits)
    with ir.InsertionPoint(op), op.location:
        for k, permutation in wanted.items():
            value = inits[k]
            inits[k] = build.splat([shape(value)[p] for p in permutation], element(value), splat(value))
        new = build.op("loop", [op.operands[0], *inits], [v.type for v in inits], regions=1)
    for k, permutation in wanted.items():
        update = loop.yielded[k].owner.operation
        with ir.InsertionPoint(update), update.location:
            part = build.transpose(update.operands[1], permutation)
            dim = permutation.index(update.attributes["dim"].value)
            argument = body.arguments[k + 1]
            argument.set_type(inits[k].type)
            stored = build.dynamic_update(argument, part, update.operands[2], dim)
        update.results[0].replace_all_uses_with(stored)
        update.erase()
    body.append_to(new.regions[0])
    for k, result in enumerate(op.results):
        if k in wanted:
            for use in list(result.uses):
                use.owner.operation.results[0].replace_all_uses_with(new.results[k])
        else:
            result.replace_all_uses_with(new.results[k])
    dead = [use.owner.operation for k in wanted for use in op.results[k].uses]
    for user in dead:
        user.erase()
    op.erase()
