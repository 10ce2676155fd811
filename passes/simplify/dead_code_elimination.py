"""Values that nothing uses disappear."""

from __future__ import annotations

from collections.abc import Sequence

from torch_mlir import ir

from ..base import Pass, functions, walk
from ._regions import erase_dead, has_effects, keep_arguments, keep_yields, rebuild, terminator, used_values
from ._rewrite import is_pure, run_upstream, used

# What gives a kernel its kind; without it the kernel is pointwise.
_ROOTS = {
    "reduction": ("jic.reduce",),
    "contraction": ("jic.matmul",),
    "window": ("jic.conv", "jic.pool"),
    "indexing": ("jic.index_select", "jic.gather"),
    "concat": ("jic.concat",),
    "scan": ("jic.cumulative",),
    "update": ("jic.dynamic_update",),
    "recurrence": ("jic.loop",),
}


class DeadCodeElimination(Pass):
    """Remove unused ops, and unused operands, results and carried values of ops with regions.

        %0:2 = jic.fused(%a, %b) {                %0 = jic.fused(%a) {
          ^bb0(%x, %y):                             ^bb0(%x):
            %1 = jic.exp %x                           %1 = jic.exp %x
            %2 = jic.add %x, %y                       jic.yield %1
            jic.yield %1, %2                      }
        }                                         return %0
        return %0#0                           →

    Upstream `trivial-dce` removes Pure ops; this pass adds what it cannot see: results of `jic.fused` and `jic.if` that
    nothing uses, unused or repeated operands of `jic.fused`, values that `jic.loop` and `jic.while` only carry around, and
    loops and ifs without effects whose results are unused (not `jic.while`, which might not end). `jic.aten_call` stays.
    """

    name = "jic-dead-code-elimination"

    def apply(self, module: ir.Operation) -> None:
        changed = True
        while changed:
            run_upstream(module, "trivial-dce")
            changed = _step(module)


def _step(module: ir.Operation) -> bool:
    """Reduce or erase the ops with regions, innermost and last ones first; true if anything changed."""
    changed = False
    for function in functions(module):
        # An op is handled after what its regions hold, and an erased op's regions hold no op that is still to come.
        for op in reversed([op for op in walk(function) if op.name in _REDUCE]):
            if op.name in ("jic.loop", "jic.if") and not has_effects(op) and not any(used(r) for r in op.results):
                op.erase()
                changed = True
            else:
                changed |= _REDUCE[op.name](op)
    return changed


def _fused(op: ir.Operation) -> bool:
    body = op.regions[0].blocks[0]
    keep = [i for i, r in enumerate(op.results) if used(r)]
    changed = len(keep) < len(op.results)
    keep_yields(body, keep)
    erase_dead(body)
    inputs = list(op.operands)
    first = [inputs.index(v) for v in inputs]
    for i, j in enumerate(first):
        if i != j:
            body.arguments[i].replace_all_uses_with(body.arguments[j])
    live = [i for i, a in enumerate(body.arguments) if used(a)]
    if not changed and len(live) == len(inputs):
        return False
    kind = ir.StringAttr(op.attributes["kind"]).value
    if kind in _ROOTS and not any(o.operation.name in _ROOTS[kind] for o in body.operations):
        op.attributes["kind"] = ir.StringAttr.get("pointwise", context=op.context)
    _keep_row_dims(op, live)
    keep_arguments(body, live)
    rebuild(op, [inputs[i] for i in live], keep)
    return True


def _if(op: ir.Operation) -> bool:
    keep = [i for i, r in enumerate(op.results) if used(r)]
    if len(keep) == len(op.results):
        return False
    for region in op.regions:
        keep_yields(region.blocks[0], keep)
    rebuild(op, list(op.operands), keep)
    return True


def _keep_row_dims(op: ir.Operation, keep: Sequence[int]) -> None:
    """What a recurrence says of the arguments of its kernel or its loop, for those that stay."""
    if "row_dims" in op.attributes:
        dims = list(ir.DenseI64ArrayAttr(op.attributes["row_dims"]))
        op.attributes["row_dims"] = ir.DenseI64ArrayAttr.get([dims[i] for i in keep], context=op.context)


def _loop(op: ir.Operation) -> bool:
    body, inits = op.regions[0].blocks[0], list(op.operands)[1:]
    yielded = list(terminator(body).operands)
    for i, init in enumerate(inits):
        argument = body.arguments[i + 1]
        if yielded[i] == argument:  # never changes
            argument.replace_all_uses_with(init)
            op.results[i].replace_all_uses_with(init)
    live = {i for i, r in enumerate(op.results) if used(r)}
    while True:
        yielded = list(terminator(body).operands)
        found = _reached(body, [yielded[i] for i in live])
        grown = live | {i for i in range(len(inits)) if body.arguments[i + 1] in found}
        if grown == live:
            break
        live = grown
    if len(live) == len(inits):
        return False
    keep = sorted(live)
    keep_yields(body, keep)
    erase_dead(body)
    arguments = [0, *(i + 1 for i in keep)]
    _keep_row_dims(op, arguments)
    keep_arguments(body, arguments)
    rebuild(op, [op.operands[0], *(inits[i] for i in keep)], keep)
    return True


def _while(op: ir.Operation) -> bool:
    before, after = (region.blocks[0] for region in op.regions)
    condition, *forwarded = terminator(before).operands
    yielded, inits = list(terminator(after).operands), list(op.operands)
    carried: set[int] = set()
    forward = {i for i, r in enumerate(op.results) if used(r)}
    while True:
        found = _reached(before, [condition, *(forwarded[i] for i in forward)])
        new_carried = {i for i, a in enumerate(before.arguments) if a in found}
        found = _reached(after, [yielded[i] for i in new_carried])
        new_forward = forward | {i for i, a in enumerate(after.arguments) if a in found}
        if (new_carried, new_forward) == (carried, forward):
            break
        carried, forward = new_carried, new_forward
    if len(carried) == len(inits) and len(forward) == len(forwarded):
        return False
    carry, keep = sorted(carried), sorted(forward)
    keep_yields(before, [0, *(i + 1 for i in keep)])
    keep_yields(after, carry)
    for block, live in ((before, carry), (after, keep)):
        erase_dead(block)
        keep_arguments(block, live)
    rebuild(op, [inits[i] for i in carry], keep)
    return True


_REDUCE = {"jic.fused": _fused, "jic.if": _if, "jic.loop": _loop, "jic.while": _while}


def _reached(block: ir.Block, roots: list[ir.Value]) -> set[ir.Value]:
    """The values that `roots`, and the ops of `block` that are not Pure, are computed from."""
    found, work = set(), list(roots)
    ops = [o.operation for o in block.operations]
    for op in ops[:-1]:
        if not is_pure(op):
            work.extend(used_values(op))
    while work:
        value = work.pop()
        if value in found:
            continue
        found.add(value)
        if not isinstance(value.owner, ir.Block):
            work.extend(used_values(value.owner.operation))
    return found
