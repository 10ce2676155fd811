"""Composites in terms of reduce, matmul, broadcast and elementwise ops, with PyTorch's numerics."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from torch_mlir import ir

from jic.dialects import build as b
from jic.errors import PassError
from jic.passes.base import Pass, functions, walk

from ._ops import COMPOSITES


@dataclass(frozen=True)
class Decompose(Pass):
    """Rewrite softmax, the normalisations and attention as reductions, matmuls and elementwise ops.

    f16 and bf16 operands are converted to f32, and the result back. Softmax subtracts the maximum; variances are the
    mean of the squares of the centred values; attention gives zeros for rows that the mask hides completely, as
    PyTorch does.

        %y = jic.softmax(%x) {dim = 1}   ->   %m = jic.reduce(%x) {kind = "max", dims = [1]}
                                              %e = jic.exp(jic.sub(%x, jic.broadcast(%m)))
                                              %y = jic.div(%e, jic.broadcast(jic.reduce(%e) {kind = "sum", dims = [1]}))

    Options:
        keep: names of composites that stay whole, as `keep={attention,softmax}`.
    """

    name = "jic-decompose"
    keep: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        unknown = sorted(set(self.keep) - COMPOSITES)
        if unknown:
            raise PassError(f"keep names '{unknown[0]}', expected some of {', '.join(sorted(COMPOSITES))}")

    def apply(self, module: ir.Operation) -> None:
        wanted = {f"jic.{name}" for name in COMPOSITES - set(self.keep)}
        for function in functions(module):
            for op in [op for op in walk(function) if op.name in wanted]:
                with ir.InsertionPoint(op), op.location:
                    result = _RULES[op.name.removeprefix("jic.")](op)
                op.results[0].replace_all_uses_with(result)
                op.erase()


def _type(value: ir.Value) -> ir.RankedTensorType:
    return ir.RankedTensorType(value.type)


def _shape(value: ir.Value) -> list[int]:
    return list(_type(value).shape)


def _integer(op: ir.Operation, name: str) -> int:
    return ir.IntegerAttr(op.attributes[name]).value


def _number(op: ir.Operation, name: str) -> float:
    return ir.FloatAttr(op.attributes[name]).value


def _flag(op: ir.Operation, name: str) -> bool:
    return ir.BoolAttr(op.attributes[name]).value


def _wide(op: ir.Operation) -> tuple[ir.Type, list[ir.Value]]:
    """The element type to compute in, and the operands in it; bools (masks) stay."""
    element = _type(op.operands[0]).element_type
    if not isinstance(element, ir.F64Type):
        element = ir.F32Type.get(op.context)
    is_bool = lambda v: isinstance(_type(v).element_type, ir.IntegerType)  # noqa: E731
    return element, [v if is_bool(v) else b.convert(v, element) for v in op.operands]


def _narrow(op: ir.Operation, value: ir.Value) -> ir.Value:
    return b.convert(value, _type(op.results[0]).element_type)


def _ew(name: str) -> Callable[..., ir.Value]:
    return lambda *operands: b.elementwise(name, *operands)


_add, _sub, _mul, _div = _ew("add"), _ew("sub"), _ew("mul"), _ew("div")
_exp, _log, _rsqrt = _ew("exp"), _ew("log"), _ew("rsqrt")


def _back(value: ir.Value, like: ir.Value, dims: Sequence[int]) -> ir.Value:
    """A value reduced over `dims` repeated to the shape it was reduced from."""
    shape = _shape(like)
    return b.broadcast(value, shape, [d for d in range(len(shape)) if d not in dims])


def _mean(value: ir.Value, dims: Sequence[int]) -> ir.Value:
    shape = _shape(value)
    if not b.is_static(_type(value)):
        raise PassError("a normalisation over dynamic dims cannot be decomposed", hint="compile for static shapes")
    total = b.reduce(value, "sum", dims)
    return _div(total, b.splat_like(total, prod(shape[d] for d in dims)))


def _softmax(op: ir.Operation) -> ir.Value:
    _, (x,) = _wide(op)
    dims = [_integer(op, "dim")]
    shifted = _sub(x, _back(b.reduce(x, "max", dims), x, dims))
    powers = _exp(shifted)
    total = b.reduce(powers, "sum", dims)
    if _flag(op, "log"):
        return _narrow(op, _sub(shifted, _back(_log(total), x, dims)))
    return _narrow(op, _div(powers, _back(total, x, dims)))


def _normalise(x: ir.Value, dims: Sequence[int], epsilon: float) -> ir.Value:
    """`(x - mean) * rsqrt(var + epsilon)` over `dims`, in two passes."""
    centred = _sub(x, _back(_mean(x, dims), x, dims))
    variance = _mean(_mul(centred, centred), dims)
    return _mul(centred, _back(_rsqrt(_add(variance, b.splat_like(variance, epsilon))), x, dims))


def _scale_and_shift(value: ir.Value, affine: Sequence[ir.Value], dims: Sequence[int]) -> ir.Value:
    """`value * weight + bias`, with what there is of `affine`, whose dims are `dims` of `value`."""
    for combine, operand in zip((_mul, _add), affine, strict=False):
        value = combine(value, b.broadcast(operand, _shape(value), dims))
    return value


def _layer_norm(op: ir.Operation) -> ir.Value:
    _, (x, *affine) = _wide(op)
    rank = len(_shape(x))
    dims = list(range(rank - _integer(op, "rank"), rank))
    return _narrow(op, _scale_and_shift(_normalise(x, dims, _number(op, "epsilon")), affine, dims))


def _group_norm(op: ir.Operation) -> ir.Value:
    _, (x, *affine) = _wide(op)
    groups, shape = _integer(op, "groups"), _shape(x)
    if not b.is_static(_type(x)):
        raise PassError("a group norm of dynamic shape cannot be decomposed", hint="compile for static shapes")
    per_group = shape[1] // groups
    grouped = b.reshape(x, [shape[0], groups, per_group, prod(shape[2:])])
    affine = [b.reshape(a, [groups, per_group]) for a in affine]
    result = _scale_and_shift(_normalise(grouped, [2, 3], _number(op, "epsilon")), affine, [1, 2])
    return b.reshape(_narrow(op, result), shape)


def _batch_norm(op: ir.Operation) -> ir.Value:
    """One scale and one shift a channel, so that only a multiply and an add are left at every element."""
    _, (x, mean, variance, *affine) = _wide(op)
    scale = _rsqrt(_add(variance, b.splat_like(variance, _number(op, "epsilon"))))
    if affine:
        scale = _mul(scale, affine[0])
    shift = _mul(mean, scale)
    shift = _sub(affine[1], shift) if len(affine) > 1 else b.elementwise("neg", shift)
    return _narrow(op, _scale_and_shift(x, [scale, shift], [1]))


def _attention(op: ir.Operation) -> ir.Value:
    element, (query, key, value, *mask) = _wide(op)
    scores = b.matmul(query, key, transpose_rhs=True)
    scores = _mul(scores, b.splat_like(scores, _number(op, "scale")))
    shape = _shape(scores)
    hidden = b.splat_like(scores, float("-inf"))
    if mask and _type(mask[0]).element_type == element:
        scores = _add(scores, mask[0])
    elif mask:
        scores = b.select(mask[0], scores, hidden)
    if _flag(op, "causal"):
        index = ir.IntegerType.get_signless(64)
        rank = len(shape)
        rows, columns = b.iota(shape, index, rank - 2), b.iota(shape, index, rank - 1)
        scores = b.select(b.compare("le", columns, rows), scores, hidden)
    dims = [len(shape) - 1]
    top = b.reduce(scores, "max", dims)
    if mask:  # a row that is hidden completely: exp(-inf - 0) is 0, and 0 / 1 stays 0
        top = b.select(b.compare("eq", top, b.splat_like(top, float("-inf"))), b.splat_like(top, 0.0), top)
    powers = _exp(_sub(scores, _back(top, scores, dims)))
    total = b.reduce(powers, "sum", dims)
    if mask:
        total = b.select(b.compare("eq", total, b.splat_like(total, 0.0)), b.splat_like(total, 1.0), total)
    return _narrow(op, b.matmul(_div(powers, _back(total, scores, dims)), value))


_RULES: dict[str, Any] = {
    "softmax": _softmax,
    "layer_norm": _layer_norm,
    "batch_norm": _batch_norm,
    "group_norm": _group_norm,
    "attention": _attention,
}
