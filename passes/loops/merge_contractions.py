"""Products of one value with several weights become one product, where a loop computes them again and again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod

from torch_mlir import ir

from jic.dialects import build

from ..base import Pass
from ..simplify._rewrite import attribute, element, erase_unused, is_static, shape
from ._loop import Loop, clone, closure, invariant_in, is_movable, loops


@dataclass(frozen=True)
class MergeContractions(Pass):
    """Make one matmul of those in a loop that multiply one value by weights that do not change in the loop.

        %r = jic.loop(%n, %h0) {                  %w = jic.concat %u, %v {dim = 1}
          ^bb0(%i, %h):                           %r = jic.loop(%n, %h0) {
            %0 = jic.matmul %h, %u                  ^bb0(%i, %h):
            %1 = jic.matmul %h, %v                    %p = jic.matmul %h, %w
            …                                   →     %0 = jic.slice %p
                                                      %1 = jic.slice %p
                                                      …

    The gates of a cell are then one kernel instead of four, which reads `%h` once. The concat is a copy of the weights,
    once a call; so the loop runs at least `min-trips` times (or it is not known how often), and a product has at most
    `rows` rows: beyond, it is efficient by itself.
    """

    name = "jic-merge-contractions"

    min_trips: int = 4
    rows: int = 512

    def apply(self, module: ir.Operation) -> None:
        for op in loops(module):
            loop = Loop(op)
            count = loop.trip_count
            if count is None or count >= self.min_trips:
                for group in _groups(loop, self.rows):
                    _merge(loop, group)
        erase_unused(module)


def _groups(loop: Loop, rows: int) -> list[list[ir.Operation]]:
    """Matmuls of the body that can be one, two or more at a time, in program order."""
    body = loop.operations()
    invariant = invariant_in(loop.op)
    found: dict[tuple, list[ir.Operation]] = {}
    for op in body:
        if op.name != "jic.matmul" or not is_static(*op.operands) or prod(shape(op.results[0])[:-1]) > rows:
            continue
        lhs, rhs = op.operands
        if not _is_weight(body, rhs, loop, invariant) or _is_weight(body, lhs, loop, invariant):
            continue
        flags = attribute(op, "transpose_lhs"), attribute(op, "transpose_rhs")
        found.setdefault((lhs, *flags, str(element(rhs))), []).append(op)
    return [group for group in found.values() if len(group) > 1]


def _is_weight(body: list[ir.Operation], value: ir.Value, loop: Loop, invariant: Callable[[ir.Value], bool]) -> bool:
    """True if `value` is the same in all iterations and can be computed before the loop."""
    if invariant(value):
        return True
    needed, leaves = closure(body, [value])
    arguments = {loop.index, *loop.carried}
    return bool(needed) and not arguments & leaves and all(is_movable(body[i]) for i in needed)


def _merge(loop: Loop, group: list[ir.Operation]) -> None:
    body = loop.operations()
    transpose_lhs, transpose_rhs = attribute(group[0], "transpose_lhs"), attribute(group[0], "transpose_rhs")
    outside: dict[ir.Value, ir.Value] = {}
    with ir.InsertionPoint(loop.op), group[0].location:
        for i in closure(body, [op.operands[1] for op in group])[0]:
            outside.update(zip(body[i].results, clone(body[i], outside).results, strict=True))
        weights = [outside.get(op.operands[1], op.operands[1]) for op in group]
        rank = len(shape(weights[0]))
        joined = build.concat(weights, rank - (2 if transpose_rhs else 1))
    with ir.InsertionPoint(group[0]), group[0].location:
        product = build.matmul(group[0].operands[0], joined, transpose_lhs, transpose_rhs)
        start = 0
        for op in group:
            sizes = shape(op.results[0])
            part = build.slice_(product, [0] * (rank - 1) + [start], sizes, [1] * rank)
            op.results[0].replace_all_uses_with(part)
            start += sizes[-1]
