"""Ops whose addresses depend on data. Indices out of range are an error at run time, as in PyTorch."""

from typing import Any

from torch_mlir import ir
from torch_mlir.dialects import ext

from . import _check as c
from ._base import Invalid, JicOp, Tensor


class IndexSelectOp(JicOp, name="index_select", traits=[ext.Pure]):
    """Slices of `input` along `dim`, one for each element of `indices` (i32 or i64, any rank; negative counts from the end).

    `result.shape = input.shape[:dim] + indices.shape + input.shape[dim + 1:]`: an embedding look-up is `dim = 0`.
    """

    input: ext.Operand[Tensor]
    indices: ext.Operand[Tensor]
    dim: Any  # i64
    result: ext.Result[Tensor]

    @classmethod
    def check(cls, op: ir.Operation) -> None:
        source, indices, out = c.operand(op, 0, "input"), c.operand(op, 1, "indices"), c.result(op)
        dim = c.dim(op, "dim", source.rank)
        _check_indices(indices)
        shape = list(source.shape)
        c.expect_shape(out.shape, [*shape[:dim], *indices.shape, *shape[dim + 1 :]], "result")
        c.expect_element(out.element_type, source.element_type, "result")


class GatherOp(JicOp, name="gather", traits=[ext.Pure]):
    """`result[i][j][k] = input[i][indices[i][j][k]][k]` for `dim = 1`, as `torch.gather`."""

    input: ext.Operand[Tensor]
    indices: ext.Operand[Tensor]
    dim: Any  # i64
    result: ext.Result[Tensor]

    @classmethod
    def check(cls, op: ir.Operation) -> None:
        source, indices, out = c.operand(op, 0, "input"), c.operand(op, 1, "indices"), c.result(op)
        c.dim(op, "dim", source.rank)
        _check_indices(indices)
        if indices.rank != source.rank:
            raise Invalid(f"operand #1 (indices) has rank {indices.rank}, expected the input's {source.rank}")
        c.expect_shape(out.shape, indices.shape, "result")
        c.expect_element(out.element_type, source.element_type, "result")


def _check_indices(indices: ir.RankedTensorType) -> None:
    element = indices.element_type
    if not (isinstance(element, ir.IntegerType) and element.width in (32, 64)):
        raise Invalid(f"operand #1 (indices) has element type {element}, expected i32 or i64")
