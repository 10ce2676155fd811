"""Reshapes and transposes move below elementwise ops, towards the views that undo them."""

from __future__ import annotations

from collections.abc import Callable

from torch_mlir import ir

from jic.dialects import build

from ._evaluate import ELEMENTWISE
from ._rewrite import attribute, defining, element, has_one_use, ints, is_static, shape, splat

__all__ = ["ELEMENTWISE", "sink_reshapes", "sink_transposes"]


def sink_reshapes(op: ir.Operation) -> ir.Value | None:
    """`add(reshape x, reshape y)` → `reshape(add(x, y))`.

    Other operands must be splats, or broadcasts that can be written in the shape before the reshape. Where the reshaped
    value comes from a matmul, any other operand is reshaped too: it can then be part of the matmul's epilogue.
    """
    if not is_static(*op.operands, op.results[0]):
        return None
    reshapes = [r for v in op.operands if (r := defining(v, "reshape"))]
    if not reshapes:
        return None
    before, after = shape(reshapes[0].operands[0]), shape(op.results[0])
    for other in reshapes[1:]:
        if shape(other.operands[0]) != before:
            return None
    forced = any(_comes_from_matmul(r.operands[0]) and has_one_use(r.results[0]) for r in reshapes)
    if not forced and not all(defining(v, "reshape", "broadcast", "constant") for v in op.operands):
        return None

    def rewritten(value: ir.Value) -> ir.Value | None:
        if inner := defining(value, "reshape"):
            return inner.operands[0]
        if (number := splat(value)) is not None:
            return build.splat(before, element(value), number)
        if inner := defining(value, "broadcast"):
            moved = _broadcast_before_reshape(inner, before, after)
            if moved is not None:
                return moved
        return build.reshape(value, before) if forced else None

    result = _rebuilt(op, rewritten)
    return None if result is None else build.reshape(result, after)


def sink_transposes(
    op: ir.Operation, force: Callable[[ir.Operation, list[int]], bool] = lambda op, permutation: False
) -> ir.Value | None:
    """`add(transpose x, transpose y)` → `transpose(add(x, y))` for equal permutations.

    Other operands must be splats or broadcasts; where `force(op, permutation)`, any other operand is transposed.
    """
    if not is_static(*op.operands, op.results[0]):
        return None
    transposes = [t for v in op.operands if (t := defining(v, "transpose"))]
    if not transposes:
        return None
    permutation = ints(transposes[0], "permutation")
    if any(ints(t, "permutation") != permutation for t in transposes[1:]):
        return None
    before = shape(transposes[0].operands[0])
    inverse = sorted(range(len(permutation)), key=permutation.__getitem__)
    forced = force(op, permutation)
    if not forced and not all(defining(v, "transpose", "broadcast", "constant") for v in op.operands):
        return None

    def rewritten(value: ir.Value) -> ir.Value | None:
        if inner := defining(value, "transpose"):
            return inner.operands[0]
        if (number := splat(value)) is not None:
            return build.splat(before, element(value), number)
        if inner := defining(value, "broadcast"):
            dims = [permutation[d] for d in ints(inner, "dims")]
            order = sorted(range(len(dims)), key=dims.__getitem__)
            return build.broadcast(build.transpose(inner.operands[0], order), before, [dims[i] for i in order])
        return build.transpose(value, inverse) if forced else None

    result = _rebuilt(op, rewritten)
    return None if result is None else build.transpose(result, permutation)


def _rebuilt(op: ir.Operation, rewritten: Callable[[ir.Value], ir.Value | None]) -> ir.Value | None:
    """The elementwise `op` on rewritten operands, or None if one of them cannot be rewritten."""
    operands = []
    for value in op.operands:
        moved = rewritten(value)
        if moved is None:
            return None  # what was built for the other operands is unused and goes
        operands.append(moved)
    if op.name == "jic.select":
        return build.select(*operands)
    if op.name == "jic.convert":
        return build.convert(operands[0], element(op.results[0]))
    if op.name == "jic.compare":
        return build.compare(attribute(op, "predicate"), *operands)
    return build.elementwise(op.name[4:], *operands)


def _comes_from_matmul(value: ir.Value) -> bool:
    """True if `value` is a matmul's result after elementwise ops that nothing else uses."""
    while has_one_use(value):
        owner = value.owner
        if isinstance(owner, ir.Block):
            return False
        op = owner.operation
        if op.name == "jic.matmul":
            return True
        if op.name[4:] not in ELEMENTWISE:
            return False
        value = op.operands[0]
    return False


def _broadcast_before_reshape(op: ir.Operation, before: list[int], after: list[int]) -> ir.Value | None:
    """The broadcast `op` to the shape `after`, as one to `before`, if each dim that it does not repeat is a dim of `before`."""
    source, dims = op.operands[0], ints(op, "dims")
    kept = [i for i, size in enumerate(shape(source)) if size != 1]
    same = _same_dims(before, after)
    if not is_static(source) or any(dims[i] not in same for i in kept):
        return None
    squeezed = build.reshape(source, [shape(source)[i] for i in kept])
    return build.broadcast(squeezed, before, [same[dims[i]] for i in kept])


def _same_dims(before: list[int], after: list[int]) -> dict[int, int]:
    """Dims of `after` that are whole dims of `before`, when one is a reshape of the other; dims of size 1 are left out."""
    found: dict[int, int] = {}
    if 0 in before:
        return found
    left = [d for d, size in enumerate(before) if size != 1]
    right = [d for d, size in enumerate(after) if size != 1]
    i = j = 0
    while i < len(left) and j < len(right):
        a, b = before[left[i]], after[right[j]]
        if a == b:
            found[right[j]] = left[i]
        while a != b:
            if a < b:
                i += 1
                a *= before[left[i]]
            else:
                j += 1
                b *= after[right[j]]
        i, j = i + 1, j + 1
    return found
