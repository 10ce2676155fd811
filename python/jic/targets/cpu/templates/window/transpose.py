"""Transposition of a square of vectors in registers."""

from __future__ import annotations

from collections.abc import Sequence

from torch_mlir import ir

from ....ir import index_ops as g
from ....ir import ops


def transpose(rows: Sequence[ir.Value], lanes: int) -> list[ir.Value]:
    """`lanes` vectors whose l-th holds lane l of each of `rows` (at most `lanes`; further lanes are undefined)."""
    undefined = ops.op("ub.poison", [], rows[0].type, {"value": ir.Attribute.parse("#ub.poison")})
    values = [*rows, *[undefined] * (lanes - len(rows))]
    distance = 1
    while distance < lanes:
        # exchange the off-diagonal blocks of `distance` lanes of each pair of vectors
        low = [i if not i & distance else lanes + i - distance for i in range(lanes)]
        high = [i + distance if not i & distance else lanes + i for i in range(lanes)]
        exchanged = list(values)
        for i in range(lanes):
            if not i & distance:
                a, b = values[i], values[i + distance]
                exchanged[i], exchanged[i + distance] = g.shuffle(a, b, low), g.shuffle(a, b, high)
        values = exchanged
        distance *= 2
    return values
