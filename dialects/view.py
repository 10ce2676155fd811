"""View ops: they move elements and compute nothing."""

from collections.abc import Sequence
from math import prod
from typing import Any

from torch_mlir import ir
from torch_mlir.dialects import ext

from . import _check as c
from ._base import Invalid, JicOp, Tensor


class ViewOp(JicOp, traits=[ext.Pure]):
    """One tensor in, one out, of one element type."""

    operand: ext.Operand[Tensor]
    result: ext.Result[Tensor]

    @classmethod
    def check(cls, op: ir.Operation) -> None:
        source, out = c.operand(op, 0), c.result(op)
        c.expect_element(out.element_type, source.element_type, "result")
        cls.check_view(op, list(source.shape), list(out.shape))

    @classmethod
    def check_view(cls, op: ir.Operation, source: list[int], out: list[int]) -> None:
        raise NotImplementedError


class ReshapeOp(ViewOp, name="reshape"):
    """The same elements in row-major order under another shape."""

    @classmethod
    def check_view(cls, op: ir.Operation, source: list[int], out: list[int]) -> None:
        if c.DYNAMIC not in source and c.DYNAMIC not in out and prod(source) != prod(out):
            raise Invalid(
                f"result has {prod(out)} elements ({c.shape_text(out)}), "
                f"expected {prod(source)} ({c.shape_text(source)})"
            )


class TransposeOp(ViewOp, name="transpose"):
    """`result.shape[i] = operand.shape[permutation[i]]`, as `torch.permute`."""

    permutation: Any  # array<i64>

    @classmethod
    def check_view(cls, op: ir.Operation, source: list[int], out: list[int]) -> None:
        permutation = c.ints(op, "permutation", len(source))
        if sorted(permutation) != list(range(len(source))):
            raise Invalid(f"attribute 'permutation' is {permutation}, expected a permutation of 0..{len(source) - 1}")
        c.expect_shape(out, [source[p] for p in permutation], "result")


class BroadcastOp(ViewOp, name="broadcast"):
    """Operand dim `i` becomes result dim `dims[i]` (strictly increasing); it has that size, or size 1 and is repeated."""

    dims: Any  # array<i64>

    @classmethod
    def check_view(cls, op: ir.Operation, source: list[int], out: list[int]) -> None:
        dims = c.ints(op, "dims", len(source))
        if any(a >= b for a, b in zip(dims, dims[1:], strict=False)) or any(not 0 <= d < len(out) for d in dims):
            raise Invalid(f"attribute 'dims' is {dims}, expected increasing result dims below {len(out)}")
        for i, d in enumerate(dims):
            if source[i] != 1 and not c.same_dim(source[i], out[d]):
                raise Invalid(
                    f"operand #0 dim {i} has size {source[i]}, expected 1 or {out[d]} to broadcast to result dim {d}"
                )


class SliceOp(ViewOp, name="slice"):
    """`result[i] = operand[offsets + i * strides]`; `strides` are positive."""

    offsets: Any  # array<i64>
    strides: Any  # array<i64>

    @classmethod
    def check_view(cls, op: ir.Operation, source: list[int], out: list[int]) -> None:
        offsets, strides = c.ints(op, "offsets", len(source)), c.ints(op, "strides", len(source))
        if len(out) != len(source):
            raise Invalid(f"result has rank {len(out)}, expected {len(source)}")
        for d, (size, offset, stride, n) in enumerate(zip(source, offsets, strides, out, strict=True)):
            if stride < 1 or offset < 0:
                raise Invalid(f"dim {d} has offset {offset} and stride {stride}, expected offset >= 0 and stride >= 1")
            if c.DYNAMIC not in (size, n) and n > 0 and offset + (n - 1) * stride >= size:
                raise Invalid(
                    f"dim {d} reads index {offset + (n - 1) * stride}, expected below the operand's size {size}"
                )


class ReverseOp(ViewOp, name="reverse"):
    """Elements in reverse order along `dims`, as `torch.flip`."""

    dims: Any  # array<i64>

    @classmethod
    def check_view(cls, op: ir.Operation, source: list[int], out: list[int]) -> None:
        for d in c.ints(op, "dims"):
            if not 0 <= d < len(source):
                raise Invalid(f"attribute 'dims' names dim {d}, expected below {len(source)}")
        c.expect_shape(out, source, "result")


class PadOp(ViewOp, name="pad"):
    """`low`/`high` elements of the constant `value` (a scalar attribute of the element type) around the operand."""

    low: Any  # array<i64>
    high: Any  # array<i64>
    value: Any

    @classmethod
    def check_view(cls, op: ir.Operation, source: list[int], out: list[int]) -> None:
        low, high = c.ints(op, "low", len(source)), c.ints(op, "high", len(source))
        if min(low + high, default=0) < 0:
            raise Invalid(f"low {low} and high {high} must not be negative (slice instead)")
        value = op.attributes["value"]
        element = op.results[0].type.element_type
        if getattr(value, "type", None) != element:
            raise Invalid(f"attribute 'value' is {value}, expected a scalar of type {element}")
        expected = [s if s == c.DYNAMIC else s + lo + hi for s, lo, hi in zip(source, low, high, strict=True)]
        c.expect_shape(out, expected, "result")


class ConcatOp(JicOp, name="concat", traits=[ext.Pure]):
    """The operands one after the other along `dim`; all other dims are equal."""

    dim: Any  # i64
    result: ext.Result[Tensor]
    inputs: Sequence[ext.Operand[Tensor]]

    @classmethod
    def check(cls, op: ir.Operation) -> None:
        out = c.result(op)
        if not len(op.operands):
            raise Invalid("expected at least 1 operand, got 0")
        dim = c.dim(op, "dim", out.rank)
        total = 0
        for i in range(len(op.operands)):
            part = c.operand(op, i)
            c.expect_element(part.element_type, out.element_type, f"operand #{i}")
            if part.rank != out.rank:
                raise Invalid(f"operand #{i} has rank {part.rank}, expected {out.rank}")
            expected = list(out.shape)
            expected[dim] = part.shape[dim]
            c.expect_shape(part.shape, expected, f"operand #{i}")
            total = c.DYNAMIC if c.DYNAMIC in (total, part.shape[dim]) else total + part.shape[dim]
        if not c.same_dim(total, out.shape[dim]):
            raise Invalid(f"operands have {total} elements along dim {dim}, expected the result's {out.shape[dim]}")
