"""Batch normalisation after a convolution becomes part of its filter."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from math import prod
from typing import Literal

from torch_mlir import ir

from jic.dialects import build

from ..base import Pass
from ._rewrite import apply_rewrites, attribute, defining, element, has_one_use, ints, is_static, shape


@dataclass(frozen=True)
class FoldConvBatchNorm(Pass):
    """Fold inference batch normalisation into the convolution before it.

        %1 = jic.conv %x, %w              %scale = gamma * rsqrt(var + epsilon)        (small ops on the weights)
        %2 = jic.batch_norm %1, …     →   %1 = jic.conv %x, (%w * broadcast %scale)
                                          %2 = jic.add %1, broadcast (beta - mean * %scale)

    A per-channel bias between the two is folded too. The convolution must be in layout `nchw` and, like the bias addition, have
    no other use. Half types compute scale and bias in f32. Results differ from the unfolded ones by rounding.

    Weights are inputs of the program, so a scaled filter is computed in every call. `scale` says what is scaled: the
    `filter`; the `output`, where fusion makes it part of the convolution's kernel; or, with `auto`, the filter if it has at most
    a quarter of the output's elements.
    """

    name = "jic-fold-conv-batch-norm"
    scale: Literal["auto", "filter", "output"] = "auto"

    def apply(self, module: ir.Operation) -> None:
        apply_rewrites(module, {"batch_norm": [partial(_fold, self.scale)]})


def _fold(scaled: str, op: ir.Operation) -> ir.Value | None:
    source = op.operands[0]
    if not is_static(*op.operands) or not has_one_use(source):
        return None
    bias = None
    if addition := defining(source, "add"):
        for value, other in (tuple(addition.operands), tuple(addition.operands)[::-1]):
            bias = _per_channel(other)
            if bias is not None and defining(value, "conv") and has_one_use(value):
                source = value
                break
    conv = defining(source, "conv")
    if conv is None or attribute(conv, "layout") != "nchw":
        return None

    wide = ir.F64Type.get() if isinstance(element(source), ir.F64Type) else ir.F32Type.get()
    mean, var, *affine = (build.convert(v, wide) for v in list(op.operands)[1:])
    scale = build.elementwise("rsqrt", build.elementwise("add", var, build.splat_like(var, attribute(op, "epsilon"))))
    if affine:
        scale = build.elementwise("mul", affine[0], scale)
    weight, out = conv.operands[1], shape(source)
    if scaled == "filter" or (scaled == "auto" and 4 * prod(shape(weight)) <= prod(out)):
        product = build.elementwise("mul", build.convert(weight, wide), build.broadcast(scale, shape(weight), [0]))
        stride, padding, dilation = (ints(conv, name) for name in ("stride", "padding", "dilation"))
        weight = build.convert(product, element(weight))
        normalised = build.conv(conv.operands[0], weight, stride, padding, dilation, attribute(conv, "groups"))
    else:
        channels = build.broadcast(build.convert(scale, element(source)), out, [1])
        normalised = build.elementwise("mul", conv.results[0], channels)
    if bias is None:
        shift = build.elementwise("neg", build.elementwise("mul", mean, scale))
    else:
        shift = build.elementwise("mul", build.elementwise("sub", build.convert(bias, wide), mean), scale)
    if len(affine) > 1:
        shift = build.elementwise("add", shift, affine[1])
    shift = build.broadcast(build.convert(shift, element(source)), out, [1])
    return build.elementwise("add", normalised, shift)


def _per_channel(value: ir.Value) -> ir.Value | None:
    """The vector of channels that `value` repeats over all other dims, if it does."""
    op = defining(value, "broadcast")
    if op is None:
        return None
    source, dims = op.operands[0], ints(op, "dims")
    channels = shape(value)[1]
    if channels == 1 or any(size != 1 and d != 1 for size, d in zip(shape(source), dims, strict=True)):
        return None
    if channels not in shape(source):
        return None  # one number for all channels
    return build.reshape(source, [channels])
