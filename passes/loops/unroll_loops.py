"""Loops with few iterations become straight code; others do several iterations at a time."""

from __future__ import annotations

from dataclasses import dataclass

from torch_mlir import ir

from jic.dialects import build

from ..base import Pass
from ..simplify._rewrite import erase_unused
from ._loop import Loop, clone, loops
from ._rows import number


@dataclass(frozen=True)
class UnrollLoops(Pass):
    """Unroll loops of at most `full` iterations altogether, and innermost other loops by `factor`.

        %r = jic.loop(%n, %a) {                   %m = jic.div %n, 2
          ^bb0(%i, %x):                           %p = jic.loop(%m, %a) {
            %0 = jic.add %x, %i                     ^bb0(%j, %x):
            jic.yield %0                              %i0 = jic.mul %j, 2
        }                                             %0 = jic.add %x, %i0
                                            →         %i1 = jic.add %i0, 1
                                                      %1 = jic.add %0, %i1
                                                      jic.yield %1
                                                  }
                                                  %r = jic.loop(%n - 2 * %m, %p) { … }

    The second loop does the rest; it is not there if a constant trip count is a multiple of `factor`. By default only loops
    of at most 2 iterations are unrolled: they cost more as loops than their copies of the body do. A larger factor pays
    where a body is so small that the step to the next iteration costs as much as it.
    """

    name = "jic-unroll-loops"

    factor: int = 1
    full: int = 2

    def apply(self, module: ir.Operation) -> None:
        for op in loops(module):
            loop = Loop(op)
            count = loop.trip_count
            if count is not None and count <= self.full:
                with ir.InsertionPoint(op), op.location:
                    _replace(loop, _iterations(loop, [number(i) for i in range(count)], loop.inits))
            elif self.factor > 1 and not any(o.name == "jic.loop" for o in loop.operations()):
                _unroll(loop, self.factor)
        erase_unused(module)


def _unroll(loop: Loop, factor: int) -> None:
    op, count = loop.op, loop.trip_count
    if count is not None and count < factor:
        return
    with ir.InsertionPoint(op), op.location:
        if count is not None:
            main, done, rest = number(count // factor), number(count - count % factor), number(count % factor)
        else:
            whole = build.elementwise("maximum", op.operands[0], number(0))
            main = build.elementwise("div", whole, number(factor))
            done = build.elementwise("mul", main, number(factor))
            rest = build.elementwise("sub", whole, done)

        def several(values: list[ir.Value]) -> list[ir.Value]:
            first = build.elementwise("mul", values[0], number(factor))
            indices = [first] + [build.elementwise("add", first, number(k)) for k in range(1, factor)]
            return _iterations(loop, indices, values[1:])

        results = list(build.loop(main, loop.inits, several).results)
        if count is None or count % factor:

            def one(values: list[ir.Value]) -> list[ir.Value]:
                return _iterations(loop, [build.elementwise("add", values[0], done)], values[1:])

            results = list(build.loop(rest, results, one).results)
        _replace(loop, results)


def _iterations(loop: Loop, indices: list[ir.Value], carried: list[ir.Value]) -> list[ir.Value]:
    """Copies of the body at the insertion point, one for each of `indices`; the carried values after the last."""
    for index in indices:
        values = {loop.index: index, **dict(zip(loop.carried, carried, strict=True))}
        for op in loop.operations():
            values.update(zip(op.results, clone(op, values).results, strict=True))
        carried = [values.get(v, v) for v in loop.yielded]
    return carried


def _replace(loop: Loop, results: list[ir.Value]) -> None:
    for old, new in zip(loop.op.results, results, strict=True):
        old.replace_all_uses_with(new)
    loop.op.erase()
