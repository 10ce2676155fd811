"""Dynamic slices and updates: what they read or write is found out, or read where there is less to move."""

from __future__ import annotations

from torch_mlir import ir

from jic.dialects import build

from ._rewrite import attribute, defining, has_one_use, ints, is_static, shape, splat


def fold_dynamic_slice(op: ir.Operation) -> ir.Value | None:
    """A dynamic slice of everything, at a constant, or of what was just stored there."""
    (operand, index), dim, out = op.operands, attribute(op, "dim"), op.results[0]
    if not is_static(operand, out):
        return None
    if operand.type == out.type:
        return operand
    sizes = shape(out)
    if (start := splat(index)) is not None:
        offsets = [0] * len(sizes)
        offsets[dim] = min(max(start, 0), shape(operand)[dim] - sizes[dim])
        return build.slice_(operand, offsets, sizes, [1] * len(sizes))
    if (number := splat(operand)) is not None:
        return build.splat_like(out, number)
    update = defining(operand, "dynamic_update")
    if update is not None and same_place(op, 1, update, 2) and update.operands[1].type == out.type:
        return update.operands[1]
    return None


def dynamic_slice_of_view(op: ir.Operation) -> ir.Value | None:
    """The slice goes above broadcasts, transposes, and slices and reversals of other dims."""
    (operand, index), dim, out = op.operands, attribute(op, "dim"), op.results[0]
    inner = defining(operand, "broadcast", "transpose", "slice", "reverse")
    if inner is None or not is_static(out, operand, inner.operands[0]):
        return None
    source, size = inner.operands[0], shape(out)[dim]
    if inner.name == "jic.broadcast":
        dims = ints(inner, "dims")
        if dim in dims and shape(source)[dims.index(dim)] != 1:
            source = build.dynamic_slice(source, index, dims.index(dim), size)
        return build.broadcast(source, shape(out), dims)
    if inner.name == "jic.transpose":
        permutation = ints(inner, "permutation")
        return build.transpose(build.dynamic_slice(source, index, permutation[dim], size), permutation)
    if inner.name == "jic.reverse":
        if dim in ints(inner, "dims"):
            return None
        return build.reverse(build.dynamic_slice(source, index, dim, size), ints(inner, "dims"))
    if shape(source)[dim] != shape(operand)[dim]:
        return None
    part = build.dynamic_slice(source, index, dim, size)
    return build.slice_(part, ints(inner, "offsets"), shape(out), ints(inner, "strides"))


def fold_dynamic_update(op: ir.Operation) -> ir.Value | None:
    """An update of everything, with what is there, or of what another update wrote."""
    operand, update, index = op.operands
    dim, out = attribute(op, "dim"), op.results[0]
    if not is_static(operand, update, out):
        return None
    if update.type == out.type:
        return update
    read = defining(update, "dynamic_slice")
    if read is not None and read.operands[0] == operand and same_place(op, 2, read, 1):
        return operand
    inner = defining(operand, "dynamic_update")
    if inner is None or not has_one_use(operand) or inner.operands[1].type != update.type:
        return None
    return build.dynamic_update(inner.operands[0], update, index, dim) if same_place(op, 2, inner, 2) else None


def same_place(a: ir.Operation, a_index: int, b: ir.Operation, b_index: int) -> bool:
    """True if both start at the same index of the same dim; the operands' numbers say where the index is."""
    starts = a.operands[a_index], b.operands[b_index]
    numbers = [splat(v) for v in starts]
    same = starts[0] == starts[1] or (numbers[0] is not None and numbers[0] == numbers[1])
    return same and attribute(a, "dim") == attribute(b, "dim")
