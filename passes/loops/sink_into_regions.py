"""Constants and broadcasts that a body reads from outside become its own, so that its kernels compute them."""

from __future__ import annotations

from torch_mlir import ir

from ..base import Pass
from ..simplify._regions import body_ops, control_flow
from ..simplify._rewrite import erase_unused, splat

_ALIAS = "jic.reshape"


class SinkIntoRegions(Pass):
    """Copy splat constants, iotas and broadcasts into the regions of `jic.loop`, `jic.while` and `jic.if` that read them.

        %0 = jic.broadcast %bias                  jic.loop %n, %h {
        jic.loop %n, %h {                           %0 = jic.broadcast %bias
          %1 = jic.add %h, %0                 →     %1 = jic.add %h, %0
          jic.yield %1                              jic.yield %1
        }                                         }

    A kernel holds what its own block computes; anything from outside is a buffer that it reads. What a region only
    carries or yields stays outside. Run it right before fusion: common subexpressions would go out again.
    """

    name = "jic-sink-into-regions"

    def apply(self, module: ir.Operation) -> None:
        ops = list(control_flow(module, "loop", "while", "if"))
        for op in ops:
            for region in op.regions:
                _sink(region.blocks[0])
        if ops:
            erase_unused(module)


def _sink(block: ir.Block) -> None:
    copies: dict[ir.Value, ir.Value] = {}
    ops = body_ops(block)
    for op in ops:
        if len(op.regions):
            continue  # control flow reads memory, a kernel has its own constants
        for i, value in enumerate(op.operands):
            copy = _copy(value, block, copies)
            if copy is not None:
                op.operands[i] = copy


def _copy(value: ir.Value, block: ir.Block, copies: dict[ir.Value, ir.Value]) -> ir.Value | None:
    """`value` computed at the beginning of `block`, if it comes from outside and costs nothing there."""
    if value in copies:
        return copies[value]
    owner = value.owner
    if isinstance(owner, ir.Block) or owner.operation.block == block or not _is_free(owner.operation):
        return None
    op = owner.operation
    operands = [_copy(v, block, copies) or v for v in op.operands]
    with ir.InsertionPoint.at_block_begin(block) if not copies else ir.InsertionPoint.after(_last(copies)):
        made = op.clone()
    for i, operand in enumerate(operands):
        made.operands[i] = operand
    copies[value] = made.results[0]
    return made.results[0]


def _last(copies: dict[ir.Value, ir.Value]) -> ir.Operation:
    return next(reversed(copies.values())).owner.operation


def _is_free(op: ir.Operation) -> bool:
    if op.name in ("jic.iota", "jic.broadcast"):
        return True
    if op.name == _ALIAS:
        return not isinstance(op.operands[0].owner, ir.Block) and _is_free(op.operands[0].owner.operation)
    return op.name == "jic.constant" and splat(op.results[0]) is not None
