"""The register-blocked micro kernel, generic over where its operands come from."""

from __future__ import annotations

from collections.abc import Callable

from torch_mlir import ir

from ....ir import index_ops as g
from ....ir import ops

LoadA = Callable[[int, g.Index], ir.Value]
LoadB = Callable[[int, g.Index], ir.Value]


def emit_micro_kernel(
    rows: int,
    vectors: int,
    lower: g.Index,
    upper: g.Index,
    initial: list[ir.Value],
    load_a: LoadA,
    load_b: LoadB,
    unroll: int = 1,
) -> list[ir.Value]:
    """`acc[i][j] += A[i, k] * B[k, j]` for k in [lower, upper), all accumulators in registers.

    Args:
        rows, vectors: the register block: `rows` x `vectors` accumulators.
        lower, upper: the range of the contracted index.
        initial: the accumulators before the loop, row-major (`initial[i * vectors + j]`).
        load_a: `load_a(i, k)` gives the scalar A[i, k], already of the accumulators' element type.
        load_b: `load_b(j, k)` gives the j-th vector of row k of B.
        unroll: steps of k an iteration (used where both bounds are ints).

    Returns:
        The accumulators after the loop, in the order of `initial`.
    """
    lanes = initial[0].type.shape[0]

    def step(k: g.Index, acc: list[ir.Value]) -> list[ir.Value]:
        b = [load_b(j, k) for j in range(vectors)]
        out = list(acc)
        for i in range(rows):
            a = ops.splat(load_a(i, k), lanes)
            for j in range(vectors):
                out[i * vectors + j] = g.multiply_add(a, b[j], acc[i * vectors + j])
        return out

    if not (isinstance(lower, int) and isinstance(upper, int)) or unroll == 1:
        return g.fold(lower, upper, 1, initial, step)
    middle = lower + (upper - lower) // unroll * unroll

    def steps(k: g.Index, acc: list[ir.Value]) -> list[ir.Value]:
        for u in range(unroll):
            acc = step(g.add(k, u), acc)
        return acc

    return g.fold(middle, upper, 1, g.fold(lower, middle, unroll, initial, steps), step)
