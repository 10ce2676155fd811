"""Scalars that are a linear function of a counted loop's index, and what is known of their range."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch_mlir import ir

from jic.dialects import build

from ..base import walk
from ..simplify._regions import inside, terminator
from ..simplify._rewrite import attribute, defining, element, shape, splat, used

_DECIDE: dict[str, Callable[[float, float, int], bool | None]] = {
    "lt": lambda low, high, k: True if high < k else False if low >= k else None,
    "le": lambda low, high, k: True if high <= k else False if low > k else None,
    "gt": lambda low, high, k: True if low > k else False if high <= k else None,
    "ge": lambda low, high, k: True if low >= k else False if high < k else None,
    "eq": lambda low, high, k: False if k < low or k > high else True if low == high == k else None,
    "ne": lambda low, high, k: True if k < low or k > high else False if low == high == k else None,
}


def replace_inductions(loop: ir.Operation) -> None:
    """Carried i64 scalars that grow by the same number in each iteration become `init + step * index`; those that are one
    known value from the second iteration on become a choice by the index."""
    body, count = loop.regions[0].blocks[0], loop.operands[0]
    index = body.arguments[0]
    for i, yielded in enumerate(terminator(body).operands):
        argument, init = body.arguments[i + 1], loop.operands[i + 1]
        if shape(init):
            continue
        result = loop.results[i]
        step = _step(yielded, argument, loop) if str(element(init)) == "i64" else None
        if step is not None:
            with ir.InsertionPoint(loop), loop.location:
                step = _outside(step, loop)
                if used(result):
                    times = build.elementwise("maximum", count, build.splat_like(count, 0))
                    result.replace_all_uses_with(_linear(init, step, times))
            if used(argument):
                with ir.InsertionPoint.at_block_begin(body), loop.location:
                    linear = _linear(init, step, index)
                argument.replace_all_uses_with(linear)
        elif not inside(yielded, loop) or splat(yielded) is not None:
            with ir.InsertionPoint(loop), loop.location:
                later = _outside(yielded, loop)
                if used(result):
                    runs = build.compare("gt", count, build.splat_like(count, 0))
                    result.replace_all_uses_with(build.select(runs, later, init))
            if used(argument):
                with ir.InsertionPoint.at_block_begin(body), loop.location:
                    first = build.compare("eq", index, build.splat_like(index, 0))
                    chosen = build.select(first, init, later)
                argument.replace_all_uses_with(chosen)


def _step(yielded: ir.Value, argument: ir.Value, loop: ir.Operation) -> ir.Value | None:
    """What `yielded` adds to `argument`, if that is the same in each iteration."""
    add = defining(yielded, "add")
    if add is None or argument not in list(add.operands):
        return None
    lhs, rhs = add.operands
    step = rhs if lhs == argument else lhs
    return step if splat(step) is not None or not inside(step, loop) else None


def _outside(value: ir.Value, loop: ir.Operation) -> ir.Value:
    """`value` itself, or the constant that it is, before `loop`."""
    return build.splat_like(value, splat(value)) if inside(value, loop) else value


def _linear(init: ir.Value, step: ir.Value, times: ir.Value) -> ir.Value:
    by = times if splat(step) == 1 else build.elementwise("mul", times, step)
    return by if splat(init) == 0 else build.elementwise("add", by, init)


@dataclass(frozen=True)
class _Affine:
    """`scale * index + offset`."""

    scale: int
    offset: int

    def range(self, trip_count: int | None) -> tuple[float, float]:
        last = float("inf") if trip_count is None else trip_count - 1
        ends = self.offset, self.offset + self.scale * last if self.scale else self.offset
        return min(ends), max(ends)


def fold_comparisons(loop: ir.Operation) -> None:
    """Comparisons of the index with constants that hold, or fail, in every iteration become constants."""
    trip_count = splat(loop.operands[0])
    index = loop.regions[0].blocks[0].arguments[0]
    known: dict[ir.Value, _Affine] = {index: _Affine(1, 0)}
    for op in walk(loop):
        if len(op.results) != 1 or not len(op.operands) or op.operands[0] not in known:
            continue
        number = splat(op.operands[1]) if len(op.operands) == 2 else None
        if number is None:
            continue
        of, name = known[op.operands[0]], op.name
        result = op.results[0]
        if name == "jic.add":
            known[result] = _Affine(of.scale, of.offset + number)
        elif name == "jic.sub":
            known[result] = _Affine(of.scale, of.offset - number)
        elif name == "jic.mul":
            known[result] = _Affine(of.scale * number, of.offset * number)
        elif name == "jic.shl":
            known[result] = _Affine(of.scale << number, of.offset << number)
        elif name == "jic.compare":
            decided = _DECIDE[attribute(op, "predicate")](*of.range(trip_count), number)
            if decided is not None:
                with ir.InsertionPoint(op), op.location:
                    constant = build.splat_like(result, decided)
                result.replace_all_uses_with(constant)
        elif name in ("jic.maximum", "jic.minimum"):
            low, high = of.range(trip_count)
            keeps = low >= number if name == "jic.maximum" else high <= number
            if keeps:
                result.replace_all_uses_with(op.operands[0])
