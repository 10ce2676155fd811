"""Loops whose rows are independent become one kernel, in which a thread runs all steps on its rows."""

from __future__ import annotations

from dataclasses import dataclass

from torch_mlir import ir

from jic.dialects import build
from jic.errors import PassError
from jic.passes.base import Pass
from jic.passes.fusion._graph import graph_blocks

from ._recurrence import Limits, find_rows, is_splat


@dataclass(frozen=True)
class FormRecurrence(Pass):
    """Make a counted loop over independent rows one kernel of kind `recurrence`.

        %h = jic.loop(%n, %h0) {                             %h = jic.fused(%n, %h0, %w) {kind = "recurrence"} {
        ^bb(%i, %c):                                         ^bb(%n, %h0, %w):
          %0 = jic.matmul(%c, %w) : 32x256 x 256x256           %l = jic.loop(%n, %h0) {
          %1 = jic.tanh(%0)                             ->       … the same body …
          jic.yield(%1)                                        }
        }                                                      jic.yield(%l)
                                                             }

    What is known of the rows is written down: how many there are, along which dim of each value they lie, which operand of
    a matmul is the same in all steps (`rows = 32, row_dims = [-1, 0, -1]` and, in the body, `row_dim = 0`, `weight = 1`).

    The rows lie along one dim (here of size 32) of every carried value that no op of the body mixes: elementwise ops,
    views and reductions of other dims, dynamic slices and updates of other dims, and matmuls whose other operand does
    not change in the loop. Buffers that a step updates, and carried scalars, are fine. So is a body without such a dim,
    if it holds matmuls and is small: one thread runs it. The body must hold no control flow, and composites (softmax, …)
    must be decomposed. Views and splat constants that the loop captures go into the kernel too.

    Options:
        max-weight-bytes: the most bytes of matmul operands that every step reads again.
        max-row-bytes: the most bytes of the values of one row.
    """

    name = "jic-form-recurrence"
    max_weight_bytes: int = 8 << 20
    max_row_bytes: int = 128 << 10

    def apply(self, module: ir.Operation) -> None:
        limits = Limits(self.max_weight_bytes, self.max_row_bytes)
        for block in graph_blocks(module):
            loops = [v.operation for v in block.operations if v.operation.name == "jic.loop"]
            for loop in loops:
                if find_rows(loop, limits) is not None:
                    _note_rows(_outline(loop))
                    loop.erase()


def _note_rows(fused: ir.Operation) -> None:
    """Write what is known of the rows into the kernel; see `FusedOp`."""
    block = fused.regions[0].blocks[0]
    (loop,) = (view.operation for view in block.operations if view.operation.name == "jic.loop")
    rows = find_rows(loop)
    if rows is None:
        raise PassError("a loop is a recurrence, but its copy in a kernel is not")
    inside = loop.regions[0].blocks[0]
    fused.attributes["rows"] = build.i64(rows.size)
    for op, arguments in ((fused, block.arguments), (loop, inside.arguments)):
        op.attributes["row_dims"] = build.i64s([rows.dims.get(a, -1) for a in arguments])
    for op in (view.operation for part in (block, inside) for view in part.operations):
        if op.name == "jic.loop" or not len(op.results):
            continue
        if (dim := rows.dims.get(op.results[0])) is not None:
            op.attributes["row_dim"] = build.i64(dim)
        if (side := rows.weights.get(op.results[0])) is not None:
            op.attributes["weight"] = build.i64(side)


def _outline(loop: ir.Operation) -> ir.Operation:
    """Put a copy of `loop` into a `jic.fused` in its place, with what it captures as arguments; returns it."""
    body = [view.operation for view in loop.regions[0].blocks[0].operations]
    inner = set(loop.regions[0].blocks[0].arguments) | {r for op in body for r in op.results}
    outer = list(dict.fromkeys(v for v in (*loop.operands, *(v for op in body for v in op.operands)) if v not in inner))
    inputs: list[ir.Value] = []
    sunk: list[ir.Value] = []
    for value in outer:
        _sink(value, sunk, inputs)
    used = [i for i, r in enumerate(loop.results) if next(iter(r.uses), None) is not None]

    def fill(arguments: list[ir.Value]) -> list[ir.Value]:
        inside = dict(zip(inputs, arguments, strict=True))
        for value in sunk:
            clone = value.owner.operation.clone()
            _replace([clone], inside)
            inside[value] = clone.results[0]
        clone = loop.clone()
        _replace([clone, *(view.operation for view in clone.regions[0].blocks[0].operations)], inside)
        return [clone.results[i] for i in used]

    with ir.InsertionPoint(loop), loop.location:
        fused = build.fused("recurrence", inputs, [loop.results[i].type for i in used], fill)
    for result, i in zip(fused.results, used, strict=True):
        loop.results[i].replace_all_uses_with(result)
    return fused


def _sink(value: ir.Value, sunk: list[ir.Value], inputs: list[ir.Value]) -> None:
    """Add `value`, which the loop captures, to what is computed inside the kernel (operands first) or to its inputs.

    Splat constants and views go inside: a bias that was repeated for every row is then read as it was, and a transposed
    weight is packed from where it lies.
    """
    if value in sunk or value in inputs:
        return
    name = "" if isinstance(value.owner, ir.Block) else value.owner.operation.name.removeprefix("jic.")
    if name == "constant" and is_splat(value):
        sunk.append(value)
    elif name in _SUNK or (name == "reshape" and not _is_sunk(value.owner.operation.operands[0])):
        _sink(value.owner.operation.operands[0], sunk, inputs)
        sunk.append(value)
    else:
        inputs.append(value)


_SUNK = ("broadcast", "transpose", "slice", "reverse")


def _is_sunk(value: ir.Value) -> bool:
    """A reshape of such a value need not be one linear index."""
    return not isinstance(value.owner, ir.Block) and value.owner.operation.name.removeprefix("jic.") in _SUNK


def _replace(ops: list[ir.Operation], inside: dict[ir.Value, ir.Value]) -> None:
    """Make `ops`, copies, use the values `inside` their kernel."""
    for op in ops:
        for number, value in enumerate(op.operands):
            if value in inside:
                op.operands[number] = inside[value]
