"""Reductions and scans along dimensions."""

from typing import Any

from torch_mlir import ir
from torch_mlir.dialects import ext

from . import _check as c
from ._base import Invalid, JicOp, Tensor

REDUCE_KINDS = ("sum", "prod", "max", "min", "any", "all", "argmax", "argmin")
SCAN_KINDS = ("sum", "prod", "max", "min")


class ReduceOp(JicOp, name="reduce", traits=[ext.Pure]):
    """`operand` reduced over `dims` (increasing), which the result no longer has.

    `max`/`min` propagate NaN. `any`/`all` take and give i1. `argmax`/`argmin` reduce one dim and give the i64 index of the
    first extreme element (of the first NaN, if there is one). f16 and bf16 are accumulated in f32.
    """

    operand: ext.Operand[Tensor]
    kind: ir.StringAttr
    dims: Any  # array<i64>
    result: ext.Result[Tensor]

    @classmethod
    def check(cls, op: ir.Operation) -> None:
        source, out = c.operand(op, 0), c.result(op)
        kind, dims = c.choice(op, "kind", REDUCE_KINDS), c.ints(op, "dims")
        if sorted(set(dims)) != dims or any(not 0 <= d < source.rank for d in dims):
            raise Invalid(
                f"attribute 'dims' is {dims}, expected increasing dims below the operand's rank {source.rank}"
            )
        c.expect_shape(out.shape, [s for d, s in enumerate(source.shape) if d not in dims], "result")
        element = source.element_type
        if kind in ("any", "all") and not c.is_bool(element):
            raise Invalid(f"operand #0 has element type {element}, expected i1 for kind {kind}")
        if kind.startswith("arg"):
            if len(dims) != 1:
                raise Invalid(f"attribute 'dims' has {len(dims)} entries, expected 1 for kind {kind}")
            element = ir.IntegerType.get_signless(64, context=element.context)
        c.expect_element(out.element_type, element, "result")


class CumulativeOp(JicOp, name="cumulative", traits=[ext.Pure]):
    """Inclusive scan along `dim`, as `torch.cumsum`, `cumprod`, and the values of `cummax`, `cummin`."""

    operand: ext.Operand[Tensor]
    kind: ir.StringAttr
    dim: Any  # i64
    result: ext.Result[Tensor]

    @classmethod
    def check(cls, op: ir.Operation) -> None:
        source, out = c.operand(op, 0), c.result(op)
        c.choice(op, "kind", SCAN_KINDS)
        c.dim(op, "dim", source.rank)
        c.expect_shape(out.shape, source.shape, "result")
        c.expect_element(out.element_type, source.element_type, "result")
