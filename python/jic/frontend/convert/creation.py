"""Tensors made from numbers: constants, ranges, triangles."""

from __future__ import annotations

from typing import Any

from torch_mlir import ir

from jic.dialects import build as b

from .conversion import Conversion, NotConverted, Scalar, converts, is_bool, is_float
from .numbers import check_fits


def _filled(value: Scalar) -> Any:
    return lambda c, *unused: b.splat(c.shape, c.element, value)


for _name in ("zeros", "zeros_like", "new_zeros", "empty.memory_format", "empty_like", "new_empty", "empty_strided",
              "new_empty_strided", "empty_permuted", "_efficientzerotensor"):  # fmt: skip
    converts(f"aten.{_name}")(_filled(0))
for _name in ("ones", "ones_like", "new_ones"):
    converts(f"aten.{_name}")(_filled(1))


@converts("aten.full")
def full(c: Conversion, size: list[int], value: Scalar, *unused: Any) -> ir.Value:
    check_fits(value, c.element)
    return b.splat(c.shape, c.element, value)


@converts("aten.full_like", "aten.new_full", "aten.scalar_tensor")
def full_like(c: Conversion, first: Any, *rest: Any) -> ir.Value:
    """The value comes after the tensor, after tensor and size, or first."""
    numbers = [a for a in (first, *rest[:2]) if isinstance(a, (bool, int, float))]
    check_fits(numbers[0], c.element)
    return b.splat(c.shape, c.element, numbers[0])


def _range(c: Conversion, start: Scalar, step: Scalar) -> ir.Value:
    """`start + i * step`, computed as ATen does: floats in the accumulation type, which is f64 on CPU."""
    if is_bool(c.element):
        raise NotConverted("a range of bools")
    if not is_float(c.element):
        element: ir.Type = ir.IntegerType.get_signless(64)
        start, step = int(start), int(step)
    else:
        element = ir.F64Type.get() if (start, step) != (0, 1) else c.element
    value = b.iota(c.shape, element, 0)
    if step != 1:
        value = b.elementwise("mul", value, b.splat_like(value, step))
    if start != 0:
        value = b.elementwise("add", value, b.splat_like(value, start))
    return b.convert(value, c.element)


@converts("aten.arange")
def arange(c: Conversion, end: Scalar, *unused: Any) -> ir.Value:
    return _range(c, 0, 1)


@converts("aten.arange.start")
def arange_start(c: Conversion, start: Scalar, end: Scalar, *unused: Any) -> ir.Value:
    return _range(c, start, 1)


@converts("aten.arange.start_step")
def arange_start_step(c: Conversion, start: Scalar, end: Scalar, step: Scalar, *unused: Any) -> ir.Value:
    return _range(c, start, step)


@converts("prims.iota")
def prims_iota(c: Conversion, length: int, start: int, step: int, *unused: Any) -> ir.Value:
    return _range(c, start, step)


def _diagonal_distance(shape: list[int]) -> ir.Value:
    """Column minus row."""
    element = ir.IntegerType.get_signless(64)
    return b.elementwise("sub", b.iota(shape, element, len(shape) - 1), b.iota(shape, element, len(shape) - 2))


@converts("aten.eye", "aten.eye.m")
def eye(c: Conversion, *unused: Any) -> ir.Value:
    distance = _diagonal_distance(c.shape)
    return b.convert(b.compare("eq", distance, b.splat_like(distance, 0)), c.element)


def _triangle(c: Conversion, x: ir.Value, diagonal: int, predicate: str) -> ir.Value:
    distance = _diagonal_distance(c.shape)
    keep = b.compare(predicate, distance, b.splat_like(distance, diagonal))
    return b.select(keep, x, b.splat_like(x, 0))


@converts("aten.tril")
def tril(c: Conversion, x: ir.Value, diagonal: int) -> ir.Value:
    return _triangle(c, x, diagonal, "le")


@converts("aten.triu")
def triu(c: Conversion, x: ir.Value, diagonal: int) -> ir.Value:
    return _triangle(c, x, diagonal, "ge")
