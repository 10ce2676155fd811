"""A reference interpreter: runs `func.func @main` of graph- or kernel-level `jic` IR with torch ops on CPU tensors.

It shares no code with the targets and knows no pass; what an op means is written down here once more, in torch's words.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch_mlir import ir

from .reference_ops import OPS

DTYPES = {
    "f16": torch.float16,
    "bf16": torch.bfloat16,
    "f32": torch.float32,
    "f64": torch.float64,
    "i1": torch.bool,
    "i8": torch.int8,
    "i16": torch.int16,
    "i32": torch.int32,
    "i64": torch.int64,
    "ui8": torch.uint8,
    "ui16": torch.uint16,
    "ui32": torch.uint32,
    "ui64": torch.uint64,
}


class Bailed(Exception):
    """A `jic.bail` gave up; the message is the op's."""


def interpret(module: ir.Module | ir.Operation, *tensors: Tensor, float64: bool = False) -> list[Tensor]:
    """What `@main` of `module` returns for `tensors`.

    Args:
        module: the module, or its `builtin.module` operation. The IR must verify.
        tensors: one for each argument of `@main`, of its type; dynamic dims take what they get.
        float64: compute every float value in float64 whatever its type says; float results are float64 then.

    Returns:
        the results, contiguous and each with memory of its own.

    Raises:
        ValueError: a tensor does not have its argument's type, or an op's result does not have its own.
        IndexError: an index is out of range.
        Bailed: the condition of a `jic.bail` holds.
    """
    return _Interpreter(getattr(module, "operation", module), float64).call("main", list(tensors))


