"""The walk over a torch-dialect function, the registry of conversions, and what they share.

A conversion is a function `(c, *arguments) -> value or values`, registered under the op's names ("aten.add.Tensor").
Its arguments are those of the op's schema: tensors are `ir.Value`s of builtin tensor types, the rest is Python
(numbers, None, strings, lists, torch.dtype). `c` is the `Conversion`, which knows the op's result types. A conversion
that cannot express the op raises `NotConverted`, and the op becomes a `jic.aten_call`.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch_mlir import ir

from jic.dialects import build as b

from ...errors import CaptureError
from . import opaque

Scalar = float | int | bool
_CONVERSIONS: dict[str, Callable[..., Any]] = {}
_VTENSOR = re.compile(r"!torch\.vtensor<\[([\d,]*)\],(\w+)>")
_ELEMENTS = {"si8": "i8", "si16": "i16", "si32": "i32", "si64": "i64"}
_DTYPES = {
    "f16": torch.float16, "bf16": torch.bfloat16, "f32": torch.float32, "f64": torch.float64, "i1": torch.bool,
    "i8": torch.int8, "i16": torch.int16, "i32": torch.int32, "i64": torch.int64, "ui8": torch.uint8,
}  # fmt: skip
_NAMES = {dtype: name for name, dtype in _DTYPES.items()}


_REGION_CONVERSIONS: dict[str, Callable[[Conversion, ir.Operation], Sequence[ir.Value]]] = {}
_TERMINATORS = ("func.return", "torch.prim.Loop.condition", "torch.prim.If.yield", "torch.operator_terminator")
# The importer's way to pass a bool where a number is expected, and a number where a tensor is, and the other way round.
_PASSED_ON = (
    "torch.aten.Int.bool",
    "torch.prim.NumToTensor.Scalar",
    "torch.aten.Int.Tensor",
    "torch.aten.Bool.Tensor",
)


class NotConverted(Exception):
    """The op cannot be expressed in `jic` for these arguments; the message is the reason that users read."""


def converts(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a conversion for the ops `names`."""

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        for name in names:
            if name in _CONVERSIONS:
                raise ValueError(f"{name} has two conversions")
            _CONVERSIONS[name] = function
        return function

    return register


