"""Scaled dot-product attention."""

from __future__ import annotations

from torch_mlir import ir

from jic.dialects import build as b

from .contraction import _broadcast_shapes
from .conversion import Conversion, NotConverted, converts, element_of, is_bool, shape_of


@converts("aten.scaled_dot_product_attention")
def scaled_dot_product_attention(
    c: Conversion,
    query: ir.Value,
    key: ir.Value,
    value: ir.Value,
    mask: ir.Value | None,
    dropout: float,
    causal: bool,
    scale: float | None,
    grouped: bool,
) -> ir.Value:
    if dropout:
        raise NotConverted("dropout draws random numbers")
    if grouped:
        heads = shape_of(query)[-3]
        key, value = _repeat_heads(key, heads), _repeat_heads(value, heads)
    batch: list[int] = []
    for operand in (query, key, value):
        batch = _broadcast_shapes(batch, shape_of(operand)[:-2])
    query, key, value = (b.broadcast(x, [*batch, *shape_of(x)[-2:]]) for x in (query, key, value))
    if mask is not None:
        if not is_bool(element_of(mask)):
            mask = b.convert(mask, element_of(query))
        mask = b.broadcast(mask, [*batch, shape_of(query)[-2], shape_of(key)[-2]])
    if scale is None:
        scale = shape_of(query)[-1] ** -0.5
    return b.attention(query, key, value, mask, scale, causal)


def _repeat_heads(x: ir.Value, heads: int) -> ir.Value:
    """Each head at dim -3 repeated, one after the other, up to `heads`."""
    *batch, own, length, width = shape_of(x)
    if own == heads:
        return x
    split = b.reshape(x, [*batch, own, 1, length, width])
    repeated = b.broadcast(split, [*batch, own, heads // own, length, width])
    return b.reshape(repeated, [*batch, heads, length, width])
