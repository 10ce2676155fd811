"""Pointwise walks whose operands and result disagree on the innermost dim: square tiles, transposed in registers.

Along the result's innermost axis such an operand is strided, so a vector of it would be gathered. Another axis is contiguous in
it instead: a tile of `width` positions along both is loaded in rows along that axis, transposed, and used column by column.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from torch_mlir import ir

from ....ir import ops
from ....kernel.evaluate import Accesses
from ....kernel.index import Linear
from ....kernel.memory import Memory
from ....kernel.region import Region
from ....kernel.space import Axis
from ...kernel import Kernel
from ..gemm.pack import transpose_square
from ..tasks import chunk_size, delinearize, each_vector, total

# A tile repeats the body `width` times, so it must be short.
MAX_OPS = 12


def tile_axis(region: Region, axes: Sequence[Axis], found: Accesses) -> Axis | None:
    """The axis along which the strided operands are contiguous, or None if there is no such one for all of them."""
    lane = axes[-1].variable
    strided = [p for _, p in found.loads if p.coefficient(lane) not in (0, 1, -1)]
    computed = [
        n for n in region.nodes[region.arguments :] if n.op not in ("constant", "broadcast", "transpose", "reshape")
    ]
    if not strided or found.indexed or found.positional or len(computed) > MAX_OPS:
        return None
    for axis in axes[:-1]:
        if axis.size >= 4 and all(p.coefficient(axis.variable) == 1 for p in strided):
            return axis
    return None


@dataclass
class TileMemory(Memory):
    """Memory at column `column` of a tile; strided vectors come from `tile`, which all columns share.

    Attributes:
        axis: the variable along which rows are loaded; `variables[axis]` is the column's position, `first` the tile's.
        rows: positions of the lane axis in the tile; `row_mask` the positions of `axis` in it (None: all).
    """

    axis: int = 0
    first: ir.Value | None = None
    column: int = 0
    rows: int = 0
    row_mask: ir.Value | None = None
    tile: dict[tuple[int, Linear], list[ir.Value]] = field(default_factory=dict)

    def _load_vector(self, buffer: ir.Value, position: Linear, guards: Sequence[ir.Value]) -> ir.Value:
        stride = self._lane_stride(position)
        if stride in (0, 1, -1) or position.coefficient(self.axis) != 1:
            return super()._load_vector(buffer, position, guards)
        number = next(i for i, b in enumerate(self.buffers) if b == buffer)
        if (number, position) not in self.tile:
            self.tile[number, position] = self._load_tile(buffer, position, stride)
        return self.tile[number, position][self.column]

    def _load_tile(self, buffer: ir.Value, position: Linear, stride: int) -> list[ir.Value]:
        type_ = ops.vector_type(self.width, ir.MemRefType(buffer.type).element_type)
        here = self.variables[self.axis]
        assert self.first is not None
        self.variables[self.axis] = self.first
        base = self._uniform(position)
        self.variables[self.axis] = here
        zero = ops.constant(type_, 0)
        loaded = []
        for i in range(self.width):
            if i >= self.rows:
                loaded.append(zero)
                continue
            at = ops.binary("arith.addi", base, ops.index(i * stride)) if i else base
            if self.row_mask is None:
                loaded.append(ops.op("vector.load", [buffer, at], type_))
            else:
                loaded.append(ops.op("vector.maskedload", [buffer, at, self.row_mask, zero], type_))
        return transpose_square(loaded)


Column = Callable[[dict[int, ir.Value], ir.Value | None, dict[str, object]], None]


def walk_tiles(kernel: Kernel, axes: list[Axis], across: Axis, width: int, column: Column) -> int:
    """Emit tiles over the last axis and `across`, and loops over the others; returns the number of tasks.

    `column(variables, mask, tile)` is called for every column; `tile` holds the arguments of its `TileMemory`.
    """
    lane = axes[-1]
    outer = [a for a in axes[:-1] if a is not across]
    chunk = chunk_size(across.size, lane.size, width)
    chunks = -(-across.size // chunk)

    def task(t: ir.Value) -> None:
        positions = delinearize(t, [*outer, Axis(-1, chunks)])
        low = ops.binary("arith.muli", positions.pop(-1), ops.index(chunk))
        high = ops.binary("arith.minsi", ops.binary("arith.addi", low, ops.index(chunk)), ops.index(across.size))

        def band(b: ir.Value, across_mask: ir.Value | None) -> None:
            columns = width if across_mask is None else across.size % width

            def tile(a: ir.Value, mask: ir.Value | None) -> None:
                rows = width if mask is None else lane.size % width
                shared: dict[tuple[int, Linear], list[ir.Value]] = {}
                for j in range(columns):
                    at = ops.binary("arith.addi", b, ops.index(j)) if j else b
                    arguments = {
                        "axis": across.variable, "first": b, "column": j, "rows": rows, "row_mask": across_mask,
                        "tile": shared,
                    }  # fmt: skip
                    column({**positions, across.variable: at, lane.variable: a}, mask, arguments)

            each_vector(ops.index(0), ops.index(lane.size), lane.size, width, tile)

        each_vector(low, high, across.size, width, band)

    ops.repeat(kernel.begin, kernel.end, ops.index(1), task)
    return total(outer) * chunks
