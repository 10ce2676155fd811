"""What the verifiers share: reading shapes and attributes, and the words of their messages."""

from __future__ import annotations

from collections.abc import Sequence

from torch_mlir import ir

from ._base import Invalid

DYNAMIC = ir.ShapedType.get_dynamic_size()
FLOATS = (ir.F16Type, ir.BF16Type, ir.F32Type, ir.F64Type)


def tensor(value: ir.Value, what: str) -> ir.RankedTensorType:
    """`value`'s ranked tensor type; `what` names it in the message ("operand #0 (lhs)")."""
    if not isinstance(value.type, ir.RankedTensorType):
        raise Invalid(f"{what} must be a ranked tensor, got {value.type}")
    return value.type


def operand(op: ir.Operation, index: int, name: str = "") -> ir.RankedTensorType:
    return tensor(op.operands[index], f"operand #{index}" + (f" ({name})" if name else ""))


def result(op: ir.Operation, index: int = 0) -> ir.RankedTensorType:
    return tensor(op.results[index], "result" if len(op.results) == 1 else f"result #{index}")


def same_dim(a: int, b: int) -> bool:
    """Equal, or one of them dynamic."""
    return a == b or DYNAMIC in (a, b)


def same_shape(a: Sequence[int], b: Sequence[int]) -> bool:
    return len(a) == len(b) and all(map(same_dim, a, b))


def shape_text(shape: Sequence[int]) -> str:
    return "x".join("?" if d == DYNAMIC else str(d) for d in shape) or "scalar"


def expect_shape(found: Sequence[int], expected: Sequence[int], what: str) -> None:
    if not same_shape(found, expected):
        raise Invalid(f"{what} has shape {shape_text(found)}, expected {shape_text(expected)}")


def expect_element(found: ir.Type, expected: ir.Type, what: str) -> None:
    if found != expected:
        raise Invalid(f"{what} has element type {found}, expected {expected}")


def is_float(element: ir.Type) -> bool:
    return isinstance(element, FLOATS)


def is_bool(element: ir.Type) -> bool:
    return isinstance(element, ir.IntegerType) and element.width == 1


def is_integer(element: ir.Type) -> bool:
    """An integer that is not a bool."""
    return isinstance(element, ir.IntegerType) and element.width > 1


def ints(op: ir.Operation, name: str, length: int | None = None) -> list[int]:
    """The `array<i64: …>` attribute `name`, checked for its length."""
    attribute = op.attributes[name]
    if not isinstance(attribute, ir.DenseI64ArrayAttr):
        raise Invalid(f"attribute '{name}' must be array<i64: …>, got {attribute}")
    values = list(attribute)
    if length is not None and len(values) != length:
        raise Invalid(f"attribute '{name}' has {len(values)} entries, expected {length}")
    return values


def integer(op: ir.Operation, name: str) -> int:
    attribute = op.attributes[name]
    if not isinstance(attribute, ir.IntegerAttr):
        raise Invalid(f"attribute '{name}' must be an integer, got {attribute}")
    return attribute.value


def dim(op: ir.Operation, name: str, rank: int) -> int:
    value = integer(op, name)
    if not 0 <= value < rank:
        raise Invalid(f"attribute '{name}' is {value}, expected 0 <= {name} < {rank}")
    return value


def boolean(op: ir.Operation, name: str) -> bool:
    attribute = op.attributes[name]
    if not isinstance(attribute, ir.BoolAttr):
        raise Invalid(f"attribute '{name}' must be true or false, got {attribute}")
    return attribute.value


def choice(op: ir.Operation, name: str, allowed: Sequence[str]) -> str:
    attribute = op.attributes[name]
    value = attribute.value if isinstance(attribute, ir.StringAttr) else str(attribute)
    if value not in allowed:
        raise Invalid(f"attribute '{name}' must be one of {', '.join(allowed)}; got {value}")
    return value
