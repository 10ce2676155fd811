"""Convolutions of one tap as matrix products."""

from __future__ import annotations

from math import prod

from torch_mlir import ir

from jic.dialects import build

from ..base import Pass
from ._rewrite import apply_rewrites, attribute, ints, is_static, shape


class ConvToMatmul(Pass):
    """Turn 1x1 convolutions without stride, padding and groups into matrix products, which need no window.

    nhwc: conv %x [N, H, W, I], %w  →  matmul(reshape %x [N H W, I], reshape %w [O, I]^T), reshaped back
    nchw: conv %x [N, I, H, W], %w  →  matmul(broadcast (reshape %w [O, I]) [N, O, I], reshape %x [N, I, H W])
    """

    name = "jic-conv-to-matmul"

    def apply(self, module: ir.Operation) -> None:
        apply_rewrites(module, {"conv": [_matmul]})


def _matmul(op: ir.Operation) -> ir.Value | None:
    source, weight = op.operands
    result = shape(op.results[0])
    plain = (
        attribute(op, "groups") == 1
        and set(shape(weight)[2:]) == {1}
        and set(ints(op, "stride")) == {1}
        and not any(ints(op, "padding"))
    )
    if not plain or not is_static(source, weight, op.results[0]) or 0 in result:
        return None
    filters, channels = shape(weight)[:2]
    matrix = build.reshape(weight, [filters, channels])
    if attribute(op, "layout") == "nhwc":
        pixels = prod(result[:-1])
        product = build.matmul(build.reshape(source, [pixels, channels]), matrix, transpose_rhs=True)
        return build.reshape(product, result)
    batch, pixels = result[0], prod(result[2:])
    if batch == 1:
        product = build.matmul(matrix, build.reshape(source, [channels, pixels]))
    else:
        left = build.broadcast(matrix, [batch, filters, channels])
        product = build.matmul(left, build.reshape(source, [batch, channels, pixels]))
    return build.reshape(product, result)
