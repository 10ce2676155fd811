"""A task's patch of the source in scratch: padded, in the accumulator's element, laid out for its reader."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import ceil

from torch_mlir import ir

from ....ir import index_ops as g
from ....ir import ops
from ....kernel.elements import storage
from ....kernel.window import Strides, Triple, Window
from ...machine import Machine

LINE = 16  # elements of 4 bytes in a cache line


@dataclass(frozen=True)
class Patch:
    """What `rows` output rows at one output depth read of `channels` channels: all columns, `size` positions.

    Channels stay where the layout has them. Positions outside the source hold `fill`.
    """

    window: Window
    lanes: int
    rows: int
    channels: int
    fill: float | int = 0

    @cached_property
    def size(self) -> Triple:
        w = self.window
        return (w.reach[0], (self.rows - 1) * w.stride[1] + w.reach[1], (w.target[2] - 1) * w.stride[2] + w.reach[2])

    @cached_property
    def strides(self) -> Strides:
        """`batch` is the size of the whole patch."""
        depth, rows, columns = self.size
        # an odd number of cache lines between columns or channels keeps them out of each other's cache sets
        if self.window.layout == "nhwc":
            c = self.channels
            c = (ceil(c / LINE) | 1) * LINE if c >= 8 * LINE else c
            return Strides(depth * rows * columns * c, rows * columns * c, columns * c, c, 1)
        channel = (ceil(depth * rows * columns / LINE) | 1) * LINE
        return Strides(self.channels * channel, rows * columns, columns, 1, channel)

    @property
    def elements(self) -> int:
        """With room for a vector load that starts at the last element."""
        return self.strides.batch + self.lanes * self.window.stride[2]

    def copy(
        self, source: ir.Value, target: ir.Value, batch: g.Index, depth: g.Index, row: g.Index, channel: g.Index
    ) -> None:
        """Fill `target` for the output rows from `row` on at output `depth`, and channels from `channel` on."""
        window, strides, (depths, rows, columns) = self.window, self.strides, self.size
        low, (source_depths, source_rows, source_columns) = window.low, window.source
        by_channel = window.layout == "nchw"
        left = min(low[2], columns)
        middle = min(source_columns, columns - left)
        # one run a row of a channel, or one a row if the channels lie side by side
        inner = 1 if by_channel else self.channels
        whole = by_channel or strides.column == self.channels == window.source_channels
        from_ = window.strides
        mover = _Mover(source, target, window, self.lanes, self.fill)
        first_depth = g.add(g.mul(depth, window.stride[0]), -low[0])
        first_row = g.add(g.mul(row, window.stride[1]), -low[1])
        base = g.add(g.mul(batch, from_.batch), g.mul(channel, from_.channel))
        with g.loop(0, self.channels if by_channel else 1) as c, g.loop(0, depths) as i, g.loop(0, rows) as j:
            z, y = g.add(first_depth, i), g.add(first_row, j)
            to = g.add(g.mul(c, strides.channel), g.add(g.mul(i, strides.depth), g.mul(j, strides.row)))
            at = g.add(g.add(g.mul(z, from_.depth), g.mul(y, from_.row)), g.add(base, g.mul(c, from_.channel)))
            inside = ops.binary("arith.andi", below(z, source_depths), below(y, source_rows))
            with g.when(inside):
                mover.fill(to, left * strides.column)
                if whole:
                    mover.copy(at, g.add(to, left * strides.column), middle * inner)
                else:
                    with g.loop(0, middle) as x:
                        there = g.add(to, g.mul(g.add(x, left), strides.column))
                        mover.copy(g.add(at, g.mul(x, from_.column)), there, inner)
                end = left + middle
                mover.fill(g.add(to, end * strides.column), (columns - end) * strides.column)
            with g.when(ops.binary("arith.xori", inside, ops.constant(inside.type, True))):
                mover.fill(to, columns * strides.column)


def lanes_of(window: Window, machine: Machine) -> int:
    """Elements of a vector; integers narrower than 32 bits take no more than those of 32."""
    wide = window.accumulator if window.accumulator in ("f32", "f64", "i64") else "i32"
    return max(2, machine.lanes(wide))


def below(position: g.Index, size: int) -> ir.Value:
    """`0 <= position < size`: as unsigned numbers, positions before the border are also past its end."""
    return ops.cmpi("ult", g.index(position), g.index(size))


def to_accumulator(value: ir.Value, window: Window) -> ir.Value:
    """f16 and bf16 (scalar or vector) widened to f32; anything else as it is."""
    if window.element == window.accumulator:
        return value
    return ops.op("arith.extf", [value], ops.like(value.type, ops.element_type(window.accumulator)))


class _Mover:
    """Copies and fills runs of constant length, a vector at a time."""

    def __init__(self, source: ir.Value, target: ir.Value, window: Window, lanes: int, fill: float | int) -> None:
        self.source, self.target, self.window, self.lanes = source, target, window, lanes
        self.filling = ops.constant(ops.vector_type(lanes, storage(window.accumulator)), fill)

    def copy(self, at: g.Index, to: g.Index, count: int) -> None:
        def move(i: g.Index, used: int) -> None:
            value = to_accumulator(g.load(self.source, g.add(at, i), self.lanes, used), self.window)
            g.store(value, self.target, g.add(to, i), used)

        self._runs(count, move)

    def fill(self, to: g.Index, count: int) -> None:
        self._runs(count, lambda i, used: g.store(self.filling, self.target, g.add(to, i), used))

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
