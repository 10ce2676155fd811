"""Transposes around a matmul become its flags."""

from __future__ import annotations

from torch_mlir import ir

from jic.dialects import build

from ._rewrite import attribute, defining, has_one_use, ints, is_static, shape


def absorb_transposes(op: ir.Operation) -> ir.Value | None:
    """`matmul(x, transpose(y))` → `matmul(x, y) {transpose_rhs}`, also below a reshape or broadcast of the batch dims."""
    lhs, rhs = (_before_transpose(v) for v in op.operands)
    if lhs is None and rhs is None:
        return None
    return build.matmul(
        op.operands[0] if lhs is None else lhs,
        op.operands[1] if rhs is None else rhs,
        attribute(op, "transpose_lhs") != (lhs is not None),
        attribute(op, "transpose_rhs") != (rhs is not None),
    )


def transposed_product(op: ir.Operation) -> ir.Value | None:
    """`transpose(matmul(x, y))` → `matmul(y', x')`, as (x y)ᵀ = yᵀ xᵀ."""
    inner = defining(op.operands[0], "matmul")
    if inner is None or not _swaps_matrix(op) or not has_one_use(op.operands[0]):
        return None
    if inner.block != op.block:
        return None  # a loop would compute the product again and again
    lhs, rhs = inner.operands
    return build.matmul(rhs, lhs, not attribute(inner, "transpose_rhs"), not attribute(inner, "transpose_lhs"))


def _swaps_matrix(transpose: ir.Operation) -> bool:
    """True if it exchanges the last two dims and nothing else."""
    permutation = ints(transpose, "permutation")
    rank = len(permutation)
    return rank >= 2 and permutation == [*range(rank - 2), rank - 1, rank - 2]


def _before_transpose(value: ir.Value) -> ir.Value | None:
    """The operand whose matrices `value` holds transposed, if there is a transpose to drop."""
    op = defining(value, "transpose", "reshape", "broadcast")
    if op is None:
        return None
    if op.name == "jic.transpose":
        return op.operands[0] if _swaps_matrix(op) else None
    inner = defining(op.operands[0], "transpose")
    if inner is None or not _swaps_matrix(inner) or not is_static(value, op.operands[0]):
        return None
    out, sizes = shape(value), shape(op.operands[0])
    if out[-2:] != sizes[-2:]:
        return None
    swapped = [*out[:-2], out[-1], out[-2]]
    if op.name == "jic.reshape":
        return build.reshape(inner.operands[0], swapped)
    dims = ints(op, "dims")
    if dims[-2:] != [len(out) - 2, len(out) - 1]:
        return None
    return build.broadcast(inner.operands[0], swapped, dims)
