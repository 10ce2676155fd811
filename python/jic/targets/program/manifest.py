"""The manifest of an artifact (see docs/architecture.md) and its constants, from a lowered program."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from torch_mlir import ir

from jic.errors import LoweringError
from jic.passes.simplify.constants import read

from ..kernel.elements import DTYPES
from ..kernel.region import value_of
from .backend import Backend
from .memory_plan import CONSTANT_ALIGNMENT, align
from .steps import HostProgram, Slot, Step


def build(
    program: HostProgram, main: ir.Operation, backend: Backend, more: dict[str, Any] | None = None
) -> tuple[dict[str, Any], bytes]:
    """(manifest, constants blob); `more` are the target's own entries."""
    block = main.regions[0].blocks[0]
    returned = list(block.operations)[-1].operation
    constants, table = _constants(program.constants)
    manifest = {
        "format": 1,
        "target": backend.target,
        "inputs": [_tensor(v) for v in block.arguments],
        "outputs": [_tensor(v) for v in returned.operands],
        "workspace": program.workspace,
        "scratch": max((s.launch.scratch for s in program.steps if s.launch), default=0),
        "constants": table,
        "values": program.values,
        "steps": [_step(s, program, backend) for s in program.steps],
        **(more or {}),
    }
    return manifest, constants


def _tensor(value: ir.Value) -> dict[str, Any]:
    type_ = ir.RankedTensorType(value.type)
    return {"dtype": DTYPES[str(type_.element_type)], "shape": list(type_.shape)}


def _slot(slot: Slot, program: HostProgram) -> list[Any]:
    at = program.ranges[slot.index].offset if slot.kind == "workspace" else slot.index
    return [slot.kind, at]


def _step(step: Step, program: HostProgram, backend: Backend) -> dict[str, Any]:
    slots = [_slot(s, program) for s in step.slots]
    description = _DESCRIPTIONS[step.op](step, slots)
    if step.launch is not None:
        description |= {"kernel": step.launch.kernel, "cost": step.launch.cost, **backend.launch_fields(step)}
    if step.to is not None:
        description["to"] = step.to.step
    if step.times > 1:
        description["times"] = step.times
    return description


def _launch(step: Step, slots: list[list[Any]]) -> dict[str, Any]:
    return {
        "op": "launch",
        "buffers": slots,
        "inputs": step.inputs,
        "name": step.name,
        "ops": step.ops,
        "location": step.location,
    }


def _aten_step(step: Step, slots: list[list[Any]]) -> dict[str, Any]:
    call = step.call
    assert call is not None
    return {
        "op": "aten",
        "callee": step.name,
        "arguments": encode(call.attributes["arguments"]),
        "keywords": encode(call.attributes["keywords"]),
        "operands": [{"slot": s, **_tensor(v)} for s, v in zip(slots, call.operands, strict=True)],
        "results": [{"value": step.first_value + i, **_tensor(v)} for i, v in enumerate(call.results)],
        "location": step.location,
        "reason": ir.StringAttr(call.attributes["reason"]).value,
    }


_DESCRIPTIONS: dict[str, Callable[[Step, list[list[Any]]], dict[str, Any]]] = {
    "launch": _launch,
    "aten": _aten_step,
    "copy": lambda step, slots: {"op": "copy", "from": slots[0], "to": slots[1], "bytes": step.slots[1].bytes},
    "check": lambda step, slots: {"op": "check", "buffer": slots[0], "message": step.name, "location": step.location},
    "bail": lambda step, slots: {"op": "bail", "buffer": slots[0], "message": step.name, "location": step.location},
    "jump": lambda step, slots: {"op": "jump"},
    "branch": lambda step, slots: {"op": "branch", "condition": slots[0]},
    "set": lambda step, slots: {"op": "set", "slot": slots[0], "value": step.value},
    "count": lambda step, slots: {"op": "count", "slot": slots[0], "limit": slots[1]},
}


def encode(attribute: ir.Attribute) -> Any:
    """The JSON form of an encoded ATen argument."""
    if isinstance(attribute, ir.ArrayAttr):
        return [encode(a) for a in attribute]
    if isinstance(attribute, ir.DictAttr):
        return {attribute[i].name: encode(attribute[i].attr) for i in range(len(attribute))}
    if isinstance(attribute, ir.UnitAttr):
        return None
    if isinstance(attribute, ir.IntegerAttr) and isinstance(attribute.type, ir.IndexType):
        return {"operand": attribute.value}
    value = value_of(attribute)
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": repr(value)}
    return value


def _constants(attributes: list[ir.Attribute]) -> tuple[bytes, list[list[int]]]:
    blob, table = bytearray(), []
    for attribute in attributes:
        data = dense_bytes(attribute)
        table.append([len(blob), len(data)])
        blob += data.ljust(align(len(data), CONSTANT_ALIGNMENT), b"\0")
    return bytes(blob), table


def dense_bytes(attribute: ir.Attribute) -> bytes:
    """The elements of a dense attribute in memory layout (bools as bytes)."""
    type_ = ir.RankedTensorType(attribute.type)  # type: ignore[attr-defined]
    element = str(type_.element_type)
    values = read(attribute)
    if values is None:
        raise LoweringError(f"a constant must be dense elements, got {attribute}")
    values = np.ascontiguousarray(np.broadcast_to(values, list(type_.shape)))
    if element == "bf16":  # held as float32 with bf16 values
        return (values.view(np.uint32) >> 16).astype(np.uint16).tobytes()
    return values.astype(np.dtype(DTYPES[element])).tobytes()
