"""Tasks: how an iteration space is cut into the independent pieces that threads share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod

from torch_mlir import ir

from ...ir import ops
from ...kernel.index import Linear, Variable
from ...kernel.region import Region
from ...kernel.space import Axis
from ..machine import Machine

# A task should be long enough to hide its set-up and short enough that 16 threads find work.
TASK_ELEMENTS = 16384


def delinearize(task: ir.Value, axes: Sequence[Axis]) -> dict[Variable, ir.Value]:
    """The position along each of `axes` (row-major) of flat number `task`."""
    found: dict[Variable, ir.Value] = {}
    rest = task
    for k in range(len(axes) - 1, 0, -1):
        size = ops.index(axes[k].size)
        found[axes[k].variable] = ops.binary("arith.remui", rest, size)
        rest = ops.binary("arith.divui", rest, size)
    if axes:
        found[axes[0].variable] = rest
    return found


def chunk_size(inner: int, outer: int, step: int, target: int = TASK_ELEMENTS) -> int:
    """Elements a chunk of an axis of length `inner`, a multiple of `step`, such that `outer` of them are about `target`."""
    wanted = max(1, target // max(1, outer))
    rounded = -(-wanted // step) * step
    return max(step, min(rounded, -(-inner // step) * step))


def lanes_loop(
    low: ir.Value,
    high: ir.Value,
    size: int,
    width: int,
    body: Callable[[ir.Value, ir.Value | None, list[ir.Value]], Sequence[ir.Value]],
    carried: Sequence[ir.Value] = (),
) -> list[ir.Value]:
    """Run `body(position, mask, carried)` over `[low, high)` of an axis of `size`, `width` lanes at a time.

    `low` is a multiple of `width`; `high` too, or `size`. The last, partial vector gets a mask; full ones get None.
    """
    tail = size % width
    full = ops.index(size - tail)
    end = ops.binary("arith.minsi", high, full) if tail else high
    results = ops.for_loop(low, end, ops.index(width), lambda i, c: body(i, None, c), carried)
    if not tail:
        return results
    return when(
        ops.cmpi("eq", high, ops.index(size)),
        lambda: body(full, tail_mask(tail, width), results),
        results,
    )


def each_vector(
    low: ir.Value, high: ir.Value, size: int, width: int, body: Callable[[ir.Value, ir.Value | None], None]
) -> None:
    """`lanes_loop` that carries nothing: `body(position, mask)`."""

    def one(position: ir.Value, mask: ir.Value | None, _: list[ir.Value]) -> Sequence[ir.Value]:
        body(position, mask)
        return ()

    lanes_loop(low, high, size, width, one)


def tail_mask(tail: int, width: int) -> ir.Value:
    """The mask of the first `tail` of `width` lanes."""
    bit = ir.IntegerType.get_signless(1)
    type_ = ops.vector_type(width, bit)
    lanes = [ir.IntegerAttr.get(bit, int(i < tail)) for i in range(width)]
    return ops.op("arith.constant", [], type_, {"value": ir.DenseElementsAttr.get(lanes, type_)})


def when(condition: ir.Value, body: Callable[[], Sequence[ir.Value]], otherwise: Sequence[ir.Value]) -> list[ir.Value]:
    """`scf.if`: the values of `body` if `condition` holds, else `otherwise`."""
    branch = ir.Operation.create("scf.if", results=[v.type for v in otherwise], operands=[condition], regions=2)
    with ir.InsertionPoint(branch.regions[0].blocks.append()):
        ops.op("scf.yield", list(body()), None)
    if otherwise:
        with ir.InsertionPoint(branch.regions[1].blocks.append()):
            ops.op("scf.yield", list(otherwise), None)
    return list(branch.results)


def total(axes: Sequence[Axis]) -> int:
    return prod(a.size for a in axes)


def streams(stores: Sequence[Linear], lane: Axis, width: int, moved: int, machine: Machine) -> bool:
    """Whether results should be written around the caches: big ones, whose vectors are all aligned.

    Output buffers are 64-byte aligned, so vectors are if every other stride is a multiple of the vector. Measured on a
    Zen 4 core, such stores pay from a few times the L2 on, even where everything fits the L3: they save reading the lines.
    """
    aligned = lane.size % width == 0 and all(
        p.constant % width == 0 and all(c % width == 0 for v, c in p.terms if v != lane.variable) for p in stores
    )
    return aligned and moved > 4 * machine.l2


def vector_width(region: Region, machine: Machine) -> int:
    """Lanes of a vector: a full register of the widest element that is computed with."""
    wide = {"f64"} & {n.element for n in region.nodes}
    wide |= {"i64"} & {region.nodes[n].element for n in region.outputs}
    return machine.lanes("f64" if wide else "f32")
