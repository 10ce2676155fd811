"""Windows that stay within a channel: pools, and convolutions with one filter a channel (depthwise).

Channels last, lanes run over channels, and a tile is a few columns of a row; channels first, lanes run along a row of
one channel. Where windows reach over the border the source is read from a padded patch in scratch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from math import ceil, prod

from torch_mlir import ir

from ....ir import index_ops as g
from ....ir import ops
from ....kernel.buffers import Buffer
from ....kernel.elements import ELEMENT_BYTES, storage
from ....kernel.elementwise import is_float
from ....kernel.window import Sliding, Strides, Window
from ....program.launch import Launch, Lowered
from ...functions import CpuFunctions
from ...kernel import KernelModule
from ...machine import Machine
from .patch import Patch, lanes_of, to_accumulator
from .pool_count import elements_inside
from .write import Point, Writer

UNROLLED_TAPS = 25
TASK_NS = 20_000


@dataclass(frozen=True)
class Channelwise:
    """A pool, or a depthwise convolution, and its blocking.

    A task is a batch entry, an output depth, `rows` rows, and in layout nchw also `channels` channels.
    """

    kind: str  # "conv", "max", "sum" or "avg"
    window: Window
    lanes: int
    columns: int
    rows: int
    channels: int
    copy: bool

    @property
    def last(self) -> bool:
        return self.window.layout == "nhwc"

    @cached_property
    def patch(self) -> Patch:
        channels = self.window.source_channels if self.last else 1
        return Patch(self.window, self.lanes, self.rows, channels, self.neutral)

    @property
    def neutral(self) -> float | int:
        """What padding counts as."""
        element = self.window.accumulator
        if self.kind != "max" or element == "ui8":
            return 0
        return float("-inf") if is_float(element) else -(1 << (8 * ELEMENT_BYTES[element] - 1))

    @property
    def blocks(self) -> int:
        return ceil(self.window.target[1] / self.rows)

    @property
    def channel_blocks(self) -> int:
        return ceil(self.window.target_channels / self.channels)

    @property
    def tasks(self) -> int:
        return self.window.batch * self.window.target[0] * self.channel_blocks * self.blocks

    @property
    def weights(self) -> int:
        """Elements of the filter with channels last, kept in scratch."""
        if self.kind != "conv" or not self.last:
            return 0
        return self.window.taps * ceil(self.window.target_channels / self.lanes) * self.lanes

    def combine(self, total: ir.Value, value: ir.Value, weight: ir.Value | None) -> ir.Value:
        if weight is not None:
            return g.multiply_add(value, weight, total)
        if self.kind != "max":
            return g.plus(total, value)
        if is_float(self.window.accumulator):
            return ops.extreme(True, total, value)
        return ops.binary("arith.maxui" if self.window.element == "ui8" else "arith.maxsi", total, value)


def lower_channelwise(described: Sliding, name: str, kernels: KernelModule, machine: Machine) -> Lowered:
    """One launch for a pool or a depthwise convolution."""
    region, number, window = described.region, described.node, described.window
    source, filter_ = described.source, described.filter
    kind = "conv" if filter_ is not None else region.nodes[number].attributes["kind"]
    plan = make_plan(kind, window, machine)
    writer = Writer(
        region=region,
        node=number,
        extra=(),
        rows=1,
        columns=plan.columns,
        vectors=1,
        lanes=plan.lanes,
        width=window.target[2],
        layout=window.layout,
        accumulator=window.accumulator,
        functions=CpuFunctions(machine),
    )
    scratch = _Emitter(kernels, name, plan, writer, source, filter_).emit()
    arguments = [Buffer("argument", i) for i in range(region.arguments)]
    results = [Buffer("result", i) for i in range(len(region.outputs))]
    return Lowered([Launch(name, (*arguments, *results), region.arguments, plan.tasks, _nanoseconds(plan), scratch)])


def make_plan(kind: str, window: Window, machine: Machine) -> Channelwise:
    lanes = lanes_of(window, machine)
    _, height, width = window.target
    last = window.layout == "nhwc"
    # channels first, vectors along a row may be read past its end: not in the source itself
    copy = not last or not window.inside or window.element != window.accumulator
    most = min(width, 8 if window.taps <= 9 else 4)
    columns = min(range(1, most + 1), key=lambda n: (ceil(width / n) * (n + 1.5), -n)) if last else lanes
    whole = Channelwise(kind, window, lanes, columns, height, window.target_channels, copy)
    outer = window.batch * window.target[0]
    wanted = max(1, min(64, _nanoseconds(whole) // TASK_NS))
    bytes_ = ELEMENT_BYTES[window.accumulator]
    most_rows = max(1, height * (machine.l2 // 4) // max(1, whole.patch.elements * bytes_))
    blocks = ceil(height / most_rows)
    if last:
        blocks = max(blocks, min(height, ceil(wanted / outer)))
        return Channelwise(kind, window, lanes, columns, ceil(height / blocks), window.target_channels, copy)
    channel_blocks = min(window.target_channels, ceil(wanted / (outer * blocks)))
    if channel_blocks * outer * blocks < wanted:
        blocks = min(height, ceil(wanted / (outer * channel_blocks)))
    channels = ceil(window.target_channels / channel_blocks)
    return Channelwise(kind, window, lanes, columns, ceil(height / blocks), channels, copy)


def _nanoseconds(plan: Channelwise) -> int:
    """Estimated time on one core: two loads and two sums a cycle and the traffic of source and result."""
    w = plan.window
    outputs = w.batch * prod(w.target) * w.target_channels
    inputs = w.batch * prod(w.source) * w.source_channels
    return int(outputs * w.taps / plan.lanes * 0.4 + (outputs + inputs) * ELEMENT_BYTES[w.element] * 0.06) + 100


class _Emitter:
    """Builds the kernel of one plan."""

    def __init__(
        self, module: KernelModule, name: str, plan: Channelwise, writer: Writer, source: int, filter_: int | None
    ) -> None:
        self.module, self.name, self.plan, self.writer = module, name, plan, writer
        self.source_number, self.filter_number = source, filter_
        self.window = plan.window
        self.bytes = ELEMENT_BYTES[plan.window.accumulator]

    def emit(self) -> int:
        """Build it; returns the bytes of scratch that it needs."""
        plan, window = self.plan, self.window
        self.weights_at = ceil(plan.patch.elements * self.bytes / 64) * 64 if plan.copy else 0
        held_at = self.weights_at + ceil(plan.weights * self.bytes / 64) * 64
        scratch = held_at + (self.writer.held * self.bytes if plan.last else 0)
        depths, height, _ = window.target
        with self.module.function(self.name, self.writer.buffers, scratch) as kernel:
            self.kernel = kernel
            self.source = kernel.buffers[self.source_number]
            self.strides = window.strides
            if plan.copy:
                self.patch = kernel.scratch_view(0, plan.patch.elements, window.accumulator)
                self.strides = plan.patch.strides
            if plan.weights:
                self._spread_weights()
            with g.loop(kernel.begin, kernel.end) as task:
                block, rest = g.rem(task, plan.blocks), g.div(task, plan.blocks)
                part, rest = g.rem(rest, plan.channel_blocks), g.div(rest, plan.channel_blocks)
                depth, batch = g.rem(rest, depths), g.div(rest, depths)
                row = g.mul(block, plan.rows)
                rows = g.minimum(plan.rows, g.sub(height, row)) if height % plan.rows else plan.rows
                at = Point(batch, depth, row, 0, 0)
                if plan.last:
                    self._channels_last(at, rows, held_at)
                else:
                    self._channels_first(at, rows, g.mul(part, plan.channels))
        return scratch

    # ---- channels last ----

    def _channels_last(self, at: Point, rows: g.Index, held_at: int) -> None:
        plan, window = self.plan, self.window
        width, channels = window.target[2], window.target_channels
        if plan.copy:
            plan.patch.copy(self.source, self.patch, at.batch, at.depth, at.row, 0)
        with g.loop(0, rows) as y, g.loop(0, channels, plan.lanes) as c:
            left = None if channels % plan.lanes == 0 else g.sub(channels, c)
            weights = self._weights_last(c)
            base = g.add(self._origin(at, y), c)
            with g.loop(0, ceil(width / plan.columns)) as i:
                # the last tile overlaps the one before: what is written twice is the same
                x = g.mul(i, plan.columns)
                x = g.minimum(x, width - plan.columns) if width % plan.columns else x
                start = g.add(base, g.mul(x, self.strides.column * window.stride[2]))
                values = self._fold_taps(
                    plan.columns,
                    start,
                    lambda where, column: self._load_last(
                        g.add(where, column * self.strides.column * window.stride[2]), left
                    ),
                    weights,
                )
                here = Point(at.batch, at.depth, g.add(at.row, y), x, c)
                if plan.kind == "avg":
                    values = [
                        self._divide(v, Point(here.batch, here.depth, here.row, g.add(x, j), c), None)
                        for j, v in enumerate(values)
                    ]
                self.writer.write_tile(self.kernel, values, here, left, held_at)

    def _load_last(self, at: g.Index, left: g.Index | None) -> ir.Value:
        lanes = self.plan.lanes
        if self.plan.copy:
            return g.load(self.patch, at, lanes)
        if left is None:
            return g.load(self.source, at, lanes)
        type_ = ops.vector_type(lanes, self.source.type.element_type)
        mask = ops.op("vector.create_mask", [g.index(left)], ops.vector_type(lanes, ops.element_type("i1")))
        return ops.op("vector.maskedload", [self.source, g.index(at), mask, ops.constant(type_, 0)], type_)

    def _spread_weights(self) -> None:
        """The filter `[C, 1, *window]` to `[tap][C]` in this thread's scratch."""
        channels, taps = self.window.target_channels, self.window.taps
        filter_ = self.kernel.buffers[self.filter_number or 0]
        self.weights = self.kernel.scratch_view(self.weights_at, self.plan.weights, self.window.accumulator)
        pitch = self.plan.weights // taps
        with g.loop(0, channels) as c:
            for tap in range(taps) if taps <= UNROLLED_TAPS else [None]:
                with g.loop(0, taps) if tap is None else g.loop(tap, tap + 1) as k:
                    value = to_accumulator(g.load_scalar(filter_, g.add(g.mul(c, taps), k)), self.window)
                    at = g.add(g.mul(k, pitch), c)
                    ops.op("memref.store", [value, self.weights, g.index(at)], None)

    def _weights_last(self, c: g.Index) -> Callable[[g.Index], ir.Value] | None:
        if not self.plan.weights:
            return None
        pitch = self.plan.weights // self.window.taps
        return lambda tap: g.load(self.weights, g.add(g.mul(tap, pitch), c), self.plan.lanes)

    # ---- channels first ----

    def _channels_first(self, at: Point, rows: g.Index, first: g.Index) -> None:
        plan, window = self.plan, self.window
        end = g.minimum(g.add(first, plan.channels), window.target_channels)
        with g.loop(first, end) as c:
            plan.patch.copy(self.source, self.patch, at.batch, at.depth, at.row, c)
            weights = self._weights_first(c)
            with g.loop(0, rows) as y:
                base = self._origin(at, y)
                line = Point(at.batch, at.depth, g.add(at.row, y), 0, c)

                def value(x: g.Index, base: g.Index = base, line: Point = line) -> ir.Value:
                    start = g.add(base, g.mul(x, window.stride[2]))
                    (total,) = self._fold_taps(1, start, lambda where, _: self._load_first(where), weights)
                    if plan.kind != "avg":
                        return total
                    return self._divide(total, Point(line.batch, line.depth, line.row, x, line.channel), plan.lanes)

                self.writer.write_line(self.kernel, line, value)

    def _load_first(self, at: g.Index) -> ir.Value:
        """A lane a column of the result: the columns of the source are `stride` apart."""
        lanes, stride = self.plan.lanes, self.window.stride[2]
        first = g.load(self.patch, at, lanes)
        if stride == 1:
            return first
        if stride == 2:
            return g.shuffle(first, g.load(self.patch, g.add(at, lanes), lanes), range(0, 2 * lanes, 2))
        index = ops.element_type("i32")
        type_ = ops.vector_type(lanes, index)
        steps = ir.DenseElementsAttr.get([ir.IntegerAttr.get(index, i * stride) for i in range(lanes)], type_)
        positions = ops.op("arith.constant", [], type_, {"value": steps})
        mask = ops.constant(ops.vector_type(lanes, ops.element_type("i1")), 1)
        return ops.op("vector.gather", [self.patch, g.index(at), positions, mask, first], first.type)

    def _weights_first(self, c: g.Index) -> Callable[[g.Index], ir.Value] | None:
        if self.filter_number is None:
            return None
        filter_, taps = self.kernel.buffers[self.filter_number], self.window.taps

        def weight(tap: g.Index) -> ir.Value:
            value = g.load_scalar(filter_, g.add(g.mul(c, taps), tap))
            return ops.splat(to_accumulator(value, self.window), self.plan.lanes)

        if taps > UNROLLED_TAPS:
            return weight
        known = [weight(tap) for tap in range(taps)]
        return lambda tap: known[tap] if isinstance(tap, int) else weight(tap)

    # ---- shared ----

    def _origin(self, at: Point, y: g.Index) -> g.Index:
        """Where the first tap of row `at.row + y` lies."""
        s: Strides = self.strides
        stride = self.window.stride
        if self.plan.copy:
            return g.mul(y, s.row * stride[1])
        outer = g.add(g.mul(at.batch, s.batch), g.mul(at.depth, s.depth * stride[0]))
        return g.add(outer, g.mul(g.add(at.row, y), s.row * stride[1]))

    def _fold_taps(
        self,
        columns: int,
        start: g.Index,
        load: Callable[[g.Index, int], ir.Value],
        weights: Callable[[g.Index], ir.Value] | None,
    ) -> list[ir.Value]:
        """The taps of `columns` windows combined; the first one's first tap lies at `start`."""
        window, strides, plan = self.window, self.strides, self.plan
        initial = ops.constant(ops.vector_type(plan.lanes, storage(window.accumulator)), plan.neutral)
        (depths, rows, across), dilation = window.window, window.dilation
        unrolled = window.taps <= UNROLLED_TAPS

        def over(trips: int, totals: list[ir.Value], body, unroll: bool) -> list[ir.Value]:
            if not unroll:
                return g.fold(0, trips, 1, totals, body)
            for k in range(trips):
                totals = body(k, totals)
            return totals

        def tap(i: g.Index, j: g.Index, k: g.Index, totals: list[ir.Value]) -> list[ir.Value]:
            where = g.add(g.mul(i, strides.depth * dilation[0]), g.mul(j, strides.row * dilation[1]))
            where = g.add(g.add(start, where), g.mul(k, strides.column * dilation[2]))
            number = g.add(g.mul(g.add(g.mul(i, rows), j), across), k)
            weight = weights(number) if weights else None
            return [plan.combine(total, load(where, c), weight) for c, total in enumerate(totals)]

        return over(
            depths,
            [initial] * columns,
            lambda i, a: over(
                rows,
                a,
                lambda j, b: over(across, b, lambda k, c: tap(i, j, k, c), unrolled or across <= 8),
                unrolled,
            ),
            unrolled,
        )

    def _divide(self, total: ir.Value, at: Point, lanes: int | None) -> ir.Value:
        """`total` over the number of taps inside the source; with `lanes` each lane is a column of its own."""
        window = self.window
        element = storage(window.accumulator)
        count = elements_inside(window, at.depth, at.row, at.column, lanes)
        if is_float(window.accumulator):
            count = ops.op("arith.sitofp", [count], ops.like(count.type, element))
            divide = "arith.divf"
        else:
            # lanes past the row's end may count none, and an integer division by zero traps
            count = ops.binary("arith.maxsi", count, ops.constant(count.type, 1))
            width = ELEMENT_BYTES[window.accumulator]
            if width != 4:
                count = ops.op("arith.extsi" if width > 4 else "arith.trunci", [count], ops.like(count.type, element))
            divide = "arith.divui" if window.element == "ui8" else "arith.divsi"
        if not isinstance(count.type, ir.VectorType):
            count = ops.splat(count, self.plan.lanes)
        return ops.binary(divide, total, count)