def converts_regions(name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register the conversion `(c, op) -> values` of the op with regions `name`."""

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        _REGION_CONVERSIONS[name] = function
        return function

    return register


def is_converted(name: str) -> bool:
    """True if the op has a conversion (which may still refuse some arguments)."""
    return name in _CONVERSIONS


def type_of(value: ir.Value) -> ir.RankedTensorType:
    return ir.RankedTensorType(value.type)


def shape_of(value: ir.Value) -> list[int]:
    return list(type_of(value).shape)


def element_of(value: ir.Value) -> ir.Type:
    return type_of(value).element_type


def rank_of(value: ir.Value) -> int:
    return type_of(value).rank


def dtype_of(element: ir.Type) -> torch.dtype:
    return _DTYPES[str(element)]


def element_type(dtype: torch.dtype) -> ir.Type:
    """The MLIR element type; needs a current context."""
    if dtype not in _NAMES:
        raise NotConverted(f"dtype {dtype}")
    return ir.Type.parse(_NAMES[dtype])


def is_float(element: ir.Type) -> bool:
    return dtype_of(element).is_floating_point


def is_bool(element: ir.Type) -> bool:
    return dtype_of(element) == torch.bool


def opmath(element: ir.Type) -> ir.Type:
    """The type PyTorch computes in: f32 for f16 and bf16."""
    return ir.F32Type.get() if isinstance(element, (ir.F16Type, ir.BF16Type)) else element


def wrap_dim(dim: int, rank: int) -> int:
    return dim + max(rank, 1) if dim < 0 else dim


@functools.lru_cache(maxsize=256)
def _example(dtype: torch.dtype, scalar: bool) -> torch.Tensor:
    return torch.empty([] if scalar else [1], dtype=dtype, device="meta")


class Conversion:
    """Converts one torch-dialect function; conversions use it to read the current op and to build common patterns."""

    def __init__(self, context: ir.Context, literals: dict[ir.Value, torch.Tensor], names: Sequence[str]) -> None:
        self.context, self.literals, self.names = context, literals, names
        self.values: dict[ir.Value, Any] = {}
        self.types: list[ir.RankedTensorType] = []

    def run(self, main: ir.Operation) -> ir.Module:
        """A new module with `main` converted."""
        source = main.regions[0].blocks[0]
        with self.context, ir.Location.unknown():
            module = ir.Module.create()
            inputs = [self.convert_type(a.type) for a in source.arguments]
            with ir.InsertionPoint(module.body):
                target = ir.Operation.create(
                    "func.func",
                    attributes={
                        "sym_name": ir.StringAttr.get("main"),
                        "function_type": ir.TypeAttr.get(ir.FunctionType.get(inputs, [])),
                        "arg_attrs": ir.ArrayAttr.get(
                            [ir.DictAttr.get({"jic.name": ir.StringAttr.get(n)}) for n in self.names]
                        ),
                    },
                    regions=1,
                )
            block = target.regions[0].blocks.append(*inputs)
            self.values.update(zip(source.arguments, block.arguments, strict=True))
            with ir.InsertionPoint(block):
                results = self._convert_main(source)
            types = ir.FunctionType.get(inputs, [v.type for v in results])
            target.attributes["function_type"] = ir.TypeAttr.get(types)
            _erase_unused(block)
        return module

    def _convert_main(self, source: ir.Block) -> list[ir.Value]:
        results = self.convert_block(source, [])
        ir.Operation.create("func.return", operands=results)
        return results

    def convert_block(self, source: ir.Block, arguments: Sequence[ir.Value]) -> list[ir.Value]:
        """Convert the ops of `source`, whose arguments are `arguments`, at the insertion point; what its terminator takes."""
        if arguments:
            self.values.update(zip(source.arguments, arguments, strict=True))
        for view in source.operations:
            op = view.operation
            if op.name in _TERMINATORS:
                return [self.values[v] for v in op.operands]
            with op.location:
                self._convert_op(op, op.name)
        raise AssertionError("a block has no terminator")

    def _convert_op(self, op: ir.Operation, name: str) -> None:
        if name.startswith("torch.constant."):
            self.values[op.result] = _constant(op, name)
        elif name == "torch.prim.ListConstruct":
            self.values[op.result] = [self.values[v] for v in op.operands]
        elif name in _PASSED_ON:
            self.values[op.result] = self.values[op.operands[0]]
        elif name == "torch.prim.ListUnpack":
            self.values.update(zip(op.results, self.values[op.operands[0]], strict=True))
        elif name == "torch.vtensor.literal":
            self.values[op.result] = self._literal(self.literals[op.result])
        else:
            if name == "torch.operator":
                name = ir.StringAttr(op.attributes["name"]).value
            if name in _REGION_CONVERSIONS:
                self.values.update(zip(op.results, _REGION_CONVERSIONS[name](self, op), strict=True))
                return
            self._convert_call(op, name.removeprefix("torch."))

    def _convert_call(self, op: ir.Operation, name: str) -> None:
        arguments = opaque.decode(name, [self.values[v] for v in op.operands])
        is_list = len(op.results) == 1 and str(op.results[0].type).startswith("!torch.list")
        # An op with an output mask gives None for some results: they are left out.
        results = [] if is_list else [r for r in op.results if str(r.type) != "!torch.none"]
        self.types = [self.convert_type(r.type) for r in results]
        reason = "no conversion for this op"
        if name in _CONVERSIONS:
            try:
                converted = _CONVERSIONS[name](self, *arguments)
            except NotConverted as error:
                reason = str(error)
            else:
                self._bind(op, name, converted, is_list)
                return
        if is_list:
            types = self._list_types(op)
            call = opaque.call(name, arguments, types, reason)
            self.values[op.result] = list(call.results)
            return
        self._bind(op, name, list(opaque.call(name, arguments, self.types, reason).results), False)

    def _bind(self, op: ir.Operation, name: str, converted: Any, is_list: bool) -> None:
        if is_list:
            self.values[op.results[0]] = list(converted)
            return
        values = [v for v in converted if v is not None] if isinstance(converted, (list, tuple)) else [converted]
        if len(values) != len(self.types):
            raise AssertionError(f"{name}: the conversion gives {len(values)} values, expected {len(self.types)}")
        results = [r for r in op.results if str(r.type) != "!torch.none"]
        for result, value, type_ in zip(results, values, self.types, strict=True):
            if value.type != type_:
                raise AssertionError(f"{name}: the conversion gives {value.type}, expected {type_}")
            self.values[result] = value

    def _list_types(self, op: ir.Operation) -> list[ir.Type]:
        """The element types of a list result: those of the `ListUnpack` that takes it apart."""
        for use in op.results[0].uses:
            owner = use.owner.operation
            if owner.name == "torch.prim.ListUnpack":
                return [self.convert_type(r.type) for r in owner.results]
        raise CaptureError(f"{op.name} returns a list that is used whole")

    def convert_type(self, type_: ir.Type) -> ir.RankedTensorType:
        match = _VTENSOR.fullmatch(str(type_))
        if match is None or _ELEMENTS.get(match[2], match[2]) not in _DTYPES:
            raise CaptureError(f"jic has no type for {type_}")
        shape = [int(d) for d in match[1].split(",") if d]
        return ir.RankedTensorType.get(shape, ir.Type.parse(_ELEMENTS.get(match[2], match[2])))

    def _literal(self, tensor: torch.Tensor) -> ir.Value:
        return self.constant(tensor)

    def constant(self, tensor: torch.Tensor) -> ir.Value:
        """A constant with the elements of `tensor`."""
        element, shape = element_type(tensor.dtype), list(tensor.shape)
        values = tensor.detach().flatten().tolist()
        if not values:
            return b.splat(shape, element, 0)
        if len(values) == 1:
            return b.splat(shape, element, values[0])
        attributes = [b.scalar(element, v) for v in values]
        return b.constant(ir.DenseElementsAttr.get(attributes, b.tensor_type(shape, element)))

    # What conversions read.

    @property
    def type(self) -> ir.RankedTensorType:
        return self.types[0]

    @property
    def shape(self) -> list[int]:
        return list(self.types[0].shape)

    @property
    def element(self) -> ir.Type:
        return self.types[0].element_type

    def promote(self, *operands: ir.Value | Scalar) -> ir.Type:
        """The common element type by PyTorch's promotion rules (dimension, zero-dim and Python scalar operands)."""
        examples = [
            _example(dtype_of(element_of(o)), rank_of(o) == 0) if isinstance(o, ir.Value) else o for o in operands
        ]
        found = functools.reduce(
            lambda a, c: _example(torch.result_type(a, c), _is_scalar(a) and _is_scalar(c)), examples[1:], examples[0]
        )
        if not isinstance(found, torch.Tensor):
            found = torch.tensor(found)
        return element_type(found.dtype)

    # What conversions build.

    def operand(self, value: ir.Value | Scalar, element: ir.Type, shape: Sequence[int]) -> ir.Value:
        """A tensor or a number as a tensor of this element type and shape."""
        if not isinstance(value, ir.Value):
            return b.splat(shape, element, value)
        return b.broadcast(b.convert(value, element), shape)

    def map(
        self,
        emit: Callable[..., ir.Value],
        *operands: ir.Value | Scalar,
        element: ir.Type | None = None,
        exact: bool = False,
    ) -> ir.Value:
        """An elementwise result of the op's type: operands are promoted, broadcast and given to `emit`.

        `element` is the type that operands are converted to (the result's if None). f16 and bf16 are computed in f32,
        unless the computation is `exact` in any type.
        """
        element = element or self.element
        math = element if exact else opmath(element)
        values = [self.operand(o, math, self.shape) for o in operands]
        return b.convert(emit(*values), self.element)


def _is_scalar(example: Any) -> bool:
    return not isinstance(example, torch.Tensor) or example.dim() == 0


def _constant(op: ir.Operation, name: str) -> Any:
    kind = name.removeprefix("torch.constant.")
    if kind == "none":
        return None
    value = op.attributes["value"]
    if kind == "device":
        return torch.device(ir.StringAttr(value).value)
    if kind == "bool":
        return bool(value.value)
    return value.value


def _erase_unused(block: ir.Block) -> None:
    """Erase ops without users, last first, except ATen calls that draw random numbers or only have effects, and bails."""
    for view in reversed(list(block.operations)):
        op = view.operation
        if op.name in ("func.return", "jic.yield", "jic.condition"):
            continue
        if any(next(iter(r.uses), None) is not None for r in op.results) or _has_effect(op):
            for region in op.regions:
                _erase_unused(region.blocks[0])
        else:
            op.erase()


def _has_effect(op: ir.Operation) -> bool:
    if op.name == "jic.aten_call":
        return opaque.has_effect(ir.StringAttr(op.attributes["callee"]).value)
    return op.name == "jic.bail" or any(
        _has_effect(inner.operation) for region in op.regions for inner in region.blocks[0].operations
    )
