"""Dot-product kernels: both operands contiguous along the contracted dim, nothing packed.

For few rows (or few columns) each element of a weight is used once or a handful of times, so the weight is streamed as
it lies in memory. A block of `rows` x `columns` accumulators each hold W partial sums; they are then added up
crosswise, so that W columns end in the W lanes of one vector, as the epilogue wants them.
"""

from __future__ import annotations

from collections.abc import Callable

from torch_mlir import ir

from ....ir import index_ops as g

LoadAlongK = Callable[[int, g.Index, int], ir.Value]
"""(row or column, k, used) -> the vector of `used` elements from k on; the other lanes are zero."""


def emit_dot_block(
    rows: int,
    columns: int,
    width: int,
    k: int,
    lanes: int,
    element: ir.Type,
    load_a: LoadAlongK,
    load_b: LoadAlongK,
) -> list[ir.Value]:
    """For each of `rows` rows, a vector whose lane j < columns is sum over k of A[i, k] * B[j, k].

    Args:
        rows, columns: the block; `columns` <= lanes.
        width: columns that are accumulated at a time.
        k: the length of the contracted dim.
        element: the accumulators' element type.
        load_a, load_b: loads along k, converted to `element`.
    """
    partial: list[list[ir.Value]] = [[] for _ in range(rows)]
    for first in range(0, columns, width):
        some = min(width, columns - first)
        sums = _dots(rows, first, some, k, lanes, element, load_a, load_b)
        for i in range(rows):
            partial[i] += sums[i * some : (i + 1) * some]
    zero = g.zero(lanes, element)
    return [_add_crosswise(row + [zero] * (lanes - columns), lanes) for row in partial]


def _dots(
    rows: int, first: int, columns: int, k: int, lanes: int, element: ir.Type, load_a: LoadAlongK, load_b: LoadAlongK
) -> list[ir.Value]:
    def step(k0: g.Index, acc: list[ir.Value], used: int = lanes) -> list[ir.Value]:
        b = [load_b(first + j, k0, used) for j in range(columns)]
        out = []
        for i in range(rows):
            a = load_a(i, k0, used)
            out += [g.multiply_add(a, b[j], acc[i * columns + j]) for j in range(columns)]
        return out

    full = k // lanes * lanes
    acc = g.fold(0, full, lanes, [g.zero(lanes, element)] * (rows * columns), step)
    return step(full, acc, k - full) if full < k else acc


def _add_crosswise(vectors: list[ir.Value], lanes: int) -> ir.Value:
    """The vector whose lane i is the sum of the lanes of `vectors[i]`.

    A vector of a round holds several sums, each spread over a run of lanes; two of them become one by adding the halves
    of every run.
    """
    run = lanes
    while run > 1:
        half = run // 2
        low = [start + i for start in range(0, 2 * lanes, run) for i in range(half)]
        high = [x + half for x in low]
        vectors = [
            g.plus(g.shuffle(a, b, low), g.shuffle(a, b, high))
            for a, b in zip(vectors[::2], vectors[1::2], strict=True)
        ]
        run = half
    return vectors[0]