class _Interpreter:
    def __init__(self, module: ir.Operation, float64: bool) -> None:
        self.float64 = float64
        self.functions = {
            ir.StringAttr(op.operation.attributes["sym_name"]).value: op.operation
            for op in module.regions[0].blocks[0].operations
            if op.operation.name == "func.func"
        }

    def dtype(self, element: ir.Type) -> torch.dtype:
        dtype = DTYPES[str(element)]
        return torch.float64 if self.float64 and dtype.is_floating_point else dtype

    def call(self, name: str, tensors: list[Tensor]) -> list[Tensor]:
        block = self.functions[name].regions[0].blocks[0]
        if len(tensors) != len(block.arguments):
            raise ValueError(f"@{name} takes {len(block.arguments)} tensors, got {len(tensors)}")
        given = []
        for i, (tensor, argument) in enumerate(zip(tensors, block.arguments, strict=True)):
            type_ = ir.RankedTensorType(argument.type)
            expected = DTYPES[str(type_.element_type)]
            if tensor.dtype != expected and not (self.float64 and tensor.dtype == torch.float64):
                raise ValueError(f"argument #{i} has dtype {tensor.dtype}, expected {expected}")
            tensor = tensor.detach().to(self.dtype(type_.element_type))
            self.expect(tensor, type_, f"argument #{i}")
            given.append(tensor)
        # A result never shares memory with an argument or another result.
        return [t.clone(memory_format=torch.contiguous_format) for t in self.block(block, given, {})]

    def block(self, block: ir.Block, arguments: Sequence[Tensor], outer: dict[ir.Value, Tensor]) -> list[Tensor]:
        """Run `block` and return the operands of its terminator. `outer` holds the values of the regions around it."""
        values = dict(outer)
        values.update(zip(block.arguments, arguments, strict=True))
        for op in block.operations:
            operation = op.operation
            operands = [values[v] for v in operation.operands]
            if operation.name in ("func.return", "jic.yield", "jic.condition"):
                return operands
            results = self.operation(operation, operands, values)
            for i, (value, tensor) in enumerate(zip(operation.results, results, strict=True)):
                self.expect(tensor, ir.RankedTensorType(value.type), f"result #{i} of {operation.name}")
                values[value] = tensor
        raise ValueError("a block has no terminator")

    def operation(self, op: ir.Operation, operands: list[Tensor], values: dict[ir.Value, Tensor]) -> list[Tensor]:
        name = op.name.removeprefix("jic.")
        if op.name == "func.call":
            return self.call(ir.FlatSymbolRefAttr(op.attributes["callee"]).value, operands)
        if name == "fused":
            return self.block(op.regions[0].blocks[0], operands, {})
        if name in CONTROL_FLOW:
            return CONTROL_FLOW[name](self, op, operands, values)
        if name == "aten_call":
            return self.aten_call(op, operands)
        attributes = _attributes(op)
        if name in ("constant", "iota", "convert"):
            type_ = ir.RankedTensorType(op.results[0].type)
            dtype = self.dtype(type_.element_type)
            if name == "constant":
                return [constant(op.attributes["value"]).to(dtype)]
            if name == "convert":
                return [operands[0] != 0 if dtype == torch.bool else operands[0].to(dtype)]
            shape = [1] * type_.rank
            shape[attributes["dim"]] = -1
            return [torch.arange(type_.shape[attributes["dim"]]).reshape(shape).to(dtype).expand(type_.shape)]
        if name in ("reshape", "broadcast", "slice", "dynamic_slice"):
            attributes["shape"] = _shape(ir.RankedTensorType(op.results[0].type))
        if name not in OPS:
            raise ValueError(f"the interpreter knows no {op.name}")
        return [OPS[name](*operands, **attributes)]

    def expect(self, tensor: Tensor, type_: ir.RankedTensorType, what: str) -> None:
        dynamic = ir.ShapedType.get_dynamic_size()
        same = len(tensor.shape) == type_.rank and all(
            b in (a, dynamic) for a, b in zip(tensor.shape, type_.shape, strict=True)
        )
        if not same or tensor.dtype != self.dtype(type_.element_type):
            raise ValueError(f"{what} is {tensor.dtype} {list(tensor.shape)}, expected {type_}")

    def aten_call(self, op: ir.Operation, operands: list[Tensor]) -> list[Tensor]:
        function: Any = torch.ops
        for part in ir.StringAttr(op.attributes["callee"]).value.split("."):
            function = getattr(function, part)
        arguments = [self.argument(a, operands) for a in op.attributes["arguments"]]
        keywords = {n: self.argument(a, operands) for n, a in _named(op.attributes["keywords"])}
        results = function(*arguments, **keywords)
        results = [results] if isinstance(results, Tensor) else list(results)
        results = [r for r in results if isinstance(r, Tensor)]
        types = [ir.RankedTensorType(v.type) for v in op.results]
        if self.float64:  # a factory without a dtype gives the default dtype
            results = [r.to(self.dtype(t.element_type)) for r, t in zip(results, types, strict=True)]
        return [r.contiguous() for r in results]

    def argument(self, attribute: ir.Attribute, operands: list[Tensor]) -> Any:
        """An argument of `jic.aten_call` from its encoding."""
        if isinstance(attribute, ir.UnitAttr):
            return None
        if isinstance(attribute, ir.ArrayAttr):
            return [self.argument(a, operands) for a in attribute]
        if isinstance(attribute, ir.DictAttr):
            ((kind, inner),) = _named(attribute)
            word = ir.StringAttr(inner).value
            if kind == "device":
                return torch.device(word)
            found = getattr(torch, word.removeprefix("torch."))
            return torch.float64 if kind == "dtype" and self.float64 and found.is_floating_point else found
        if isinstance(attribute, ir.BoolAttr):
            return attribute.value
        if isinstance(attribute, ir.IntegerAttr):
            return operands[attribute.value] if isinstance(attribute.type, ir.IndexType) else attribute.value
        if isinstance(attribute, (ir.FloatAttr, ir.StringAttr)):
            return attribute.value
        if isinstance(attribute, ir.DenseI64ArrayAttr):
            return list(attribute)
        raise ValueError(f"no argument of an ATen operator: {attribute}")

    def loop(self, op: ir.Operation, operands: list[Tensor], values: dict[ir.Value, Tensor]) -> list[Tensor]:
        trip_count, *carried = operands
        for i in range(int(trip_count)):
            carried = self.block(op.regions[0].blocks[0], [torch.tensor(i), *carried], values)
        return carried

    def while_(self, op: ir.Operation, operands: list[Tensor], values: dict[ir.Value, Tensor]) -> list[Tensor]:
        before, after = (region.blocks[0] for region in op.regions)
        carried = operands
        while True:
            condition, *forwarded = self.block(before, carried, values)
            if not condition:
                return forwarded
            carried = self.block(after, forwarded, values)

    def if_(self, op: ir.Operation, operands: list[Tensor], values: dict[ir.Value, Tensor]) -> list[Tensor]:
        return self.block(op.regions[0 if operands[0] else 1].blocks[0], [], values)

    def bail(self, op: ir.Operation, operands: list[Tensor], values: dict[ir.Value, Tensor]) -> list[Tensor]:
        if operands[0]:
            raise Bailed(ir.StringAttr(op.attributes["message"]).value)
        return []


