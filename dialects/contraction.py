"""Contractions."""

from typing import Any

from torch_mlir import ir
from torch_mlir.dialects import ext

from . import _check as c
from ._base import Invalid, JicOp, Tensor


class MatmulOp(JicOp, name="matmul", traits=[ext.Pure]):
    """Batched matrix product: `[…, M, K] x […, K, N] -> […, M, N]`, with equal batch dims.

    `transpose_lhs` says that the left operand is stored `[…, K, M]`, `transpose_rhs` the right one `[…, N, K]`.
    f16 and bf16 are accumulated in f32.
    """

    lhs: ext.Operand[Tensor]
    rhs: ext.Operand[Tensor]
    transpose_lhs: Any  # bool
    transpose_rhs: Any  # bool
    result: ext.Result[Tensor]

    @classmethod
    def check(cls, op: ir.Operation) -> None:
        lhs, rhs, out = c.operand(op, 0, "lhs"), c.operand(op, 1, "rhs"), c.result(op)
        for i, name, side in ((0, "lhs", lhs), (1, "rhs", rhs)):
            if side.rank < 2 or side.rank != out.rank:
                raise Invalid(f"operand #{i} ({name}) has rank {side.rank}, expected the result's rank, at least 2")
            c.expect_shape(side.shape[:-2], out.shape[:-2], f"operand #{i} ({name}) batch")
            c.expect_element(side.element_type, out.element_type, f"operand #{i} ({name})")
        m, k = lhs.shape[-2:]
        if c.boolean(op, "transpose_lhs"):
            m, k = k, m
        k2, n = rhs.shape[-2:]
        if c.boolean(op, "transpose_rhs"):
            k2, n = n, k2
        if not c.same_dim(k, k2):
            raise Invalid(f"operand #1 (rhs) contracts {k2} elements, expected the lhs's {k}")
        c.expect_shape(out.shape[-2:], [m, n], "result matrix")
