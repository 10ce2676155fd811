"""Block sizes of a matrix product, from its shape and the machine.

Three ways to get at the operands:

* `packed`: a group of column panels of B is packed once a thread and used by every block of rows. The usual case.
* `stream`: B is contiguous along its columns and is read where it lies, because it is used few times or fits in cache.
* `dot`: both operands are contiguous along the contracted dim and are multiplied along it, because there are few rows
  or few columns.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import lcm

from ....kernel.elements import ELEMENT_BYTES
from ...machine import Machine

_MOST_PACKED = 32 << 20  # bytes of scratch that packing one panel may take


@dataclass(frozen=True)
class Blocking:
    """How a product is cut.

    Attributes:
        mode: `packed`, `stream` or `dot`.
        lanes: lanes of an accumulator.
        rows, vectors: the register block of the micro kernel. In `dot` mode `vectors` is 1.
        width: in `dot` mode, columns that are accumulated at a time.
        row_block: rows of a task, a multiple of `rows`.
        panels: column panels (of `vectors` vectors) of a task.
        pack_a: whether a task copies its rows of A to scratch first.
        k_block: the part of the contracted dim that is walked at a time. Where it is less than the whole, a task's sums
            wait in scratch between the parts.
    """

    mode: str
    lanes: int
    rows: int
    vectors: int
    width: int
    row_block: int
    panels: int
    pack_a: bool
    k_block: int

    @property
    def columns(self) -> int:
        """Columns of a panel."""
        return self.vectors * self.lanes


def register_blocks(registers: int) -> tuple[tuple[int, int], ...]:
    """(rows, vectors) blocks that fit beside a row of B and a broadcast element of A, best balanced first."""
    if registers >= 32:
        return ((8, 3), (6, 4), (14, 2), (24, 1))
    return ((6, 2), (4, 3), (12, 1))


def choose_registers(m: int, n: int, lanes: int, registers: int) -> tuple[int, int]:
    """The register block that wastes least on the edges of an m x n result."""

    def cycles(rows: int, vectors: int) -> float:
        total_vectors = -(-n // lanes)
        total = 0.0
        for r, count_r in ((rows, m // rows), (m % rows, 1)):
            for v, count_v in ((vectors, total_vectors // vectors), (total_vectors % vectors, 1)):
                if r and v:
                    # a fused multiply-add takes four cycles: fewer accumulators than that leave the unit idle
                    total += count_r * count_v * max(r * v, 4.5, 0.55 * (r + v))
        return total

    def penalty(number: int, vectors: int) -> float:
        # a narrow last panel is a short task, which splits unevenly over threads; and 2 % for each step down the list
        return 1 + 0.02 * number + (0.03 if n > vectors * lanes and n % (vectors * lanes) else 0)

    found = min(enumerate(register_blocks(registers)), key=lambda e: cycles(*e[1]) * penalty(e[0], e[1][1]))
    return found[1]


def even_split(size: int, parts: int, unit: int) -> int:
    """The block that cuts `size` into at most `parts` blocks, a multiple of `unit`."""
    part = -(-size // parts)
    return max(unit, -(-part // unit) * unit)


def choose(
    m: int,
    n: int,
    k: int,
    batches: int,
    accumulator: str,
    machine: Machine,
    *,
    a_in_place: bool,
    b_along_columns: bool,
    b_row_stride: int,
    dot_possible: bool,
    a_direct: bool,
) -> Blocking:
    """Blocking of `batches` m x k by k x n products.

    Args:
        a_in_place: scalars of A can be read where they lie, in the accumulator's element.
        b_along_columns: B is an argument seen through views, contiguous along columns.
        b_row_stride: elements between its rows, where that is so.
        dot_possible: both operands are contiguous along k, and B is an argument seen through views.
        a_direct: so is A.
    """
    size = ELEMENT_BYTES[accumulator]
    lanes = machine.lanes(accumulator)
    registers = machine.vector_registers
    # Packing a column costs about as much as 0.07 k rows' worth of adding up partial sums.
    few = m <= max(2, min(48, 0.07 * k)) or n <= lanes // 2
    if dot_possible and k >= lanes and (few or k * 3 * lanes * size > _MOST_PACKED):
        rows, width = _dot_block(m, n, lanes, registers)
        blocks = 1 if m <= 16 else min(-(-m // rows), 16)
        # a function of arguments is computed once a task, so let that be many columns
        panels = 1 if a_direct else max(1, -(-n // lanes) // 8)
        return Blocking("dot", lanes, rows, 1, width, even_split(m, blocks, rows), panels, not a_direct, k)

    rows, vectors = choose_registers(m, n, lanes, registers)
    if m < rows:
        # one block of rows: as many vectors beside them as registers allow
        rows = m
        vectors = max(1, min(-(-n // lanes), (registers - 4) // (m + 1), 8))
    fits = k * b_row_stride * size <= machine.l2 // 8
    panel_bytes = max(1, k * vectors * lanes * size)
    stream = b_along_columns and (m <= 4 * rows or fits or panel_bytes > _MOST_PACKED)
    # a panel of B and the rows of A that meet it must stay in the second-level cache: cut a long sum
    step_bytes = (vectors * lanes + rows) * size
    k_block = k
    if m > rows and k * step_bytes > machine.l2 // 2:
        k_block = even_split(k, -(-k * step_bytes // (machine.l2 // 4)), lanes)
    total_panels = -(-n // (vectors * lanes))
    panels = max(1, min(4, (1 << 20) // panel_bytes, total_panels // 8))
    if not a_in_place:
        # every group of panels packs A's rows again: make few groups
        panels = max(panels, min(total_panels, (4 << 20) // panel_bytes))
    # the rows of a task stay in half of the second-level cache while panels pass
    most = max(rows, machine.l2 // 2 // max(1, k_block * size) // rows * rows)
    groups = -(-total_panels // panels)
    wanted = 16 if m * n * k >= 1 << 20 else 4
    # packing copies whole vectors of rows
    unit = rows if a_in_place else lcm(rows, lanes)
    blocks = max(-(-m // most), min(-(-wanted // (groups * batches)), m // (2 * unit)), 1)
    return Blocking(
        "stream" if stream else "packed",
        lanes,
        rows,
        vectors,
        0,
        even_split(m, blocks, unit if m > unit else rows),
        panels,
        not a_in_place,
        k_block,
    )


def _dot_block(m: int, n: int, lanes: int, registers: int) -> tuple[int, int]:
    """(rows, columns at a time): accumulators, a row of B and an element of A within the registers."""
    available = registers - 2
    if n <= 4:
        return max(1, min(m, available // n - 1, 8)), n
    most_rows = 6 if registers >= 32 else 3
    rows = -(-m // -(-m // most_rows))
    width = max(1, min(8, available // (rows + 1), n))
    columns = min(n, lanes)
    return rows, -(-columns // -(-columns // width))
