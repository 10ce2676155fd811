"""Numbers where elements are expected.

PyTorch treats them in two ways. The other operand of arithmetic and comparisons becomes a zero-dim tensor, and its integers wrap
into the type computed in. What an op is told (a fill value, a bound, a scale) must fit that type, or the op raises.
"""

from __future__ import annotations

import math

import torch
from torch_mlir import ir

from .conversion import NotConverted, Scalar, dtype_of


def check_fits(number: Scalar | None, element: ir.Type) -> None:
    """`NotConverted` if ATen raises on `number` for `element`: the call of ATen then raises its error."""
    dtype = dtype_of(element)
    if number is not None and not fits(number, dtype):
        raise NotConverted(f"{number} does not fit {dtype}, which is an error")


def fits(number: Scalar, dtype: torch.dtype) -> bool:
    """As `c10::overflows`: infinities and NaN fit floats, negative integers wrap into unsigned types, bools take all."""
    if dtype == torch.bool or isinstance(number, bool):
        return True
    if dtype.is_floating_point:
        return not math.isfinite(number) or abs(number) <= torch.finfo(dtype).max
    limits = torch.iinfo(dtype)
    if isinstance(number, int) and not limits.min and number < 0:
        return -number <= limits.max
    return limits.min <= number <= limits.max  # NaN is in no range


def is_never_zero(value: ir.Value) -> bool:
    """True for `where(x == 0, 1, x)`, and the same with another number than 1."""
    op = _defining(value, "jic.select")
    test = op and _defining(op.operands[0], "jic.compare")
    if op is None or test is None or ir.StringAttr(test.attributes["predicate"]).value != "eq":
        return False
    same = test.operands[0] == op.operands[2] and number_of(test.operands[1]) == 0
    return same and bool(number_of(op.operands[1]))


def _defining(value: ir.Value, name: str) -> ir.Operation | None:
    op = value.owner if isinstance(value.owner, ir.Operation) else None
    return op if op is not None and op.name == name else None


def number_of(value: ir.Value) -> Scalar | None:
    """The number that all elements of a constant are; None for other values."""
    op = value.owner if isinstance(value.owner, ir.Operation) else None
    while op is not None and op.name in ("jic.broadcast", "jic.convert", "jic.reshape"):
        if op.name == "jic.convert" and not isinstance(_element(op.operands[0]), ir.IntegerType):
            return None
        source = op.operands[0].owner
        op = source if isinstance(source, ir.Operation) else None
    if op is None or op.name != "jic.constant":
        return None
    dense = op.attributes["value"]
    return dense.get_splat_value().value if getattr(dense, "is_splat", False) else None


def _element(value: ir.Value) -> ir.Type:
    return ir.RankedTensorType(value.type).element_type
