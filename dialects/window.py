"""Window ops: convolution and pooling, over 1, 2 or 3 spatial dims.

`layout` is `nchw` (channels at dim 1) or `nhwc` (channels last), whatever the number of spatial dims. `padding` has a low and a
high entry for each spatial dim: `[low0, high0, low1, high1, …]`.
"""

from typing import Any

from torch_mlir import ir
from torch_mlir.dialects import ext

from . import _check as c
from ._base import Invalid, JicOp, Tensor

LAYOUTS = ("nchw", "nhwc")
POOL_KINDS = ("max", "sum", "avg")


def spatial_dims(layout: str, rank: int) -> list[int]:
    """The spatial dims of a tensor of `rank` in `layout`."""
    return list(range(2, rank)) if layout == "nchw" else list(range(1, rank - 1))


def channel_dim(layout: str, rank: int) -> int:
    return 1 if layout == "nchw" else rank - 1


def window_size(size: int, window: int, stride: int, low: int, high: int, dilation: int) -> int:
    """Output positions of a window of `window` taps, `dilation` apart, moved by `stride` over a padded `size`."""
    if size == c.DYNAMIC:
        return c.DYNAMIC
    return (size + low + high - dilation * (window - 1) - 1) // stride + 1


def _check_window(op: ir.Operation, source: ir.RankedTensorType, out: ir.RankedTensorType, window: list[int]) -> str:
    layout = c.choice(op, "layout", LAYOUTS)
    n = source.rank - 2
    if not 1 <= n <= 3 or out.rank != source.rank:
        raise Invalid(f"operand #0 has rank {source.rank} and the result {out.rank}, expected equal ranks of 3, 4 or 5")
    if len(window) != n:
        raise Invalid(f"attribute 'window' has {len(window)} entries, expected {n}")
    stride, padding, dilation = c.ints(op, "stride", n), c.ints(op, "padding", 2 * n), c.ints(op, "dilation", n)
    if min(stride + dilation + window) < 1 or min(padding) < 0:
        raise Invalid("stride, dilation and window must be positive and padding must not be negative")
    for i, d in enumerate(spatial_dims(layout, source.rank)):
        expected = window_size(source.shape[d], window[i], stride[i], padding[2 * i], padding[2 * i + 1], dilation[i])
        if not c.same_dim(out.shape[d], expected):
            raise Invalid(f"result dim {d} has size {out.shape[d]}, expected {expected}")
    if not c.same_dim(source.shape[0], out.shape[0]):
        raise Invalid(f"result has batch size {out.shape[0]}, expected {source.shape[0]}")
    c.expect_element(out.element_type, source.element_type, "result")
    return layout


class ConvOp(JicOp, name="conv", traits=[ext.Pure]):
    """Convolution as PyTorch has it (cross-correlation). The filter is `[O, I / groups, *window]` in either layout.

    f16 and bf16 are accumulated in f32. A bias is a `jic.add` of its own, which fusion brings back.
    """

    input: ext.Operand[Tensor]
    filter: ext.Operand[Tensor]
    stride: Any  # array<i64>
    padding: Any  # array<i64>
    dilation: Any  # array<i64>
    groups: Any  # i64
    layout: ir.StringAttr
    result: ext.Result[Tensor]

    @classmethod
    def check(cls, op: ir.Operation) -> None:
        source, weight, out = c.operand(op, 0, "input"), c.operand(op, 1, "filter"), c.result(op)
        if weight.rank != source.rank:
            raise Invalid(f"operand #1 (filter) has rank {weight.rank}, expected the input's {source.rank}")
        layout = _check_window(op, source, out, list(weight.shape[2:]))
        groups = c.integer(op, "groups")
        channels = channel_dim(layout, source.rank)
        n_in, n_out = source.shape[channels], out.shape[channels]
        if groups < 1 or (n_in != c.DYNAMIC and n_in % groups) or (n_out != c.DYNAMIC and n_out % groups):
            raise Invalid(f"groups is {groups}, expected a divisor of {n_in} input and {n_out} output channels")
        if n_in != c.DYNAMIC:
            c.expect_shape(weight.shape[:2], [n_out, n_in // groups], "operand #1 (filter) channels")
        c.expect_element(weight.element_type, source.element_type, "operand #1 (filter)")


class PoolOp(JicOp, name="pool", traits=[ext.Pure]):
    """Pooling. `max` ignores padding and propagates NaN, `sum` counts padding as zero, `avg` divides by the number of
    elements of the window that lie inside the operand."""

    input: ext.Operand[Tensor]
    kind: ir.StringAttr
    window: Any  # array<i64>
    stride: Any  # array<i64>
    padding: Any  # array<i64>
    dilation: Any  # array<i64>
    layout: ir.StringAttr
    result: ext.Result[Tensor]

    @classmethod
    def check(cls, op: ir.Operation) -> None:
        source, out = c.operand(op, 0, "input"), c.result(op)
        c.choice(op, "kind", POOL_KINDS)
        layout = _check_window(op, source, out, c.ints(op, "window"))
        channels = channel_dim(layout, source.rank)
        if not c.same_dim(source.shape[channels], out.shape[channels]):
            raise Invalid(f"result has {out.shape[channels]} channels, expected {source.shape[channels]}")
