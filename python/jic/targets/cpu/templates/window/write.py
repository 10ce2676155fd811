"""From registers to the results: the elementwise epilogue of convolutions and pools, evaluated on their sums.

Lanes of the sums run over channels. In layout nhwc that is how results lie in memory; in nchw tiles are transposed in
registers and held in scratch until they make whole rows, which are then stored with lanes along the innermost dim.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod

from torch_mlir import ir

from ....ir import index_ops as g
from ....ir import ops
from ....kernel.evaluate import Evaluator
from ....kernel.functions import Functions
from ....kernel.index import Index, Linear, offset
from ....kernel.memory import Memory
from ....kernel.region import Region
from ...kernel import Kernel
from .transpose import transpose

# Ops worth about one instruction; the others (exp, erf, …) count for many.
CHEAP = (
    "add", "sub", "mul", "maximum", "minimum", "relu", "neg", "abs", "select", "compare", "constant", "convert",
    "broadcast", "reshape", "transpose", "slice", "argument", "conv", "pool", "and", "or", "not",
)  # fmt: skip
UNROLLED_OPS = 500


@dataclass(frozen=True)
class Point:
    """A position in the result: its batch entry, spatial position and channel."""

    batch: g.Index
    depth: g.Index
    row: g.Index
    column: g.Index
    channel: g.Index


@dataclass(frozen=True)
class Writer:
    """Evaluates the outputs of `region` for tiles of `node`, its convolution or pool, and stores them.

    Args:
        extra: buffers between the region's arguments and its results: (elements, element) each.
        rows, columns, vectors, lanes: shape of a tile; its values come as `[row][column][vector]`.
        width: columns of a whole row of the result.
        accumulator: element of the values.
        functions: the machine's, for what follows the convolution.
        merged: the spatial dims (and in nhwc the batch) are walked as one; only `Point.column` is then used.
    """

    region: Region
    node: int
    extra: tuple[tuple[int, str], ...]
    rows: int
    columns: int
    vectors: int
    lanes: int
    width: int
    layout: str
    accumulator: str
    functions: Functions
    merged: bool = False

    @property
    def buffers(self) -> list[tuple[int, str]]:
        region = self.region
        arguments = [(prod(n.shape), n.element) for n in region.nodes[: region.arguments]]
        results = [(prod(region.nodes[o].shape), region.nodes[o].element) for o in region.outputs]
        return [*arguments, *self.extra, *results]

    @property
    def rank(self) -> int:
        return len(self.region.nodes[self.node].shape)

    @property
    def channel_dim(self) -> int:
        return 1 if self.layout == "nchw" else self.rank - 1

    @property
    def spatial_dims(self) -> list[int]:
        return list(range(2, self.rank)) if self.layout == "nchw" else list(range(1, self.rank - 1))

    @property
    def column_dim(self) -> int:
        """The dim that `Point.column` runs along: of merged ones the last that has more than one position."""
        if not self.merged:
            return self.spatial_dims[-1]
        shape = self.region.nodes[self.node].shape
        dims = self.spatial_dims if self.layout == "nchw" else [0, *self.spatial_dims]
        return next((d for d in reversed(dims) if shape[d] > 1), dims[-1])

    @property
    def held(self) -> int:
        """Elements of scratch that a tile (nhwc) or whole rows of tiles (nchw) wait in."""
        along = self.columns if self.layout == "nhwc" else self._pitch
        return self.rows * along * self.vectors * self.lanes

    @property
    def _pitch(self) -> int:
        return self.width + self.lanes

    @property
    def _unrolled(self) -> bool:
        weight = sum(1 if n.op in CHEAP else 20 for n in self.region.nodes)
        return weight * self.rows * self.columns * self.vectors <= UNROLLED_OPS

    # ---- channels last ----

    def write_tile(
        self, kernel: Kernel, values: Sequence[ir.Value], at: Point, left: g.Index | None, offset_: int
    ) -> None:
        """Layout nhwc: store the tile at `at`, of which `left` channels exist (None: all).

        Scratch from byte `offset_` on is free to hold it.
        """
        masks = [self._channel_mask(left, j) for j in range(self.vectors)]
        if self._unrolled:
            evaluator = self._evaluator(kernel, at, self.channel_dim)
            for p in range(self.rows * self.columns):
                for j in range(self.vectors):
                    evaluator.memory.mask = masks[j]
                    index = self._index(p // self.columns, p % self.columns, j * self.lanes)
                    self._store(evaluator, index, values[p * self.vectors + j])
            return
        tile = kernel.scratch_view(offset_, self.held, self.accumulator)
        for i, value in enumerate(values):
            g.store(value, tile, i * self.lanes)
        with g.loop(0, self.rows) as y, g.loop(0, self.columns) as x:
            pixel = g.add(g.mul(y, self.columns), x)
            here = Point(at.batch, at.depth, g.add(at.row, y), g.add(at.column, x), at.channel)
            evaluator = self._evaluator(kernel, here, self.channel_dim)
            for j in range(self.vectors):
                evaluator.memory.mask = masks[j]
                value = g.load(tile, g.add(g.mul(pixel, self.vectors * self.lanes), j * self.lanes), self.lanes)
                self._store(evaluator, self._index(0, 0, j * self.lanes), value)

    def _channel_mask(self, left: g.Index | None, j: int) -> ir.Value | None:
        if left is None:
            return None
        type_ = ops.vector_type(self.lanes, ops.element_type("i1"))
        return ops.op("vector.create_mask", [g.index(g.sub(left, j * self.lanes))], type_)

    # ---- channels first ----

    def hold_tile(self, kernel: Kernel, values: Sequence[ir.Value], column: g.Index, offset_: int) -> None:
        """Layout nchw: put the tile that starts at `column` into the rows held in scratch from byte `offset_` on."""
        held = kernel.scratch_view(offset_, self.held, self.accumulator)
        width = self.vectors * self.lanes
        for y in range(self.rows):
            for j in range(self.vectors):
                first = y * self.columns * self.vectors + j
                row = values[first : first + self.columns * self.vectors : self.vectors]
                for lane, line in enumerate(transpose(row, self.lanes)):
                    # lanes past the tile are overwritten by the next one, or lie between rows
                    g.store(line, held, g.add(column, (y * width + j * self.lanes + lane) * self._pitch))

    def write_rows(self, kernel: Kernel, at: Point, left: g.Index | None, offset_: int) -> None:
        """Store the rows held in scratch; `at` is their first position, `left` of their channels exist (None: all)."""
        held = kernel.scratch_view(offset_, self.held, self.accumulator)
        width = self.vectors * self.lanes
        channels = width if left is None else g.minimum(left, width)
        with g.loop(0, self.rows) as y, g.loop(0, channels) as c:
            base = g.mul(g.add(g.mul(y, width), c), self._pitch)
            line = Point(at.batch, at.depth, g.add(at.row, y), at.column, g.add(at.channel, c))
            self.write_line(kernel, line, lambda x: g.load(held, g.add(base, x), self.lanes))

    def write_line(self, kernel: Kernel, at: Point, value: Callable[[g.Index], ir.Value]) -> None:
        """Layout nchw: store one row of one channel, whose values from column x on are `value(x)`."""
        with g.loop(0, self.width, self.lanes) as x:
            mask = None
            if self.width < self.lanes:
                mask = g.first_lanes(self.lanes, self.width)
            elif self.width % self.lanes:
                # the last vector overlaps the one before: what is written twice is the same
                x = g.minimum(x, self.width - self.lanes)
            here = Point(at.batch, at.depth, at.row, g.add(at.column, x), at.channel)
            evaluator = self._evaluator(kernel, here, self.column_dim)
            evaluator.memory.mask = mask
            self._store(evaluator, self._index(0, 0, 0), value(x))

    # ---- shared ----

    def _evaluator(self, kernel: Kernel, at: Point, lane: int) -> Evaluator:
        arguments = self.region.arguments
        buffers = [*kernel.buffers[:arguments], *kernel.buffers[arguments + len(self.extra) :]]
        spatial = self.spatial_dims
        positions = (at.depth, at.row, at.column)[-len(spatial) :]
        variables = dict(zip(spatial, positions, strict=True))
        if self.merged:
            variables = {self.column_dim: at.column}
        if not self.merged or self.layout == "nchw":
            variables[0] = at.batch
        variables[self.channel_dim] = at.channel
        memory = Memory(buffers, {d: g.index(v) for d, v in variables.items()}, lane=lane, width=self.lanes)
        return Evaluator(self.region, memory, self.functions)

    def _index(self, row: int, column: int, channel: int) -> Index:
        """The iteration point this far from the tile's first position."""
        index = [Linear.of(d) for d in range(self.rank)]
        index[self.channel_dim] += channel
        index[self.column_dim] += column
        if row:
            index[self.spatial_dims[-2]] += row
        return tuple(index)

    def _store(self, evaluator: Evaluator, index: Index, value: ir.Value) -> None:
        region = self.region
        evaluator.bind(self.node, index, value)
        for number, output in enumerate(region.outputs):
            node = region.nodes[output]
            result = evaluator.output(number, index)
            evaluator.memory.store(region.arguments + number, offset(node.shape, index), result, node.element)
