"""The convolution kernel: tasks, the loops over a task's tiles, and the sum of one tile in registers."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from torch_mlir import ir

from ....ir import index_ops as g
from ....ir import ops
from ....kernel.elements import ELEMENT_BYTES, storage
from ...kernel import Kernel, KernelModule
from ..gemm.micro_kernel import emit_micro_kernel
from .conv_pack import pack_panel
from .conv_plan import ConvPlan
from .patch import to_accumulator
from .write import Point, Writer


@dataclass(frozen=True)
class Loop:
    """One loop of the contraction: its length and how far a step moves in the source and in the packed filter."""

    trips: int
    source: int
    filter: int


def contraction(plan: ConvPlan) -> list[Loop]:
    """The loops over taps and input channels, outermost first; those that run on without a gap are one loop."""
    window, s, block = plan.window, plan.strides, plan.channel_block
    depths, rows, columns = window.window
    step = block * plan.width
    taps = [
        Loop(depths, s.depth * window.dilation[0], rows * columns * step),
        Loop(rows, s.row * window.dilation[1], columns * step),
        Loop(columns, s.column * window.dilation[2], step),
    ]
    blocks = Loop(plan.depth // block if block else 0, s.channel * block, window.taps * step)
    channel = Loop(block, s.channel, plan.width)
    merged: list[Loop] = []
    for loop in [blocks, *taps, channel]:
        if loop.trips == 1:
            continue
        last = merged[-1] if merged else None
        if last and last.source == loop.trips * loop.source and last.filter == loop.trips * loop.filter:
            merged[-1] = Loop(last.trips * loop.trips, loop.source, loop.filter)
        else:
            merged.append(loop)
    return merged or [Loop(plan.steps, 0, plan.width)]


def _aligned(elements: int, plan: ConvPlan) -> int:
    return ceil(elements * ELEMENT_BYTES[plan.window.accumulator] / 64) * 64


def _panel_at(plan: ConvPlan) -> int:
    """Byte of the scratch, after the patch, where a task packs its panel."""
    return _aligned(plan.patch.elements, plan) if plan.copy else 0


def _held_at(plan: ConvPlan) -> int:
    """Byte of the scratch, after the panel, where the writer holds tiles."""
    return _panel_at(plan) + (_aligned(plan.steps * plan.width, plan) if plan.packs else 0)


def emit_conv(module: KernelModule, name: str, plan: ConvPlan, writer: Writer, source: int, filter_: int) -> int:
    """Build kernel `name` on the buffers `writer.buffers`; returns the bytes of scratch that it needs.

    `source` and `filter_` number the buffers of the input and of the filter, which is packed unless tasks pack it.
    """
    window, tile = plan.window, plan.tile
    depths, height, _ = window.target
    scratch = _held_at(plan) + writer.held * ELEMENT_BYTES[window.accumulator]
    outer = window.batch * depths * plan.blocks
    with module.function(name, writer.buffers, scratch) as kernel:
        sums = _Sums(kernel, plan, source, filter_)
        with g.loop(kernel.begin, kernel.end) as task:
            first = g.equal(task, kernel.begin)
            if plan.packs:
                split, rest = g.div(task, outer), g.rem(task, outer)
                with g.when(ops.binary("arith.ori", first, g.equal(rest, 0))):
                    pack_panel(plan, kernel.buffers[filter_], sums.packed, split)
            else:
                split, rest = g.rem(task, plan.splits), g.div(task, plan.splits)
                first = ops.binary("arith.ori", first, g.equal(split, 0))
            block, rest = g.rem(rest, plan.blocks), g.div(rest, plan.blocks)
            depth, batch = g.rem(rest, depths), g.div(rest, depths)
            row = g.mul(block, plan.rows)
            if tile.rows > 1:
                # tiles of several rows: the last block overlaps the one before, so that it is as high
                row = g.minimum(row, height - plan.rows)
            rows = g.minimum(plan.rows, g.sub(height, row)) if height % plan.rows and tile.rows == 1 else plan.rows
            if plan.copy:
                with g.when(True if plan.packs else first):
                    plan.patch.copy(kernel.buffers[source], sums.source, batch, depth, row, 0)
            low = g.mul(split, plan.panels_per_task)
            high = g.minimum(g.add(low, plan.panels_per_task), plan.panels)
            at = Point(batch, depth, row, 0, 0)
            if plan.panels_per_task == 1:
                _panel(kernel, plan, writer, sums, low, at, rows)
            else:
                with g.loop(low, high) as panel:
                    _panel(kernel, plan, writer, sums, panel, at, rows)
    return scratch


def _panel(
    kernel: Kernel, plan: ConvPlan, writer: Writer, sums: _Sums, panel: g.Index, first: Point, rows: g.Index
) -> None:
    """All tiles of one panel of output channels; `first` is the task's first position."""
    window, tile = plan.window, plan.tile
    width, held = window.target[2], _held_at(plan)
    group, inner = g.div(panel, plan.group_panels), g.mul(g.rem(panel, plan.group_panels), plan.width)
    channel = g.add(g.mul(group, plan.filters), inner)
    left = None if plan.filters % plan.width == 0 else g.sub(plan.filters, inner)
    filter_base = 0 if plan.packs else g.mul(panel, plan.steps * plan.width)
    group_base = g.mul(group, plan.depth * plan.strides.channel)
    with g.loop(0, rows, tile.rows) as y:
        # tiles that would reach over the end overlap their neighbours: what they write twice is the same
        y = g.minimum(y, plan.rows - tile.rows) if plan.rows % tile.rows else y
        row, column = g.add(first.row, y), 0
        if plan.flat:
            column = g.minimum(g.mul(row, width), plan.flat - width)
        line = Point(first.batch, first.depth, row, column, channel)
        line_base = g.add(group_base, sums.origin(line, y))
        with g.loop(0, ceil(width / tile.columns)) as i:
            x = g.mul(i, tile.columns)
            x = g.minimum(x, width - tile.columns) if width % tile.columns else x
            base = g.add(line_base, g.mul(x, plan.strides.column * window.stride[2]))
            values = sums.emit(base, filter_base)
            if window.layout == "nhwc":
                at = Point(line.batch, line.depth, line.row, g.add(line.column, x), channel)
                writer.write_tile(kernel, values, at, left, held)
            else:
                writer.hold_tile(kernel, values, x, held)
        if window.layout == "nchw":
            writer.write_rows(kernel, line, left, held)


