"""Emission of one matrix-product kernel: the loop over tasks, packing, micro kernels and the epilogue."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from torch_mlir import ir

from ....ir import index_ops as g
from ....ir import ops
from ....kernel.elements import ELEMENT_BYTES
from ....kernel.evaluate import Evaluator
from ....kernel.functions import Functions
from ....kernel.index import Linear, Variable, identity, offset
from ....kernel.memory import Memory
from ....kernel.product import Operand, Product
from ....kernel.region import Region
from ...kernel import Kernel
from .blocking import Blocking
from .dot import emit_dot_block
from .micro_kernel import emit_micro_kernel
from .pack import pack_columns, pack_rows

Accumulators = list[ir.Value]
"""`rows` x `len(widths)` vectors, row-major."""

_NARROW = ("i1", "i8", "ui8", "i16")
_PADDING = 16  # elements after each packed row of A: rows a multiple of 4 KiB apart would share cache sets


@dataclass(frozen=True)
class Scratch:
    """Byte offsets of the parts of a thread's scratch, and its size."""

    b: int
    a: int
    tile: int
    size: int


def scratch_layout(problem: Product, blocking: Blocking, tile: bool) -> Scratch:
    size = ELEMENT_BYTES[problem.accumulator]

    def aligned(elements: int) -> int:
        return -(-elements * size // 64) * 64

    sums = blocking.columns * (blocking.row_block * blocking.panels if split_k(problem, blocking) else blocking.rows)
    b = aligned(blocking.panels * problem.k * blocking.columns) if blocking.mode == "packed" else 0
    a = aligned(packed_a_elements(problem, blocking)) if blocking.pack_a else 0
    return Scratch(0, b, b + a, b + a + (aligned(sums) if tile else 0))


def split_k(problem: Product, blocking: Blocking) -> bool:
    return blocking.k_block < problem.k


def packed_a_elements(problem: Product, blocking: Blocking) -> int:
    if _a_along_k(problem):
        return blocking.row_block * (blocking.k_block + blocking.lanes + _PADDING)
    return max(1, blocking.k_block) * (blocking.row_block + blocking.lanes)


def _a_along_k(problem: Product) -> bool:
    return problem.a.along_k or not problem.a.along_outer


@dataclass
class Emitter:
    """Emits the body of a contraction kernel at the insertion point.

    `through_tile` says that accumulators go through a tile in scratch and the epilogue loops over it: the code of a
    long epilogue then stands once a vector of a panel, not once an accumulator, and the registers are free for it. The
    tile is one register block, or all of a task's sums where k is walked in parts.
    """

    region: Region
    problem: Product
    blocking: Blocking
    kernel: Kernel
    scratch: Scratch
    through_tile: bool
    functions: Functions
    _batch: dict[Variable, ir.Value] = field(default_factory=dict)
    _b: ir.Value | None = None
    _a: ir.Value | None = None
    _tile: ir.Value | None = None

    def emit(self) -> None:
        p, block = self.problem, self.blocking
        self._views()
        panels_full, column_tail = divmod(p.n, block.columns)
        total_panels = panels_full + bool(column_tail)
        groups = -(-total_panels // block.panels)
        row_blocks = -(-p.m // block.row_block)
        with g.loop(self.kernel.begin, self.kernel.end) as task:
            row_block = g.rem(task, row_blocks)
            rest = g.div(task, row_blocks)
            group = g.rem(rest, groups)
            self._batch = self._batch_variables(g.div(rest, groups))
            first_panel = g.mul(group, block.panels)
            last_panel = g.minimum(g.add(first_panel, block.panels), panels_full)
            is_last = True if groups == 1 else g.equal(group, groups - 1)
            tail_widths = [min(block.lanes, column_tail - j) for j in range(0, column_tail, block.lanes)]
            widths = [block.lanes] * block.vectors

            def panels(body: Callable[[g.Index, g.Index, list[int]], None]) -> None:
                """`body(scratch offset of the panel, first column, widths)` for the panels of this task."""
                panel_size = p.k * block.columns
                if panels_full:
                    with g.loop(first_panel, last_panel) as panel:
                        body(g.mul(g.sub(panel, first_panel), panel_size), g.mul(panel, block.columns), widths)
                if column_tail:
                    with g.when(is_last):
                        body(
                            g.mul(g.sub(panels_full, first_panel), panel_size), panels_full * block.columns, tail_widths
                        )

            if block.mode == "packed":
                # a thread's tasks are consecutive and a group's row blocks too: pack at the first of either
                fresh = g.equal(task, self.kernel.begin)
                if row_blocks > 1:
                    fresh = ops.binary("arith.ori", fresh, g.equal(row_block, 0))
                with g.when(True if row_blocks == 1 else fresh):
                    panels(self._pack_b)
            rows_full = p.m // block.rows * block.rows
            first_row = g.mul(row_block, block.row_block)
            last_row = g.minimum(g.add(first_row, block.row_block), rows_full)
            has_tail = True if row_blocks == 1 else g.equal(row_block, row_blocks - 1)
            last = g.minimum(g.add(first_row, block.row_block), p.m)

            def sweep(body: Callable[[int, g.Index, g.Index, g.Index, g.Index, list[int]], None]) -> None:
                """`body(rows, row, row of the task, panel's offset, column, widths)` for the task's register blocks."""

                def rows_of(panel: g.Index, column: g.Index, used: list[int]) -> None:
                    if rows_full:
                        with g.loop(first_row, last_row, block.rows) as row:
                            body(block.rows, row, g.sub(row, first_row), panel, column, used)
                    if p.m > rows_full:
                        with g.when(has_tail):
                            body(p.m - rows_full, rows_full, g.sub(rows_full, first_row), panel, column, used)

                panels(rows_of)

            if not split_k(p, block):
                if block.pack_a:
                    self._pack_a(first_row, last, 0, p.k)
                sweep(self._block)
                return
            self._clear_sums()
            with g.loop(0, p.k, block.k_block) as k:
                end = g.minimum(g.add(k, block.k_block), p.k)
                if block.pack_a:
                    self._pack_a(first_row, last, k, end)
                sweep(lambda *where: self._add_to_sums(k, end, *where))
            sweep(self._finish_sums)

    # ---- set-up ----

    def _views(self) -> None:
        p, block, s = self.problem, self.blocking, self.scratch
        if block.mode == "packed" and p.k:
            self._b = self.kernel.scratch_view(s.b, block.panels * p.k * block.columns, p.accumulator)
        if block.pack_a:
            self._a = self.kernel.scratch_view(s.a, packed_a_elements(p, block), p.accumulator)
        if self.through_tile:
            size = ELEMENT_BYTES[p.accumulator]
            self._tile = self.kernel.scratch_view(s.tile, (s.size - s.tile) // size, p.accumulator)

    def _batch_variables(self, batch: g.Index) -> dict[Variable, ir.Value]:
        found: dict[Variable, ir.Value] = {}
        for d in range(len(self.problem.batch) - 1, -1, -1):
            size = self.problem.batch[d]
            if size > 1:
                leading = all(s == 1 for s in self.problem.batch[:d])
                found[d] = g.index(batch if leading else g.rem(batch, size))
                batch = g.div(batch, size)
        return found

    def _evaluator(self, variables: dict[Variable, g.Index], lane: Variable | None, used: int) -> Evaluator:
        """An evaluator at a point, for one region of control flow. `used` lanes exist."""
        lanes = self.blocking.lanes
        memory = Memory(
            self.kernel.buffers,
            {**self._batch, **{v: g.index(i) for v, i in variables.items()}},
            lane,
            lanes,
            None if used == lanes else g.first_lanes(lanes, used),
        )
        return Evaluator(self.region, memory, self.functions)

    # ---- operands ----

    def _accumulated(self, value: ir.Value, element: str) -> ir.Value:
        """A value in register type as the accumulator's element."""
        target = ops.like(value.type, ops.element_type(self.problem.accumulator))
        if value.type == target:
            return value
        return ops.op("arith.extui" if element == "ui8" else "arith.extsi", [value], target)

    def _vector(self, side: Operand, outer: g.Index, k: g.Index, along_k: bool, used: int) -> ir.Value:
        """`used` elements from (outer, k) on, along k or along the operand's outer dim; other lanes are zero."""
        lane = self.problem.contracted if along_k else side.outer
        evaluator = self._evaluator({side.outer: outer, self.problem.contracted: k}, lane, used)
        found = evaluator.value(side.node, side.index)
        value = evaluator.memory.as_vector(found)
        if evaluator.memory.mask is not None and not (side.direct and value is found):
            # a masked load gives zeros, a function of them or a broadcast need not
            value = ops.select(evaluator.memory.mask, value, ops.constant(value.type, 0))
        return self._accumulated(value, side.element)

    def _scalar(self, side: Operand, outer: g.Index, k: g.Index) -> ir.Value:
        evaluator = self._evaluator({side.outer: outer, self.problem.contracted: k}, None, self.blocking.lanes)
        return self._accumulated(evaluator.value(side.node, side.index), side.element)

    def _pack_b(self, panel: g.Index, column: g.Index, widths: list[int]) -> None:
        p, side, lanes = self.problem, self.problem.b, self.blocking.lanes
        if not p.k:
            return
        assert self._b is not None
        if side.along_k and not side.along_outer:
            load = lambda n, k, used: self._vector(side, n, k, True, used)  # noqa: E731
            pack_columns(load, self._b, panel, p.k, column, widths, lanes)
        else:
            load = lambda k, n, used: self._vector(side, n, k, False, used)  # noqa: E731
            pack_rows(load, self._b, panel, p.k, column, widths, lanes)

    def _pack_a(self, first: g.Index, last: g.Index, start: g.Index, end: g.Index) -> None:
        """Rows [first, last) of A, k in [start, end), in A's own order: as rows of k, or for each k a row of them."""
        p, side, block = self.problem, self.problem.a, self.blocking
        lanes = block.lanes
        full = p.k // lanes * lanes
        assert self._a is not None
        if _a_along_k(p):
            with g.loop(first, last) as row:
                base = g.mul(g.sub(row, first), block.k_block + _PADDING)
                if full:
                    with g.loop(start, g.minimum(end, full), lanes) as k:
                        g.store(self._vector(side, row, k, True, lanes), self._a, g.add(base, g.sub(k, start)))
                if full < p.k:
                    with g.when(True if block.k_block >= p.k else g.equal(end, p.k)):
                        tail = self._vector(side, row, full, True, p.k - full)
                        g.store(tail, self._a, g.add(base, g.sub(full, start)), p.k - full)
            return
        with g.loop(start, end) as k:
            whole = g.add(first, g.mul(g.div(g.sub(last, first), lanes), lanes))
            base = g.mul(g.sub(k, start), block.row_block + lanes)
            with g.loop(first, whole, lanes) as row:
                g.store(self._vector(side, row, k, False, lanes), self._a, g.add(base, g.sub(row, first)))
            self._pack_a_edge(whole, last, k, g.add(base, g.sub(whole, first)), p.m % lanes)

    def _pack_a_edge(self, whole: g.Index, last: g.Index, k: g.Index, at: g.Index, tail: int) -> None:
        """The rows after the last whole vector: `row_block` need not be a multiple of the lanes."""
        p, side, lanes = self.problem, self.problem.a, self.blocking.lanes
        counts = {self.blocking.row_block % lanes, (p.m - 1) % self.blocking.row_block % lanes + 1} - {0, lanes}
        if p.m <= self.blocking.row_block:
            counts = {tail} - {0}
        for count in sorted(counts):
            with g.when(g.equal(g.sub(last, whole), count)):
                g.store(self._vector(side, whole, k, False, count), self._a, at, count)

    # ---- one register block ----

    def _block(
        self, rows: int, row: g.Index, local_row: g.Index, panel: g.Index, column: g.Index, widths: list[int]
    ) -> None:
        if self.blocking.mode == "dot":
            accumulators = self._dot(rows, row, local_row, column, widths[0])
        else:
            accumulators = self._outer(rows, row, local_row, panel, column, widths)
        if self.through_tile:
            self._epilogue_through_tile(accumulators, rows, row, column, widths)
        else:
            self._epilogue(accumulators, rows, row, column, widths)

    def _dot(self, rows: int, row: g.Index, local_row: g.Index, column: g.Index, columns: int) -> Accumulators:
        p, block = self.problem, self.blocking

        def load_a(i: int, k: g.Index, used: int) -> ir.Value:
            if not block.pack_a:
                return self._vector(p.a, g.add(row, i), k, True, used)
            assert self._a is not None
            at = g.mul(g.add(local_row, i), block.k_block + _PADDING)
            return g.load(self._a, g.add(at, k), block.lanes, used)

        return emit_dot_block(
            rows,
            columns,
            block.width,
            p.k,
            block.lanes,
            ops.element_type(p.accumulator),
            load_a,
            lambda j, k, used: self._vector(p.b, g.add(column, j), k, True, used),
        )

    def _outer(
        self,
        rows: int,
        row: g.Index,
        local_row: g.Index,
        panel: g.Index,
        column: g.Index,
        widths: list[int],
        start: g.Index = 0,
        end: g.Index | None = None,
        initial: Accumulators | None = None,
    ) -> Accumulators:
        p, block = self.problem, self.blocking
        lanes = block.lanes

        def load_a(i: int, k: g.Index) -> ir.Value:
            if not block.pack_a:
                return self._scalar(p.a, g.add(row, i), k)
            assert self._a is not None
            here, there = g.add(local_row, i), g.sub(k, start)
            if _a_along_k(p):
                return g.load_scalar(self._a, g.add(g.mul(here, block.k_block + _PADDING), there))
            return g.load_scalar(self._a, g.add(g.mul(there, block.row_block + lanes), here))

        def load_b(j: int, k: g.Index) -> ir.Value:
            if block.mode == "stream":
                return self._vector(p.b, g.add(column, j * lanes), k, False, widths[j])
            assert self._b is not None
            return g.load(self._b, g.add(panel, g.add(g.mul(k, len(widths) * lanes), j * lanes)), lanes)

        zero = g.zero(lanes, ops.element_type(p.accumulator))
        initial = [zero] * (rows * len(widths)) if initial is None else initial
        return emit_micro_kernel(rows, len(widths), start, p.k if end is None else end, initial, load_a, load_b)

    # ---- sums that wait in scratch between parts of k ----

    def _sum_at(self, local_row: g.Index, panel: g.Index) -> g.Index:
        """Where in the tile the sums of a row of a panel start; `panel` is the panel's offset in packed B."""
        columns = self.blocking.columns
        number = g.div(panel, self.problem.k * columns)
        return g.add(g.mul(number, self.blocking.row_block * columns), g.mul(local_row, columns))

    def _clear_sums(self) -> None:
        assert self._tile is not None
        lanes = self.blocking.lanes
        with g.loop(0, self.blocking.panels * self.blocking.row_block * self.blocking.columns, lanes) as at:
            g.store(g.zero(lanes, ops.element_type(self.problem.accumulator)), self._tile, at)

    def _add_to_sums(
        self,
        start: g.Index,
        end: g.Index,
        rows: int,
        row: g.Index,
        local_row: g.Index,
        panel: g.Index,
        column: g.Index,
        widths: list[int],
    ) -> None:
        tile, lanes = self._tile, self.blocking.lanes
        assert tile is not None
        base = self._sum_at(local_row, panel)
        places = [g.add(base, i * self.blocking.columns + j * lanes) for i in range(rows) for j in range(len(widths))]
        initial = [g.load(tile, at, lanes) for at in places]
        sums = self._outer(rows, row, local_row, panel, column, widths, start, end, initial)
        for at, value in zip(places, sums, strict=True):
            g.store(value, tile, at)

    def _finish_sums(
        self, rows: int, row: g.Index, local_row: g.Index, panel: g.Index, column: g.Index, widths: list[int]
    ) -> None:
        self._epilogue_of_tile(self._sum_at(local_row, panel), self.blocking.columns, rows, row, column, widths)

    # ---- epilogue ----

    def _epilogue(
        self, accumulators: Accumulators, rows: int, row: g.Index, column: g.Index, widths: list[int]
    ) -> None:
        """The rest of the kernel body on a block of accumulators, and the stores."""
        p, lanes = self.problem, self.blocking.lanes
        point = {p.row: row, p.column: column}
        evaluator = self._evaluator(point, p.column, lanes)
        narrow = any(self.region.nodes[n].element in _NARROW for n in self.region.outputs)
        for j, used in enumerate(widths):
            evaluator.memory.mask = None if used == lanes else g.first_lanes(lanes, used)
            # LLVM 22 writes the wide element when a truncated vector is stored under a mask of one constant lane
            scalar = self._evaluator(point, None, lanes) if used == 1 and narrow else None
            for i in range(rows):
                value = self._result(accumulators[i * len(widths) + j])
                if scalar is not None:
                    self._finish(scalar, g.first_lane(value), i, j * lanes)
                else:
                    self._finish(evaluator, value, i, j * lanes)

    def _finish(self, evaluator: Evaluator, value: ir.Value, row: int, column: int) -> None:
        """Evaluate and store the results at `row` and `column` from the point, where the matmul is `value`."""
        p = self.problem
        moved = {p.row: Linear.of(p.row) + row, p.column: Linear.of(p.column) + column}
        whole = identity(len(self.region.nodes[p.matmul].shape))
        index = tuple(moved.get(d, position) for d, position in enumerate(whole))
        evaluator.bind(p.matmul, index, value)
        for number, node in enumerate(self.region.outputs):
            result = evaluator.output(number, index)
            shape, element = self.region.nodes[node].shape, self.region.nodes[node].element
            evaluator.memory.store(self.region.arguments + number, offset(shape, index), result, element)

    def _result(self, accumulator: ir.Value) -> ir.Value:
        """An accumulator in the register type of the matmul's element."""
        width = {"i8": 8, "ui8": 8, "i16": 16}.get(self.problem.element)
        if width is None:
            return accumulator
        return ops.op("arith.trunci", [accumulator], ops.like(accumulator.type, ir.IntegerType.get_signless(width)))

    def _epilogue_through_tile(
        self, accumulators: Accumulators, rows: int, row: g.Index, column: g.Index, widths: list[int]
    ) -> None:
        assert self._tile is not None
        lanes = self.blocking.lanes
        for number, value in enumerate(accumulators):
            g.store(value, self._tile, number * lanes)
        self._epilogue_of_tile(0, len(widths) * lanes, rows, row, column, widths)

    def _epilogue_of_tile(
        self, base: g.Index, stride: int, rows: int, row: g.Index, column: g.Index, widths: list[int]
    ) -> None:
        """The epilogue of a register block whose row i lies at `base + i * stride` of the tile."""
        tile, lanes = self._tile, self.blocking.lanes
        assert tile is not None
        with g.loop(0, rows) as i:
            at = g.add(base, g.mul(i, stride))
            values = [g.load(tile, g.add(at, j * lanes), lanes) for j in range(len(widths))]
            self._epilogue(values, 1, g.add(row, i), column, widths)
