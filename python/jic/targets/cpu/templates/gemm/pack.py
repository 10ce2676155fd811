"""Packing a matrix into panels that the micro kernel streams.

A panel of B is `[K, width]`, contiguous: `width` columns (a few vectors), for every k one row. Columns past the
matrix's edge are zero.
"""

from __future__ import annotations

from collections.abc import Callable

from torch_mlir import ir

from ....ir import index_ops as g

LoadVector = Callable[[g.Index, g.Index, int], ir.Value]
"""(row, column, used) -> the vector of `used` elements from (row, column) on; the other lanes are zero."""


def transpose_square(rows: list[ir.Value]) -> list[ir.Value]:
    """The transpose of a W x W block held in W vectors of W lanes (W a power of two).

    Each of log2(W) rounds interleaves the i-th row with the row W/2 after it, a perfect shuffle of all elements that
    moves every element's (row, column) index bits one place round.
    """
    n = len(rows)
    low = [x for i in range(n // 2) for x in (i, n + i)]
    high = [x for i in range(n // 2, n) for x in (i, n + i)]
    for _ in range(n.bit_length() - 1):
        pairs = [(rows[i], rows[i + n // 2]) for i in range(n // 2)]
        rows = [g.shuffle(a, b, mask) for a, b in pairs for mask in (low, high)]
    return rows


def pack_rows(
    load: LoadVector, panel: ir.Value, base: g.Index, k: int, column: g.Index, widths: list[int], lanes: int
) -> None:
    """A panel from a source that is contiguous along its columns (rhs stored [K, N]).

    Args:
        load: `load(k, n, used)`.
        panel: a flat buffer; the panel starts at element `base`.
        k: the number of rows.
        column: the first column.
        widths: used lanes of each of the panel's vectors.
        lanes: lanes of a vector.
    """
    with g.loop(0, k) as row:
        at = g.add(base, g.mul(row, len(widths) * lanes))
        for j, used in enumerate(widths):
            g.store(load(row, g.add(column, j * lanes), used), panel, g.add(at, j * lanes))


def pack_columns(
    load: LoadVector, panel: ir.Value, base: g.Index, k: int, column: g.Index, widths: list[int], lanes: int
) -> None:
    """A panel from a source that is contiguous along k (rhs stored [N, K]): square blocks are transposed in registers.

    `load(n, k, used)`; the other arguments as in `pack_rows`.
    """
    width = len(widths) * lanes
    whole = sum(used == lanes for used in widths)

    def block(j: g.Index, used_columns: int, k0: g.Index, used_k: int) -> None:
        first = g.add(column, g.mul(j, lanes))
        rows = [load(g.add(first, r), k0, used_k) for r in range(used_columns)]
        zero = g.zero(lanes, rows[0].type.element_type)
        columns = transpose_square(rows + [zero] * (lanes - used_columns))
        at = g.add(g.add(base, g.mul(k0, width)), g.mul(j, lanes))
        for c in range(used_k):
            g.store(columns[c], panel, g.add(at, c * width))

    def blocks(k0: g.Index, used_k: int) -> None:
        # a loop rather than a copy for each vector: a block is some hundred instructions
        if whole:
            with g.loop(0, whole) as j:
                block(j, lanes, k0, used_k)
        if whole < len(widths):
            block(whole, widths[whole], k0, used_k)

    full = k // lanes * lanes
    if full:
        with g.loop(0, full, lanes) as k0:
            blocks(k0, lanes)
    if full < k:
        blocks(full, k - full)