class _Sums:
    """Emits the sums of one tile."""

    def __init__(self, kernel: Kernel, plan: ConvPlan, source: int, filter_: int) -> None:
        self.plan = plan
        self.packed = kernel.buffers[filter_]
        if plan.packs:
            self.packed = kernel.scratch_view(_panel_at(plan), plan.steps * plan.width, plan.window.accumulator)
        self.source = kernel.buffers[source]
        if plan.copy:
            self.source = kernel.scratch_view(0, plan.patch.elements, plan.window.accumulator)
        s, w, columns = plan.strides, plan.window, plan.tile.columns
        self.distances = [
            p // columns * s.row * w.stride[1] + p % columns * s.column * w.stride[2] for p in range(plan.tile.pixels)
        ]
        self.loops = contraction(plan)

    def origin(self, line: Point, y: g.Index) -> g.Index:
        """Where the first tap of a line, the `y`-th of its task, lies."""
        s, w = self.plan.strides, self.plan.window
        if self.plan.copy:
            return g.mul(y, s.row * w.stride[1])
        outer = g.add(g.mul(line.batch, s.batch), g.mul(line.depth, s.depth * w.stride[0]))
        if self.plan.flat:
            return g.add(outer, g.mul(line.column, s.column))
        return g.add(outer, g.mul(line.row, s.row * w.stride[1]))

    def emit(self, source: g.Index, filter_: g.Index) -> list[ir.Value]:
        tile = self.plan.tile
        zero = g.zero(self.plan.lanes, storage(self.plan.window.accumulator))
        return self._nest(self.loops, source, filter_, [zero] * (tile.pixels * tile.vectors))

    def _nest(self, loops: list[Loop], source: g.Index, filter_: g.Index, initial: list[ir.Value]) -> list[ir.Value]:
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
        tile, lanes, window = self.plan.tile, self.plan.lanes, self.plan.window

        def pixel(p: int, k: g.Index) -> ir.Value:
            at = g.add(g.add(source, g.mul(k, first.source)), self.distances[p])
            value = g.load_scalar(self.source, at)
            return value if self.plan.copy else to_accumulator(value, window)

        def weights(j: int, k: g.Index) -> ir.Value:
            return g.load(self.packed, g.add(g.add(filter_, g.mul(k, first.filter)), j * lanes), lanes)

        unroll = _unroll(first, tile.pixels * tile.vectors, self.plan.strides.column * window.stride[2])
        return emit_micro_kernel(tile.pixels, tile.vectors, 0, first.trips, initial, pixel, weights, unroll)


def _unroll(loop: Loop, accumulators: int, distance: int) -> int:
    """Steps an iteration: all of a short loop, else about sixty multiply-adds.

    But no more than from a pixel to the next, `distance` apart: LLVM would keep what two of them share in registers
    that the accumulators need.
    """
    steps = loop.trips if loop.trips * accumulators <= 200 else min(8, 60 // accumulators)
    if loop.source and distance % loop.source == 0:
        steps = min(steps, distance // loop.source)
    return max(1, steps)