CONTROL_FLOW: dict[str, Callable[..., list[Tensor]]] = {
    "loop": _Interpreter.loop,
    "while": _Interpreter.while_,
    "if": _Interpreter.if_,
    "bail": _Interpreter.bail,
}


def constant(value: ir.Attribute) -> Tensor:
    """The tensor of a dense elements attribute."""
    type_ = ir.RankedTensorType(value.type)
    dtype, shape = DTYPES[str(type_.element_type)], list(type_.shape)
    if value.is_splat:
        return torch.full(shape, value.get_splat_value().value, dtype=dtype)
    if dtype != torch.bfloat16:
        return torch.from_numpy(np.array(value)).reshape(shape)
    return _bf16(str(value), shape)


def _bf16(text: str, shape: list[int]) -> Tensor:
    """The bindings cannot read bf16 elements, so they are read from the attribute's text."""
    body = text[text.index("<") + 1 : text.rindex(">", 0, text.rindex(":"))]
    if body.startswith('"'):
        bits = torch.frombuffer(bytearray.fromhex(body.strip('"')[2:]), dtype=torch.int16)
        return bits.view(torch.bfloat16).reshape(shape)
    numbers = re.findall(r"0x[0-9A-Fa-f]+|[-+.0-9eE]+", body)
    values = [
        torch.tensor([int(n, 16)], dtype=torch.int32).to(torch.int16).view(torch.bfloat16)
        if n.startswith("0x")
        else torch.tensor([float(n)], dtype=torch.bfloat16)
        for n in numbers
    ]
    return torch.cat(values).reshape(shape) if values else torch.empty(shape, dtype=torch.bfloat16)


def _named(attributes: Any) -> list[tuple[str, ir.Attribute]]:
    return [(attributes[i].name, attributes[i].attr) for i in range(len(attributes))]


# What a pass has found out about an op, and what changes nothing about its meaning; see `FusedOp`.
_NOTES = ("rows", "row_dims", "row_dim", "weight")


def _attributes(op: ir.Operation) -> dict[str, Any]:
    """The op's attributes as Python values; what is no number, string or list of integers is left out."""
    found: dict[str, Any] = {}
    for name, attribute in _named(op.attributes):
        if isinstance(attribute, (ir.BoolAttr, ir.IntegerAttr, ir.FloatAttr, ir.StringAttr)):
            found[name] = attribute.value
        elif isinstance(attribute, ir.DenseI64ArrayAttr):
            found[name] = list(attribute)
    return {n: v for n, v in found.items() if not n.startswith("jic.") and n not in _NOTES}


def _shape(type_: ir.RankedTensorType) -> list[int]:
    """The result's shape; one dynamic dim follows from the number of elements."""
    return [-1 if d == ir.ShapedType.get_dynamic_size() else d for d in type_.shape]
