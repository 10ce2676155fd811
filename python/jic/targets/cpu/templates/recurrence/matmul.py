"""A recurrence's matrix products: weights packed once before the loop, and rows times weights in every step.

The packed weights are panels of a few vectors of columns, one row of a panel for each k; the last panel may be
narrower. So a step reads them in order, and a product of the block's rows is one pass over them.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass

from torch_mlir import ir

from ....ir import index_ops as g
from ....ir import ops
from ....kernel import elementwise
from ....kernel.buffers import buffer_types
from ....kernel.elements import ELEMENT_BYTES
from ....kernel.evaluate import Evaluator, accesses
from ....kernel.index import Index, Linear
from ....kernel.memory import Memory
from ....kernel.recurrence.body import Body
from ...functions import CpuFunctions
from ...kernel import KernelModule
from ...machine import Machine
from ..gemm.micro_kernel import emit_micro_kernel
from ..gemm.pack import pack_columns, pack_rows
from .emit import Block

# Rows of a panel by which one row's product, which does little else than read weights, runs ahead of itself: measured on a
# Zen 5 core, 45 bytes a cycle come from the second-level cache then, and 32 without.
_AHEAD = 16


@dataclass(frozen=True)
class Product:
    """A matmul of the body: [rows, k] x [k, n].

    Attributes:
        node: the matmul's.
        rows: the number of rows in all, `rows_dim` and `columns_dim` the result's dims.
        heights: rows of the register blocks, the full one last.
        vectors: vectors of a full panel.
    """

    node: int
    rows: int
    n: int
    k: int
    rows_dim: int
    columns_dim: int
    element: str
    lanes: int
    heights: tuple[int, ...]
    vectors: int

    @property
    def panels(self) -> int:
        return self.n // (self.vectors * self.lanes)

    @property
    def tail(self) -> list[int]:
        """Used lanes of the vectors of the last, narrower panel."""
        rest = self.n - self.panels * self.vectors * self.lanes
        return [min(self.lanes, rest - j) for j in range(0, rest, self.lanes)]

    @property
    def packed(self) -> int:
        """Elements of the packed weights."""
        return self.k * self.lanes * (self.panels * self.vectors + len(self.tail))


def product(body: Body, node: int, machine: Machine) -> Product:
    shape = body.node(node).shape
    side = body.weights[node]
    weight = body.node(body.region.nodes[node].operands[side])
    columns = side  # the rhs gives the result's last dim, the lhs the first
    transposed = body.node(node).attributes["transpose_rhs" if side else "transpose_lhs"]
    k = weight.shape[(1 if transposed else 0) if side else (0 if transposed else 1)]
    element = elementwise.register_element(weight.element)
    lanes = machine.lanes(element)
    rows, n = shape[1 - columns], shape[columns]
    heights, vectors = _register_blocks(rows, n, lanes, machine.vector_registers)
    return Product(node, rows, n, k, 1 - columns, columns, element, lanes, heights, vectors)


def _register_blocks(rows: int, n: int, lanes: int, registers: int) -> tuple[tuple[int, ...], int]:
    """Heights in rows and width in vectors. How many rows a thread has is known at run time only, so there are a few heights.

    Threads get multiples of 4 rows. Measured on a Zen 5 core with 16 and 32 rows, 8 x 2 and 8 x 3 are equal; 6 x 4, which a
    product of many rows likes as well, is 8 % slower, for 16 rows are two blocks of 6 and one of 4.
    """
    total = -(-n // lanes)
    if rows < 8:
        height = rows
        vectors = max(1, min(total, (registers - 4) // (rows + 1) if rows > 1 else registers // 2))
    elif registers >= 32:
        height, vectors = 8, 3 if total % 2 else 2
    else:
        height, vectors = 4, 3 if total % 2 else 2
    panels = -(-total // vectors)
    vectors = -(-total // panels)  # panels of about one width
    heights = {height, -(-height // 2)} | ({1} if rows % 2 else set())
    return tuple(sorted(heights)), vectors


# ---- packing ----


def pack(body: Body, p: Product, name: str, kernels: KernelModule, machine: Machine) -> int:
    """The kernel `name` that packs the weights of `p` into its last buffer; returns the number of its tasks (panels)."""
    region, node = body.region, body.node(p.node)
    number = node.operands[body.weights[p.node]]
    buffers = buffer_types(region)[: body.arguments] + [(p.packed, p.element)]
    index = _weight_index(body, p)
    loads = [position for _, position in accesses(region, [(number, index)]).loads]
    along_columns = all(position.coefficient(0) in (0, 1) for position in loads)
    along_k = all(position.coefficient(1) in (0, 1) for position in loads)

    with kernels.function(name, buffers) as kernel:

        def vector(k: g.Index, column: g.Index, lane: int, used: int) -> ir.Value:
            mask = None if used == p.lanes else g.first_lanes(p.lanes, used)
            memory = Memory(kernel.buffers, {0: g.index(column), 1: g.index(k)}, lane, p.lanes, mask)
            value = memory.as_vector(Evaluator(region, memory, CpuFunctions(machine)).value(number, index))
            # absent columns must not hold infinities: their sums are not stored, but slow
            return value if mask is None else ops.select(mask, value, ops.constant(value.type, 0))

        def panel(base: g.Index, column: g.Index, widths: list[int]) -> None:
            if along_k and not along_columns:
                load = lambda n, k, used: vector(k, n, 1, used)  # noqa: E731
                pack_columns(load, kernel.buffers[-1], base, p.k, column, widths, p.lanes)
            else:
                load = lambda k, n, used: vector(k, n, 0, used)  # noqa: E731
                pack_rows(load, kernel.buffers[-1], base, p.k, column, widths, p.lanes)

        width = p.vectors * p.lanes
        with g.loop(kernel.begin, kernel.end) as task:
            base = g.mul(task, p.k * width)
            if p.panels:
                with g.when(ops.cmpi("ult", g.index(task), g.index(p.panels))):
                    panel(base, g.mul(task, width), [p.lanes] * p.vectors)
            if p.tail:
                with g.when(g.equal(task, p.panels)):
                    panel(base, p.panels * width, p.tail)
    return p.panels + bool(p.tail)


def _weight_index(body: Body, p: Product) -> Index:
    """The index of the weights: variable 0 is the column, 1 is k."""
    node, side = body.node(p.node), body.weights[p.node]
    transposed = node.attributes["transpose_rhs" if side else "transpose_lhs"]
    column, k = Linear.of(0), Linear.of(1)
    return (column, k) if transposed == (side == 1) else (k, column)


# ---- the product ----


def emit(block: Block, p: Product, packed: ir.Value) -> None:
    """Rows [first, last) of the product into its place; rows up to the next register block are computed and not used."""
    body, plan = block.body, block.plan
    batched = bool(body.dims)
    first = block.first if batched else ops.index(0)
    last = block.last if batched else ops.index(p.rows)
    width = p.vectors * p.lanes
    (buffer, position) = _rows_access(block, p)

    def micro(height: int, row: g.Index, base: g.Index, column: g.Index, widths: list[int]) -> None:
        lanes = p.lanes
        variables = dict(block.evaluator({}, None, 1, None).memory.variables)

        def load_a(i: int, k: g.Index) -> ir.Value:
            memory = Memory(block.buffers, {**variables, 0: g.index(g.add(row, i)), 1: g.index(k)})
            return memory.load(buffer, position, p.element)

        def load_b(j: int, k: g.Index) -> ir.Value:
            at = g.add(base, g.add(g.mul(k, len(widths) * lanes), j * lanes))
            if p.rows == 1:
                g.prefetch(packed, g.add(at, _AHEAD * len(widths) * lanes))
            return g.load(packed, at, lanes)

        zero = g.zero(lanes, ops.element_type(p.element))
        sums = emit_micro_kernel(
            height, len(widths), 0, p.k, [zero] * (height * len(widths)), load_a, load_b, 4 if p.rows == 1 else 2
        )
        place = plan.places.at[p.node]
        for i in range(height):
            for j, used in enumerate(widths):
                index = [Linear(), Linear()]
                index[p.rows_dim] = Linear.of(0) if p.rows > 1 else Linear()
                index[p.columns_dim] = Linear.of(1)
                at = plan.places.offset(p.node, place, tuple(index))
                here = {**variables, 0: g.index(g.add(row, i)), 1: g.index(g.add(column, j * lanes))}
                mask = None if used == lanes else g.first_lanes(lanes, used)
                memory = Memory(block.buffers, here, 1, lanes, mask)
                value = elementwise.round_to(sums[i * len(widths) + j], body.node(p.node).element)
                memory.store(place.buffer, at, value, place.element)

    def panel(base: g.Index, column: g.Index, widths: list[int]) -> None:
        full = p.heights[-1]
        if not batched:  # rows are a number known here, and beside them lies what is needed
            with g.loop(0, p.rows // full * full, full) if p.rows >= full else nullcontext() as row:
                if row is not None:
                    micro(full, row, base, column, widths)
            if p.rows % full:
                micro(p.rows % full, p.rows // full * full, base, column, widths)
            return
        rows = ops.binary("arith.subi", last, first)
        rest = ops.binary("arith.remui", rows, ops.index(full))
        whole = ops.binary("arith.subi", last, rest)
        ops.repeat(first, whole, ops.index(full), lambda r: micro(full, r, base, column, widths))
        below = 0
        for height in p.heights:
            fits = ops.binary(
                "arith.andi", ops.cmpi("ugt", rest, ops.index(below)), ops.cmpi("ule", rest, ops.index(height))
            )
            if height == full == below + 1:
                continue  # fewer rows than `full` are no more than `below`
            with ops.if_then(fits):
                micro(height, whole, base, column, widths)
            below = height

    if p.panels:
        with g.loop(0, p.panels) as number:
            panel(g.mul(number, p.k * width), g.mul(number, width), [p.lanes] * p.vectors)
    if p.tail:
        panel(p.panels * p.k * width, p.panels * width, p.tail)


def _rows_access(block: Block, p: Product) -> tuple[int, Linear]:
    """The buffer and offset of the rows operand's element: variable 0 is the row, 1 is k."""
    task = next(t for stage in block.plan.stages for t in stage if t.kind == "matmul" and t.node == p.node)
    ((buffer, position),) = set(task.reach.loads)
    return buffer, position


def weight_bytes(p: Product) -> int:
    return p.packed * ELEMENT_BYTES[p.element]
