"""Branches that are known to be taken, and results that do not depend on the branch."""

from __future__ import annotations

from torch_mlir import ir

from jic.dialects import build

from ..base import Pass, walk
from ..simplify._regions import control_flow, inline_before, keep_yields, rebuild, replace, terminator
from ..simplify._rewrite import defining, splat, used


class SimplifyIfs(Pass):
    """Put the taken branch in the place of a `jic.if` on a constant, and take out of others what both branches agree on.

        %0:2 = jic.if %true {                     %0 = jic.exp %x
          %1 = jic.exp %x
          jic.yield %1, %x
        } else {                              →
          jic.yield %x, %x
        }

    In a branch its condition is a constant. A result that both branches give the same value from outside is that value; two
    results that are equal in both branches are one. The branches of `jic.if (not %c)` change places.
    """

    name = "jic-simplify-ifs"

    def apply(self, module: ir.Operation) -> None:
        # Branches learn their condition from outside in, and are folded from inside out.
        for op in reversed(list(control_flow(module, "if"))):
            _exchange(op)
            _tell_branches(op)
        for op in control_flow(module, "if"):
            condition = splat(op.operands[0])
            if condition is not None:
                replace(op, inline_before(op, op.regions[0 if condition else 1].blocks[0], []))
            else:
                _merge_results(op)


def _exchange(op: ir.Operation) -> None:
    """`if (not c) {A} else {B}` → `if (c) {B} else {A}`."""
    negation = defining(op.operands[0], "not", "logical_not")
    if negation is None or negation.operands[0].type != op.operands[0].type:
        return
    op.operands[0] = negation.operands[0]
    then, otherwise = (region.blocks[0] for region in op.regions)
    then.append_to(op.regions[1])
    otherwise.append_to(op.regions[0])


def _tell_branches(op: ir.Operation) -> None:
    condition = op.operands[0]
    if splat(condition) is not None:
        return
    for region, value in zip(op.regions, (True, False), strict=True):
        block = region.blocks[0]
        users = [inner for inner in walk(op) if condition in list(inner.operands) and _within(inner, block)]
        if not users:
            continue
        with ir.InsertionPoint.at_block_begin(block), op.location:
            known = build.splat_like(condition, value)
        for user in users:
            for i, operand in enumerate(user.operands):
                if operand == condition:
                    user.operands[i] = known


def _within(op: ir.Operation, block: ir.Block) -> bool:
    current: ir.Operation | None = op
    while current is not None:
        if current.block == block:
            return True
        parent = current.parent
        current = None if parent is None or parent.operation.name == "func.func" else parent.operation
    return False


def _merge_results(op: ir.Operation) -> None:
    yields = list(zip(*(terminator(region.blocks[0]).operands for region in op.regions), strict=True))
    first: dict[tuple[ir.Value, ir.Value], int] = {}
    for i, (on_true, on_false) in enumerate(yields):
        if on_true == on_false:  # defined before the op: no value is visible in both branches otherwise
            op.results[i].replace_all_uses_with(on_true)
        else:
            j = first.setdefault((on_true, on_false), i)
            if j != i:
                op.results[i].replace_all_uses_with(op.results[j])
    keep = [i for i, result in enumerate(op.results) if used(result)]
    if keep and len(keep) < len(op.results):
        for region in op.regions:
            keep_yields(region.blocks[0], keep)
        rebuild(op, list(op.operands), keep)
