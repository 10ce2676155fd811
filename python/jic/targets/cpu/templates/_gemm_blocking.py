"""Block sizes of a matrix product, from its shape and the machine.

Three ways to get at the operands:

* `packed`: a group of column panels of B is packed once a thread and used by every block of rows. The usual case.
* `stream`: B is contiguous along its columns and is read where it lies, because it is used few times or fits in cache.
* `dot`: both operands are contiguous along the contracted dim and are multiplied along it, because there are few rows
  or few columns.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..machine import Machine

ELEMENT_BYTES = {"f32": 4, "f64": 8, "i32": 4, "i64": 8}


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
    """

    mode: str
    lanes: int
    rows: int
    vectors: int
    width: int
    row_block: int
    panels: int
    pack_a: bool

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

    # 2 %: do not leave a better balanced block for a small gain
    return min(
        enumerate(register_blocks(registers)), key=lambda e: (cycles(*e[1]) * (1 + 0.02 * e[0]), e[0])
    )[1]


def even_split(size: int, parts: int, unit: int) -> int:
    """The block that cuts `size` into at most `parts` blocks, a multiple of `unit`."""
    return max(unit, -(-(-(-size // parts)) // unit) * unit)


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
) -> Blocking:
    """Blocking of `batches` m x k by k x n products.

    Args:
        a_in_place: scalars of A can be read where they lie, in the accumulator's element.
        b_along_columns: B is an argument, in the accumulator's element or a wider loadable one, contiguous along columns.
        b_row_stride: elements between its rows, where that is so.
        dot_possible: both operands are contiguous along k and cheap to read more than once.
    """
    size = ELEMENT_BYTES[accumulator]
    lanes = machine.lanes(accumulator)
    registers = machine.vector_registers
    if dot_possible and (m <= 8 or n <= lanes // 2) and k >= lanes:
        rows, width = _dot_block(m, n, registers)
        blocks = 1 if m <= 16 else min(-(-m // rows), 16)
        return Blocking("dot", lanes, rows, 1, width, even_split(m, blocks, rows), 1, False)

    rows, vectors = choose_registers(m, n, lanes, registers)
    if m < rows:
        # one block of rows: as many vectors beside them as registers allow
        rows = m
        vectors = max(1, min(-(-n // lanes), (registers - 4) // (m + 1), 8))
    fits = k * b_row_stride * size <= 128 << 10
    stream = b_along_columns and (m <= 4 * rows or fits)
    panel_bytes = max(1, k * vectors * lanes * size)
    total_panels = -(-n // (vectors * lanes))
    panels = max(1, min(4, (1 << 20) // panel_bytes, total_panels // 8))
    if not a_in_place:
        # every group of panels packs A's rows again: make few groups
        panels = max(panels, min(total_panels, (4 << 20) // panel_bytes))
    # the rows of a task stay in half of the second-level cache while panels pass
    most = max(rows, machine.l2 // 2 // max(1, k * size) // rows * rows)
    groups = -(-total_panels // panels)
    wanted = 16 if m * n * k >= 1 << 20 else 4
    blocks = max(-(-m // most), min(-(-wanted // (groups * batches)), m // (2 * rows)), 1)
    return Blocking(
        "stream" if stream else "packed",
        lanes,
        rows,
        vectors,
        0,
        even_split(m, blocks, rows),
        panels,
        not a_in_place,
    )


def _dot_block(m: int, n: int, registers: int) -> tuple[int, int]:
    """(rows, columns at a time): at most 24 accumulators of 32 registers, 9 of 16."""
    budget = 24 if registers >= 32 else 9
    if n <= 4:
        return max(1, min(m, budget // n, 8)), n
    most_rows = 6 if registers >= 32 else 3
    rows = -(-m // -(-m // most_rows))
    return rows, max(1, min(8, budget // rows))
