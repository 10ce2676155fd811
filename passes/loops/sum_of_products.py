"""The sum of a batch of products is one product."""

from __future__ import annotations

from math import prod

from torch_mlir import ir

from jic.dialects import build

from ..base import Pass
from ..simplify._rewrite import apply_rewrites, attribute, defining, has_one_use, ints, is_static, shape


class SumOfProducts(Pass):
    """Sum the products of a batch within the product: the batch dims join the dim that is contracted.

        %0 = jic.matmul %a, %b {transpose_lhs}   [T, K, M] x [T, K, N]        %0 = jic.reshape %a   [T * K, M]
        %1 = jic.reduce %0 {sum, dims = [0]}     [M, N]                  →    %1 = jic.reshape %b   [T * K, N]
                                                                              %2 = jic.matmul %0, %1 {transpose_lhs}

    The gradient of a loop's weights is such a sum over its iterations. Operands that lie the other way are transposed first,
    where that moves less than the batch of products, which is never stored then. The sum is taken in another order.
    """

    name = "jic-sum-of-products"

    def apply(self, module: ir.Operation) -> None:
        apply_rewrites(module, {"reduce": [_merged]})


def _merged(op: ir.Operation) -> ir.Value | None:
    product = defining(op.operands[0], "matmul")
    if product is None or attribute(op, "kind") != "sum" or not has_one_use(op.operands[0]):
        return None
    lhs, rhs = product.operands
    batch = len(shape(lhs)) - 2
    if product.block != op.block or not batch or ints(op, "dims") != list(range(batch)):
        return None
    if not is_static(lhs, rhs) or 0 in (*shape(lhs), *shape(rhs)):
        return None
    flip_lhs, flip_rhs = not attribute(product, "transpose_lhs"), attribute(product, "transpose_rhs")
    moved = prod(shape(lhs)) * flip_lhs + prod(shape(rhs)) * flip_rhs
    if moved > prod(shape(op.operands[0])):
        return None
    return build.matmul(_rows(lhs, flip_lhs), _rows(rhs, flip_rhs), transpose_lhs=True)


def _rows(value: ir.Value, flip: bool) -> ir.Value:
    """`[…, K, M]`, or with `flip` `[…, M, K]`, as `[… * K, M]`."""
    rank = len(shape(value))
    if flip:
        value = build.transpose(value, [*range(rank - 2), rank - 1, rank - 2])
    return build.reshape(value, [-1, shape(value)[-1]])
