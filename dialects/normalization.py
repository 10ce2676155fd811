"""Composites that stay whole until `jic-decompose`: normalisations, softmax, attention."""

from collections.abc import Sequence
from typing import Any

from torch_mlir import ir
from torch_mlir.dialects import ext

from . import _check as c
from ._base import Invalid, JicOp, Tensor


class SoftmaxOp(JicOp, name="softmax", traits=[ext.Pure]):
    """`exp(x - max) / sum(exp(x - max))` along `dim`; with `log` its logarithm."""

    operand: ext.Operand[Tensor]
    dim: Any  # i64
    log: Any  # bool
    result: ext.Result[Tensor]

    @classmethod
    def check(cls, op: ir.Operation) -> None:
        source, out = c.operand(op, 0), c.result(op)
        c.dim(op, "dim", source.rank)
        c.boolean(op, "log")
        _same_float(source, out)


class LayerNormOp(JicOp, name="layer_norm", traits=[ext.Pure]):
    """Normalisation over the last `rank` dims: `(x - mean) / sqrt(var + epsilon) * weight + bias`, `var` biased.

    `affine` holds nothing, the weight, or weight and bias, each of the normalised shape.
    """

    input: ext.Operand[Tensor]
    rank: Any  # i64
    epsilon: ir.FloatAttr
    result: ext.Result[Tensor]
    affine: Sequence[ext.Operand[Tensor]]

    @classmethod
    def check(cls, op: ir.Operation) -> None:
        source, out = c.operand(op, 0, "input"), c.result(op)
        rank = c.integer(op, "rank")
        if not 1 <= rank <= source.rank:
            raise Invalid(f"attribute 'rank' is {rank}, expected 1 to {source.rank}")
        _same_float(source, out)
        _check_affine(op, 1, list(source.shape)[source.rank - rank :])


class BatchNormOp(JicOp, name="batch_norm", traits=[ext.Pure]):
    """Inference batch normalisation of dim 1 with the running `mean` and `var`; `affine` as in `layer_norm`."""

    input: ext.Operand[Tensor]
    mean: ext.Operand[Tensor]
    var: ext.Operand[Tensor]
    epsilon: ir.FloatAttr
    result: ext.Result[Tensor]
    affine: Sequence[ext.Operand[Tensor]]

    @classmethod
    def check(cls, op: ir.Operation) -> None:
        source, out = c.operand(op, 0, "input"), c.result(op)
        if source.rank < 2:
            raise Invalid(f"operand #0 (input) has rank {source.rank}, expected at least 2")
        _same_float(source, out)
        for i, name in ((1, "mean"), (2, "var")):
            c.expect_shape(c.operand(op, i, name).shape, [source.shape[1]], f"operand #{i} ({name})")
        _check_affine(op, 3, [source.shape[1]])


class GroupNormOp(JicOp, name="group_norm", traits=[ext.Pure]):
    """Normalisation of `groups` groups of the channels at dim 1; `affine` is per channel."""

    input: ext.Operand[Tensor]
    groups: Any  # i64
    epsilon: ir.FloatAttr
    result: ext.Result[Tensor]
    affine: Sequence[ext.Operand[Tensor]]

    @classmethod
    def check(cls, op: ir.Operation) -> None:
        source, out = c.operand(op, 0, "input"), c.result(op)
        groups = c.integer(op, "groups")
        if source.rank < 2 or groups < 1 or (source.shape[1] != c.DYNAMIC and source.shape[1] % groups):
            raise Invalid(f"attribute 'groups' is {groups}, expected a divisor of the channels of {source}")
        _same_float(source, out)
        _check_affine(op, 1, [source.shape[1]])


class AttentionOp(JicOp, name="attention", traits=[ext.Pure]):
    """`softmax(query key^T * scale + mask) value` on `[…, L, E]`, `[…, S, E]`, `[…, S, Ev]` with equal batch dims.

    `mask` holds nothing, or one tensor of shape `[…, L, S]`: added if float, `false` masks out if i1. `causal` also masks
    out every position after the query's.
    """

    query: ext.Operand[Tensor]
    key: ext.Operand[Tensor]
    value: ext.Operand[Tensor]
    scale: ir.FloatAttr
    causal: Any  # bool
    result: ext.Result[Tensor]
    mask: Sequence[ext.Operand[Tensor]]

    @classmethod
    def check(cls, op: ir.Operation) -> None:
        query, key, value = (c.operand(op, i, n) for i, n in enumerate(("query", "key", "value")))
        out = c.result(op)
        if query.rank < 2:
            raise Invalid(f"operand #0 (query) has rank {query.rank}, expected at least 2")
        for i, name, side in ((1, "key", key), (2, "value", value)):
            if side.rank != query.rank:
                raise Invalid(f"operand #{i} ({name}) has rank {side.rank}, expected {query.rank}")
            c.expect_element(side.element_type, query.element_type, f"operand #{i} ({name})")
        if not c.is_float(query.element_type):
            raise Invalid(f"operand #0 (query) has element type {query.element_type}, expected float")
        c.expect_element(out.element_type, query.element_type, "result")
        batch = list(query.shape)[:-2]
        c.expect_shape(key.shape, [*batch, key.shape[-2], query.shape[-1]], "operand #1 (key)")
        c.expect_shape(value.shape, [*batch, key.shape[-2], value.shape[-1]], "operand #2 (value)")
        c.expect_shape(out.shape, [*batch, query.shape[-2], value.shape[-1]], "result")
        c.boolean(op, "causal")
        if len(op.operands) > 4:
            raise Invalid(f"expected at most 1 mask, got {len(op.operands) - 3}")
        if len(op.operands) == 4:
            mask = c.operand(op, 3, "mask")
            c.expect_shape(mask.shape, [*batch, query.shape[-2], key.shape[-2]], "operand #3 (mask)")
            if mask.element_type != query.element_type and not c.is_bool(mask.element_type):
                expected = f"{query.element_type} or i1"
                raise Invalid(f"operand #3 (mask) has element type {mask.element_type}, expected {expected}")


def _same_float(source: ir.RankedTensorType, out: ir.RankedTensorType) -> None:
    if not c.is_float(source.element_type):
        raise Invalid(f"operand #0 has element type {source.element_type}, expected float")
    c.expect_shape(out.shape, source.shape, "result")
    c.expect_element(out.element_type, source.element_type, "result")


def _check_affine(op: ir.Operation, first: int, shape: list[int]) -> None:
    if len(op.operands) > first + 2:
        raise Invalid(
            f"expected at most a weight and a bias, got {len(op.operands) - first} operands after #{first - 1}"
        )
    for i in range(first, len(op.operands)):
        c.expect_shape(c.operand(op, i).shape, shape, f"operand #{i} ({('weight', 'bias')[i - first]})")
