"""How many taps of a window lie inside the source: the divisor of an average pool."""

from __future__ import annotations

from torch_mlir import ir

from ....ir import index_ops as g
from ....ir import ops
from ....kernel.window import Window


def elements_inside(window: Window, depth: g.Index, row: g.Index, column: g.Index, lanes: int | None) -> ir.Value:
    """An i32: the taps inside the source of the window at this output position.

    With `lanes` a vector of them: lane l is the window `l` columns on.
    """
    i32 = ops.element_type("i32")
    if window.inside:
        return ops.constant(i32, window.taps)
    counts = []
    for dim, position in enumerate((depth, row, column)):
        at = ops.op("arith.index_cast", [g.index(position)], i32)
        if dim == 2 and lanes is not None:
            type_ = ops.vector_type(lanes, i32)
            steps = ir.DenseElementsAttr.get([ir.IntegerAttr.get(i32, i) for i in range(lanes)], type_)
            at = ops.binary("arith.addi", ops.splat(at, lanes), ops.op("arith.constant", [], type_, {"value": steps}))
        counts.append(_inside(window, dim, at))
    outer = ops.binary("arith.muli", counts[0], counts[1])
    if lanes is not None:
        outer = ops.splat(outer, lanes)
    return ops.binary("arith.muli", outer, counts[2])


def _inside(window: Window, dim: int, at: ir.Value) -> ir.Value:
    """The number of taps k with `0 <= at * stride - low + k * dilation < size` along `dim`."""
    size, stride, low = window.source[dim], window.stride[dim], window.low[dim]
    taps, dilation = window.window[dim], window.dilation[dim]
    number = lambda value: ops.constant(at.type, value)  # noqa: E731
    # keeps the dividends positive, where truncation is the floor
    shift = (window.target[dim] * stride + low) // dilation + 1

    def first_at_least(bound: int) -> ir.Value:
        """The first k with `at * stride + k * dilation >= bound`, clamped."""
        need = ops.binary(
            "arith.subi", number(bound + dilation - 1 + shift * dilation), ops.binary("arith.muli", at, number(stride))
        )
        k = need if dilation == 1 else ops.binary("arith.divsi", need, number(dilation))
        k = ops.binary("arith.subi", k, number(shift))
        return ops.binary("arith.minsi", ops.binary("arith.maxsi", k, number(0)), number(taps))

    return ops.binary("arith.subi", first_at_least(size + low), first_at_least(low))
