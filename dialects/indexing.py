"""Ops whose addresses depend on data.

Indices of `index_select` and `gather` out of range, negative ones too, are an error at run time, as in PyTorch's ops of these
names; starts of `dynamic_slice` and `dynamic_update` are clamped, so that the slice lies inside.
"""

from typing import Any

from torch_mlir import ir
from torch_mlir.dialects import ext

from . import _check as c
from ._base import Invalid, JicOp, Tensor


class IndexSelectOp(JicOp, name="index_select", traits=[ext.Pure]):
    """Slices of `input` along `dim`, one for each element of `indices` (i32 or i64, any rank).

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


class DynamicSliceOp(JicOp, name="dynamic_slice", traits=[ext.Pure]):
    """The slice of `input` along `dim` that starts at the scalar i64 `index`, as long as the result is there.

    The start is clamped into `[0, input.shape[dim] - result.shape[dim]]`.
    """

    input: ext.Operand[Tensor]
    index: ext.Operand[Tensor]
    dim: Any  # i64
    result: ext.Result[Tensor]

    @classmethod
    def check(cls, op: ir.Operation) -> None:
        _check_window(op, c.operand(op, 0, "input"), c.result(op), "result", 1)


class DynamicUpdateOp(JicOp, name="dynamic_update", traits=[ext.Pure]):
    """`input` with the slice along `dim` that starts at the scalar i64 `index` replaced by `update`.

    The start is clamped into `[0, input.shape[dim] - update.shape[dim]]`.
    """

    input: ext.Operand[Tensor]
    update: ext.Operand[Tensor]
    index: ext.Operand[Tensor]
    dim: Any  # i64
    result: ext.Result[Tensor]

    @classmethod
    def check(cls, op: ir.Operation) -> None:
        source, out = c.operand(op, 0, "input"), c.result(op)
        c.expect_shape(out.shape, source.shape, "result")
        c.expect_element(out.element_type, source.element_type, "result")
        _check_window(op, source, c.operand(op, 1, "update"), "operand #1 (update)", 2)


def _check_window(
    op: ir.Operation, source: ir.RankedTensorType, part: ir.RankedTensorType, what: str, index: int
) -> None:
    """`part` is a slice of `source` along the attribute `dim`; operand `index` is its start."""
    dim = c.dim(op, "dim", source.rank)
    start = c.operand(op, index, "index")
    if start.rank or str(start.element_type) != "i64":
        raise Invalid(f"operand #{index} (index) is {start}, expected tensor<i64>")
    c.expect_element(part.element_type, source.element_type, what)
    shape = list(source.shape)
    if part.rank == source.rank:
        shape[dim] = part.shape[dim]
    c.expect_shape(part.shape, shape, what)
    if c.DYNAMIC not in (part.shape[dim], source.shape[dim]) and part.shape[dim] > source.shape[dim]:
        raise Invalid(f"{what} has {part.shape[dim]} elements along dim {dim}, expected at most {source.shape[dim]}")


def _check_indices(indices: ir.RankedTensorType) -> None:
    element = indices.element_type
    if not (isinstance(element, ir.IntegerType) and element.width in (32, 64)):
        raise Invalid(f"operand #1 (indices) has element type {element}, expected i32 or i64")
