"""ATen calls: decoding the torch dialect's arguments by the op's schema, and encoding them for `jic.aten_call`."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import torch
from torch_mlir import ir
from torch_mlir.extras.fx_importer import TORCH_DTYPE_TO_INT, TORCH_LAYOUT_TO_INT, TORCH_MEMORY_FORMAT_TO_INT

from jic.dialects import build as b

from ...errors import CaptureError

_DECODED = {
    "ScalarType": {number: dtype for dtype, number in TORCH_DTYPE_TO_INT.items()},
    "Layout": {number: layout for layout, number in TORCH_LAYOUT_TO_INT.items()},
    "MemoryFormat": {number: format_ for format_, number in TORCH_MEMORY_FORMAT_TO_INT.items()},
}


@functools.lru_cache(maxsize=1024)
def overload(name: str) -> torch._ops.OpOverload:
    """The operator of a name such as "aten.add.Tensor" ("aten.relu" for a default overload)."""
    namespace, op, *rest = name.split(".", 2)
    return getattr(getattr(getattr(torch.ops, namespace), op), rest[0] if rest else "default")


@functools.lru_cache(maxsize=1024)
def _kinds(name: str) -> tuple[str, ...]:
    """For each argument the key in `_DECODED`, or ''."""
    found = []
    for argument in overload(name)._schema.arguments:
        text = str(argument.real_type)
        found.append(next((kind for kind in _DECODED if kind in text), ""))
    return tuple(found)


def decode(name: str, values: Sequence[Any]) -> list[Any]:
    """Dtypes, layouts and memory formats are integers in the torch dialect: torch's objects for them."""
    return [
        _DECODED[kind][value] if kind and isinstance(value, int) else value
        for kind, value in zip(_kinds(name), values, strict=True)
    ]


def has_effect(callee: str) -> bool:
    """True if a call without uses must stay: it draws random numbers, or it has no results."""
    op = overload(callee.removesuffix(".default"))
    return torch.Tag.nondeterministic_seeded in op.tags or not op._schema.returns


def call(name: str, arguments: Sequence[Any], types: Sequence[ir.Type], reason: str) -> ir.Operation:
    """A `jic.aten_call` of `name` with the arguments of its schema."""
    schema = overload(name)._schema
    inputs: list[ir.Value] = []
    positional: list[ir.Attribute] = []
    keywords: dict[str, ir.Attribute] = {}
    for argument, value in zip(schema.arguments, arguments, strict=True):
        if argument.kwarg_only:
            keywords[argument.name] = _encode(value, inputs, name)
        else:
            positional.append(_encode(value, inputs, name))
    callee = name if name.count(".") > 1 else f"{name}.default"
    return b.aten_call(callee, inputs, types, positional, keywords, reason)


def _encode(value: Any, inputs: list[ir.Value], name: str) -> ir.Attribute:
    if isinstance(value, ir.Value):
        if value not in inputs:
            inputs.append(value)
        return ir.IntegerAttr.get(ir.IndexType.get(), inputs.index(value))
    if value is None:
        return ir.UnitAttr.get()
    if isinstance(value, bool):
        return ir.BoolAttr.get(value)
    if isinstance(value, int):
        return b.i64(value)
    if isinstance(value, float):
        return b.f64(value)
    if isinstance(value, str):
        return ir.StringAttr.get(value)
    if isinstance(value, (list, tuple)):
        return ir.ArrayAttr.get([_encode(v, inputs, name) for v in value])
    for kind, class_ in (
        ("dtype", torch.dtype), ("layout", torch.layout), ("device", torch.device),
        ("memory_format", torch.memory_format),
    ):  # fmt: skip
        if isinstance(value, class_):
            return ir.DictAttr.get({kind: ir.StringAttr.get(str(value).removeprefix("torch."))})
    raise CaptureError(f"{name} has an argument of type {type(value).__name__}, which an ATen call cannot hold")
