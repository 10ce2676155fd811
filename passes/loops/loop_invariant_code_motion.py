"""What a loop computes in each iteration anew from the same values is computed once, before it."""

from __future__ import annotations

from torch_mlir import ir

from ..base import Pass, walk
from ..simplify._regions import body_ops, control_flow, has_effects, inside, used_values
from ..simplify._rewrite import is_pure, splat
from ._cost import FREE, may_fail


class LoopInvariantCodeMotion(Pass):
    """Move Pure ops whose operands do not change out of `jic.loop` and `jic.while`, inner loops first.

        jic.loop %n, %h {                         %0 = jic.exp %w
          %0 = jic.exp %w                         jic.loop %n, %h {
          %1 = jic.mul %h, %0                 →     %1 = jic.mul %h, %0
          jic.yield %1                              jic.yield %1
        }                                         }

    Constants, iotas, broadcasts and reshapes cost nothing where they are read, so they move only along with what
    needs them. Look-ups and integer divisions by unknown numbers can fail: they move only if the program is sure to run
    them, as it is in the condition of a `jic.while` and in a loop whose constant trip count is at least 1. Loops and
    branches without effects move as a whole. What stands in a branch stays there.
    """

    name = "jic-loop-invariant-code-motion"

    def apply(self, module: ir.Operation) -> None:
        for op in control_flow(module, "loop", "while"):
            for number, region in enumerate(op.regions):
                _hoist(op, region.blocks[0], _surely_runs(op, number))


def _surely_runs(op: ir.Operation, region: int) -> bool:
    """True if the program cannot pass `op` without running that region."""
    if op.name == "jic.while":
        return region == 0
    trip_count = splat(op.operands[0])
    return trip_count is not None and trip_count >= 1


def _hoist(loop: ir.Operation, block: ir.Block, runs: bool) -> None:
    """Move what is invariant in `block` before `loop`; `runs`: the block is sure to run at least once."""
    invariant: list[ir.Operation] = []
    known: set[ir.Value] = set()
    for op in body_ops(block):
        if not _movable(op, runs):
            continue
        own = _defined_in(op)
        if all(v in known or v in own or not inside(v, loop) for v in used_values(op)):
            invariant.append(op)
            known.update(op.results)
    wanted: set[ir.Value] = set()
    moving: list[ir.Operation] = []
    for op in reversed(invariant):
        if op.name not in FREE or any(r in wanted for r in op.results):
            moving.append(op)
            wanted.update(used_values(op))
    for op in reversed(moving):
        op.move_before(loop)


def _movable(op: ir.Operation, runs: bool) -> bool:
    if len(op.regions) and op.name != "jic.fused":
        if op.name == "jic.while" or has_effects(op):
            return False
        return runs or not any(is_pure(inner) and may_fail(inner) for inner in walk(op))
    return is_pure(op) and (runs or not may_fail(op))


def _defined_in(op: ir.Operation) -> set[ir.Value]:
    """What the regions of `op` define."""
    found: set[ir.Value] = set()
    for region in op.regions:
        for block in region.blocks:
            found.update(block.arguments)
            for inner in block.operations:
                found.update(inner.operation.results)
                found |= _defined_in(inner.operation)
    return found
