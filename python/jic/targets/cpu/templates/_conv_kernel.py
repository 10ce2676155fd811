"""The convolution kernel: tasks, the loops over a task's tiles, and the sum of one tile in registers."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, prod

from torch_mlir import ir

from ...common import ops
from ..kernel import Kernel, KernelModule, storage
from . import _gemm_ops as g
from ._conv_copy import copy_patch, to_accumulator
from ._conv_plan import Plan
from ._gemm_kernel import emit_micro_kernel
from ._window_write import Point, Writer


@dataclass(frozen=True)
class Loop:
    """One loop of the contraction: its length and how far a step moves in the source and in the packed filter."""

    trips: int
    source: int
    filter: int


def scratch_bytes(plan: Plan) -> int:
    return _tile_offset(plan) + plan.tile.rows * max(plan.tile.columns, plan.lanes) * plan.width * 8


def _tile_offset(plan: Plan) -> int:
    return ceil(plan.patch_elements * 8 / 64) * 64 if plan.copy else 0


def contraction(plan: Plan) -> list[Loop]:
    """The loops over taps and input channels, outermost first; those that run on without a gap are one loop."""
    window, s = plan.window, plan.strides
    depth, width = plan.depth, plan.width
    rows, columns = window.window[1:]
    taps = [
        Loop(window.window[0], s.depth * window.dilation[0], rows * columns * depth * width),
        Loop(rows, s.row * window.dilation[1], columns * depth * width),
        Loop(columns, s.column * window.dilation[2], depth * width),
    ]
    channel = Loop(depth, s.channel, width)
    # a few channels far apart: the taps of a row make the better inner loop
    loops = [channel, *taps] if s.channel != 1 and depth <= 4 and columns > 1 else [*taps, channel]
    merged: list[Loop] = []
    for loop in loops:
        if loop.trips == 1:
            continue
        last = merged[-1] if merged else None
        if last and last.source == loop.trips * loop.source and last.filter == loop.trips * loop.filter:
            merged[-1] = Loop(last.trips * loop.trips, loop.source, loop.filter)
        else:
            merged.append(loop)
    return merged or [Loop(plan.steps, 0, width)]


def emit_conv(module: KernelModule, name: str, plan: Plan, writer: Writer, source: int, packed: int) -> None:
    """Build kernel `name`: buffers `writer.buffers`, of which `source` is the input and `packed` the packed filter."""
    window, tile = plan.window, plan.tile
    depths, height, _ = window.target
    with module.function(name, writer.buffers, scratch_bytes(plan)) as kernel:
        sums = _Sums(kernel, plan, source, packed)
        with g.loop(kernel.begin, kernel.end) as task:
            split, rest = g.rem(task, plan.splits), g.div(task, plan.splits)
            block, rest = g.rem(rest, plan.blocks), g.div(rest, plan.blocks)
            depth, batch = g.rem(rest, depths), g.div(rest, depths)
            row = g.mul(block, plan.rows)
            if tile.rows > 1:
                # tiles of several rows: the last block overlaps the one before, so that it is as high
                row = g.minimum(row, height - plan.rows)
                rows: g.Index = plan.rows
            else:
                rows = plan.rows if height % plan.rows == 0 else g.minimum(plan.rows, g.sub(height, row))
            if plan.copy:
                first = g.equal(task, kernel.begin)
                fresh = ops.op("arith.ori", [first, g.equal(split, 0)], first.type)
                with g.when(fresh):
                    copy_patch(kernel.buffers[source], sums.source, plan, batch, depth, row)
            low = g.mul(split, plan.panels_per_task)
            high = g.minimum(g.add(low, plan.panels_per_task), plan.panels)
            with g.loop(low, high) as panel:
                _panel(kernel, plan, writer, sums, panel, Point(batch, depth, row, 0, 0), rows)


def _panel(
    kernel: Kernel, plan: Plan, writer: Writer, sums: _Sums, panel: g.Index, first: Point, rows: g.Index
) -> None:
    """All tiles of one panel of output channels; `first` is the task's first position."""
    window, tile = plan.window, plan.tile
    width = window.target[2]
    group, inner = g.div(panel, plan.group_panels), g.mul(g.rem(panel, plan.group_panels), plan.width)
    channel = g.add(g.mul(group, plan.filters), inner)
    left = None if plan.filters % plan.width == 0 else g.sub(plan.filters, inner)
    filter_base = g.mul(panel, plan.steps * plan.width)
    group_base = g.mul(group, plan.depth * plan.strides.channel)
    with g.loop(0, rows, tile.rows) as y, g.loop(0, ceil(width / tile.columns)) as i:
        # tiles that would reach over the end overlap their neighbours: what they write twice is the same
        y = g.minimum(y, plan.rows - tile.rows) if plan.rows % tile.rows else y
        x = g.mul(i, tile.columns)
        x = g.minimum(x, width - tile.columns) if width % tile.columns else x
        base = g.add(group_base, sums.origin(first, y, x))
        accumulators = sums.emit(base, filter_base)
        position = Point(first.batch, first.depth, g.add(first.row, y), x, channel)
        writer.write(kernel, accumulators, position, left, _tile_offset(plan))


