"""Matrix products of all ranks."""

from __future__ import annotations

from math import prod

from torch_mlir import ir

from jic.dialects import build as b

from .conversion import Conversion, NotConverted, Scalar, converts, element_of, is_float, rank_of, shape_of


def _check(*operands: ir.Value) -> None:
    if not all(is_float(element_of(o)) for o in operands):
        raise NotConverted("a matrix product of integers")


@converts("aten.mm", "aten.bmm")
def mm(c: Conversion, lhs: ir.Value, rhs: ir.Value) -> ir.Value:
    _check(lhs)
    return b.matmul(lhs, rhs)


@converts("aten.linear")
def linear(c: Conversion, x: ir.Value, weight: ir.Value, bias: ir.Value | None) -> ir.Value:
    _check(x)
    if rank_of(weight) == 1:
        weight = b.reshape(weight, [1, *shape_of(weight)])
    features = shape_of(weight)[0]
    rows = prod(shape_of(x)[:-1])
    product = b.matmul(b.reshape(x, [rows, shape_of(x)[-1]]), weight, transpose_rhs=True)
    if bias is not None:
        product = _sum(product, bias, [rows, features])
    return b.reshape(product, c.shape)


def _sum(product: ir.Value, bias: ir.Value, shape: list[int]) -> ir.Value:
    return b.elementwise("add", product, b.broadcast(b.convert(bias, element_of(product)), shape))


@converts("aten.matmul")
def matmul(c: Conversion, lhs: ir.Value, rhs: ir.Value) -> ir.Value:
    _check(lhs, rhs)
    left, right = shape_of(lhs), shape_of(rhs)
    if len(left) == 1:
        left = [1, *left]
    if len(right) == 1:
        right = [*right, 1]
    lhs, rhs = b.reshape(lhs, left), b.reshape(rhs, right)
    if len(right) == 2:  # one large product
        product = b.matmul(b.reshape(lhs, [prod(left[:-1]), left[-1]]), rhs)
        return b.reshape(product, c.shape)
    batch = _broadcast_shapes(left[:-2], right[:-2])
    lhs = b.broadcast(lhs, [*batch, *left[-2:]])
    rhs = b.broadcast(rhs, [*batch, *right[-2:]])
    return b.reshape(b.matmul(lhs, rhs), c.shape)


def _broadcast_shapes(left: list[int], right: list[int]) -> list[int]:
    rank = max(len(left), len(right))
    pairs = zip([1] * (rank - len(left)) + left, [1] * (rank - len(right)) + right, strict=True)
    return [y if x == 1 else x for x, y in pairs]


@converts("aten.addmm", "aten.baddbmm")
def addmm(c: Conversion, x: ir.Value, lhs: ir.Value, rhs: ir.Value, beta: Scalar, alpha: Scalar) -> ir.Value:
    _check(lhs)
    return _scaled_sum(c, x, b.matmul(lhs, rhs), beta, alpha)


@converts("aten.addmv")
def addmv(c: Conversion, x: ir.Value, matrix: ir.Value, vector: ir.Value, beta: Scalar, alpha: Scalar) -> ir.Value:
    return _scaled_sum(c, x, mv(c, matrix, vector), beta, alpha)


def _scaled_sum(c: Conversion, x: ir.Value, product: ir.Value, beta: Scalar, alpha: Scalar) -> ir.Value:
    """`beta * x + alpha * product`; with a zero `beta` not even NaNs of `x` count."""

    def emit(product: ir.Value, *addend: ir.Value) -> ir.Value:
        total = _scaled(product, alpha)
        return b.elementwise("add", total, _scaled(addend[0], beta)) if addend else total

    return c.map(emit, product, *([x] if beta != 0 else []))


def _scaled(value: ir.Value, factor: Scalar) -> ir.Value:
    return value if factor == 1 else b.elementwise("mul", value, b.splat_like(value, factor))


@converts("aten.mv")
def mv(c: Conversion, matrix: ir.Value, vector: ir.Value) -> ir.Value:
    _check(matrix)
    product = b.matmul(matrix, b.reshape(vector, [*shape_of(vector), 1]))
    return b.reshape(product, shape_of(matrix)[:1])


@converts("aten.dot", "aten.vdot")
def dot(c: Conversion, lhs: ir.Value, rhs: ir.Value) -> ir.Value:
    _check(lhs)
    (size,) = shape_of(lhs)
    return b.reshape(b.matmul(b.reshape(lhs, [1, size]), b.reshape(rhs, [size, 1])), [])


@converts("aten.outer", "aten.ger")
def outer(c: Conversion, lhs: ir.Value, rhs: ir.Value) -> ir.Value:
    return c.map(lambda x, y: b.elementwise("mul", x, y), b.reshape(lhs, [*shape_of(lhs), 1]), rhs)
