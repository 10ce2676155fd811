"""Values that nothing uses disappear."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch_mlir import ir

from jic.dialects import build

from ..base import Pass, functions, walk
from ._rewrite import is_pure, run_upstream, used

# What gives a kernel its kind; without it the kernel is pointwise.
_ROOTS = {
    "reduction": ("jic.reduce",),
    "contraction": ("jic.matmul",),
    "window": ("jic.conv", "jic.pool"),
    "indexing": ("jic.index_select", "jic.gather"),
    "concat": ("jic.concat",),
    "scan": ("jic.cumulative",),
}


@dataclass(frozen=True)
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
            if op.name in ("jic.loop", "jic.if") and not _has_effects(op) and not any(used(r) for r in op.results):
                op.erase()
                changed = True
            else:
                changed |= _REDUCE[op.name](op)
    return changed


def _has_effects(op: ir.Operation) -> bool:
    return any(
        not is_pure(inner) and inner.name not in ("jic.yield", "jic.loop", "jic.if", "func.return")
        for inner in walk(op)
    )


def _fused(op: ir.Operation) -> bool:
    body = op.regions[0].blocks[0]
    keep = [i for i, r in enumerate(op.results) if used(r)]
    changed = len(keep) < len(op.results)
    _keep_yields(body, keep)
    _erase_dead(body)
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
    _keep_arguments(body, live)
    _rebuild(op, [inputs[i] for i in live], keep)
    return True


def _if(op: ir.Operation) -> bool:
    keep = [i for i, r in enumerate(op.results) if used(r)]
    if len(keep) == len(op.results):
        return False
    for region in op.regions:
        _keep_yields(region.blocks[0], keep)
    _rebuild(op, list(op.operands), keep)
    return True


def _loop(op: ir.Operation) -> bool:
    body, inits = op.regions[0].blocks[0], list(op.operands)[1:]
    yielded = list(_terminator(body).operands)
    for i, init in enumerate(inits):
        argument = body.arguments[i + 1]
        if yielded[i] == argument:  # never changes
            argument.replace_all_uses_with(init)
            op.results[i].replace_all_uses_with(init)
    live = {i for i, r in enumerate(op.results) if used(r)}
    while True:
        yielded = list(_terminator(body).operands)
        found = _reached(body, [yielded[i] for i in live])
        grown = live | {i for i in range(len(inits)) if body.arguments[i + 1] in found}
        if grown == live:
            break
        live = grown
    if len(live) == len(inits):
        return False
    keep = sorted(live)
    _keep_yields(body, keep)
    _erase_dead(body)
    _keep_arguments(body, [0, *(i + 1 for i in keep)])
    _rebuild(op, [op.operands[0], *(inits[i] for i in keep)], keep)
    return True


def _while(op: ir.Operation) -> bool:
    before, after = (region.blocks[0] for region in op.regions)
    condition, *forwarded = _terminator(before).operands
    yielded, inits = list(_terminator(after).operands), list(op.operands)
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
    _keep_yields(before, [0, *(i + 1 for i in keep)])
    _keep_yields(after, carry)
    for block, live in ((before, carry), (after, keep)):
        _erase_dead(block)
        _keep_arguments(block, live)
    _rebuild(op, [inits[i] for i in carry], keep)
    return True


_REDUCE = {"jic.fused": _fused, "jic.if": _if, "jic.loop": _loop, "jic.while": _while}


def _terminator(block: ir.Block) -> ir.Operation:
    return list(block.operations)[-1].operation


def _keep_yields(block: ir.Block, keep: Sequence[int]) -> None:
    old = _terminator(block)
    if len(keep) == len(old.operands):
        return
    with ir.InsertionPoint(old), old.location:
        build.op(old.name.removeprefix("jic."), [old.operands[i] for i in keep], [])
    old.erase()


def _keep_arguments(block: ir.Block, keep: Sequence[int]) -> None:
    for i in reversed(range(len(block.arguments))):
        if i not in keep:
            block.erase_argument(i)


def _erase_dead(block: ir.Block) -> None:
    """Erase unused Pure ops of `block` itself; a dead op's region goes with it."""
    for op in reversed([o.operation for o in block.operations]):
        if is_pure(op) and not any(used(r) for r in op.results):
            op.erase()


def _reached(block: ir.Block, roots: list[ir.Value]) -> set[ir.Value]:
    """The values that `roots`, and the ops of `block` that are not Pure, are computed from."""
    found, work = set(), list(roots)
    ops = [o.operation for o in block.operations]
    for op in ops[:-1]:
        if not is_pure(op):
            work.extend(_operands(op))
    while work:
        value = work.pop()
        if value in found:
            continue
        found.add(value)
        if not isinstance(value.owner, ir.Block):
            work.extend(_operands(value.owner.operation))
    return found


def _operands(op: ir.Operation) -> list[ir.Value]:
    """All values that `op` or anything in its regions uses."""
    values = list(op.operands)
    for inner in walk(op):
        values.extend(inner.operands)
    return values


def _rebuild(op: ir.Operation, operands: list[ir.Value], keep: Sequence[int]) -> None:
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