class _Sums:
    """Emits the sums of one tile."""

    def __init__(self, kernel: Kernel, plan: Plan, source: int, packed: int) -> None:
        self.plan = plan
        accumulator = plan.window.accumulator
        self.packed = kernel.buffers[packed]
        self.source = kernel.buffers[source]
        if plan.copy:
            self.source = kernel.scratch_view(0, plan.patch_elements, accumulator)
        self.element = storage(accumulator)
        s, w, columns = plan.strides, plan.window, plan.tile.columns
        self.distances = [
            p // columns * s.row * w.stride[1] + p % columns * s.column * w.stride[2] for p in range(plan.tile.pixels)
        ]
        self.loops = contraction(plan)

    def origin(self, first: Point, y: g.Index, x: g.Index) -> g.Index:
        """Where the first tap of output row `first.row + y`, column `x` lies."""
        s, w = self.plan.strides, self.plan.window
        at = g.add(g.mul(y, s.row * w.stride[1]), g.mul(x, s.column * w.stride[2]))
        if not self.plan.copy:
            outer = g.add(g.mul(first.batch, s.batch), g.mul(first.depth, s.depth * w.stride[0]))
            at = g.add(g.add(outer, g.mul(first.row, s.row * w.stride[1])), at)
        return at

    def emit(self, source: g.Index, filter_: g.Index) -> list[ir.Value]:
        zero = g.zero(self.plan.lanes, self.element)
        return self._nest(self.loops, source, filter_, [zero] * (self.plan.tile.pixels * self.plan.tile.vectors))

    def _nest(self, loops: list[Loop], source: g.Index, filter_: g.Index, initial: list[ir.Value]) -> list[ir.Value]:
        tile, lanes = self.plan.tile, self.plan.lanes
        first, *inner = loops
        if inner:
            return g.fold(
                0,
                first.trips,
                1,
                initial,
                lambda i, sums: self._nest(
                    inner, g.add(source, g.mul(i, first.source)), g.add(filter_, g.mul(i, first.filter)), sums
                ),
            )

        def pixel(p: int, k: g.Index) -> ir.Value:
            at = g.add(g.add(source, g.mul(k, first.source)), self.distances[p])
            value = g.load_scalar(self.source, at)
            window = self.plan.window
            return value if self.plan.copy else to_accumulator(value, window.element, window.accumulator)

        def weights(j: int, k: g.Index) -> ir.Value:
            return g.load(self.packed, g.add(g.add(filter_, g.mul(k, first.filter)), j * lanes), lanes)

        unroll = _unroll(first.trips, tile.pixels * tile.vectors)
        return emit_micro_kernel(tile.pixels, tile.vectors, 0, first.trips, initial, pixel, weights, unroll)


def _unroll(trips: int, accumulators: int) -> int:
    """Steps an iteration: all of a short loop, else about sixty multiply-adds."""
    if trips * accumulators <= 200:
        return trips
    return max(1, min(8, 60 // accumulators))


def source_elements(plan: Plan) -> int:
    w = plan.window
    return w.batch * w.source_channels * prod(w.source)
