"""Memory movement around the convolution kernel: packing the filter, and copying a padded patch of the source."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

from torch_mlir import ir

from ...common import ops
from ..kernel import Kernel, KernelModule, storage
from . import _gemm_ops as g
from ._conv_plan import Plan

BLOCKS_PER_TASK = 16


def transpose(rows: Sequence[ir.Value], lanes: int) -> list[ir.Value]:
    """`lanes` vectors whose l-th holds lane l of each of `rows` (at most `lanes`; further lanes are undefined)."""
    undefined = ops.op("ub.poison", [], rows[0].type, {"value": ir.Attribute.parse("#ub.poison")})
    values = [*rows, *[undefined] * (lanes - len(rows))]
    distance = 1
    while distance < lanes:
        # exchange the off-diagonal blocks of `distance` lanes of each pair of vectors
        low = [i if not i & distance else lanes + i - distance for i in range(lanes)]
        high = [i + distance if not i & distance else lanes + i for i in range(lanes)]
        exchanged = list(values)
        for i in range(lanes):
            if not i & distance:
                a, b = values[i], values[i + distance]
                exchanged[i], exchanged[i + distance] = g.shuffle(a, b, low), g.shuffle(a, b, high)
        values = exchanged
        distance *= 2
    return values


def below(position: g.Index, size: g.Index) -> ir.Value:
    """`0 <= position < size`: as unsigned numbers, positions before the border are also past its end."""
    return ops.cmpi("ult", g.index(position), g.index(size))


def to_accumulator(value: ir.Value, source: str, accumulator: str) -> ir.Value:
    """f16 and bf16 (scalar or vector) widened to f32; anything else as it is."""
    return value if source == accumulator else ops.op("arith.extf", [value], ops.like(value.type, ops.element_type("f32")))


def pack_tasks(plan: Plan) -> int:
    return plan.panels * _pack_chunks(plan)


def _pack_chunks(plan: Plan) -> int:
    return ceil(ceil(plan.steps / plan.lanes) / BLOCKS_PER_TASK)


def pack_filter(module: KernelModule, name: str, plan: Plan) -> None:
    """Kernel: filter `[O, I, *window]` to panels `[panel][tap][i][width]` in the accumulator's element.

    Lanes of a group's last panel past its filters hold copies of the last filter: they are computed and not stored.
    """
    window, lanes, steps = plan.window, plan.lanes, plan.steps
    filters = window.target_channels * steps
    chunks, chunk = _pack_chunks(plan), BLOCKS_PER_TASK * lanes
    with module.function(
        name, [(filters, window.element), (plan.panels * steps * plan.width, window.accumulator)]
    ) as kernel:
        source, target = kernel.buffers
        with g.loop(kernel.begin, kernel.end) as task:
            panel, first = g.div(task, chunks), g.mul(g.rem(task, chunks), chunk)
            group = g.div(panel, plan.group_panels)
            filter_ = g.mul(g.rem(panel, plan.group_panels), plan.width)
            panel_base = g.mul(panel, steps * plan.width)
            with g.loop(first, g.minimum(g.add(first, chunk), steps), lanes) as k:
                # the last block overlaps the one before rather than being shorter
                start = g.minimum(k, steps - lanes) if steps > lanes else 0
                used = min(steps, lanes)
                for j in range(plan.tile.vectors):
                    rows = []
                    for i in range(lanes):
                        o = g.minimum(g.add(filter_, j * lanes + i), plan.filters - 1)
                        o = g.add(o, g.mul(group, plan.filters))
                        row = g.load(source, g.add(g.mul(o, steps), start), lanes, used)
                        rows.append(to_accumulator(row, window.element, window.accumulator))
                    for i, column in enumerate(transpose(rows, lanes)[:used]):
                        step = g.add(start, i)
                        place = g.add(g.mul(g.rem(step, window.taps), plan.depth), g.div(step, window.taps))
                        place = g.add(g.mul(place, plan.width), j * lanes)
                        g.store(column, target, g.add(panel_base, place))


def copy_patch(
    kernel_source: ir.Value, patch: ir.Value, plan: Plan, batch: g.Index, depth: g.Index, row: g.Index
) -> None:
    """Fill `patch` with what the output rows from `row` on, at `depth`, read of `batch`; zero outside the source."""
    window, strides, (depths, rows, columns) = plan.window, plan.strides, plan.patch
    _, source_rows, source_columns = window.source
    by_channel = window.layout == "nchw"
    inner, outer = (1, window.source_channels) if by_channel else (window.source_channels, 1)
    left = min(window.low[2], columns)
    middle = min(source_columns, columns - left)
    right = columns - left - middle
    plane = window.source[0] * source_rows * source_columns
    mover = _Mover(kernel_source, patch, plan)
    first_depth = g.add(g.mul(depth, window.stride[0]), -window.low[0])
    first_row = g.add(g.mul(row, window.stride[1]), -window.low[1])
    batch_base = g.mul(batch, plane * window.source_channels)
    with g.loop(0, outer) as channel, g.loop(0, depths) as i, g.loop(0, rows) as j:
        z, y = g.add(first_depth, i), g.add(first_row, j)
        to = g.add(g.mul(channel, strides.channel), g.add(g.mul(i, strides.depth), g.mul(j, strides.row)))
        line = g.add(g.mul(z, source_rows), y)
        at = g.add(g.add(batch_base, g.mul(channel, plane)), g.mul(line, source_columns * inner))
        inside = ops.binary("arith.andi", below(z, window.source[0]), below(y, source_rows))
        with g.when(inside):
            mover.zero(to, left * inner)
            mover.copy(at, g.add(to, left * inner), middle * inner)
            mover.zero(g.add(to, (left + middle) * inner), right * inner)
        with g.when(ops.op("arith.xori", [inside, ops.constant(inside.type, True)], inside.type)):
            mover.zero(to, columns * inner)


class _Mover:
    """Copies and zeroes runs of constant length, a vector at a time."""

    def __init__(self, source: ir.Value, target: ir.Value, plan: Plan) -> None:
        self.source, self.target = source, target
        self.element, self.accumulator, self.lanes = plan.window.element, plan.window.accumulator, plan.lanes
        self.zeros = g.zero(plan.lanes, storage(self.accumulator))

    def copy(self, at: g.Index, to: g.Index, count: int) -> None:
        def move(i: g.Index, used: int) -> None:
            value = g.load(self.source, g.add(at, i), self.lanes, used)
            g.store(to_accumulator(value, self.element, self.accumulator), self.target, g.add(to, i), used)

        self._runs(count, move)

    def zero(self, to: g.Index, count: int) -> None:
        self._runs(count, lambda i, used: g.store(self.zeros, self.target, g.add(to, i), used))

    def _runs(self, count: int, move) -> None:
        whole = count // self.lanes * self.lanes
        if whole <= 4 * self.lanes:
            for i in range(0, whole, self.lanes):
                move(i, self.lanes)
        else:
            with g.loop(0, whole, self.lanes) as i:
                move(i, self.lanes)
        if count > whole:
            move(whole, count - whole)


def read_scratch(kernel: Kernel, elements: int, element: str, offset: int = 0) -> ir.Value:
    return kernel.scratch_view(offset, elements, element)
