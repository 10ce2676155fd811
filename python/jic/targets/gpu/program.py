"""The host side of a compiled program: which kernels run in what order on which buffers.

A plan is what docs/architecture.md calls a manifest: inputs, outputs, constants, one workspace, and steps. Steps of GPU
targets are launches (`grid` and `block` beside the buffers, and the bytes of each buffer in `sizes`) and copies, which
stand for results that no kernel writes: a returned input, constant or other result.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
from torch_mlir import ir

from jic.errors import LoweringError, UnsupportedError

from ..kernel.elements import DTYPES
from ..kernel.region import Region, parse, source_line, value_of
from . import pointwise, reduction
from .target import BYTES, GpuTarget, Launch

TEMPLATES: dict[str, Callable[[Region, str, ir.Context, GpuTarget], Launch]] = {
    "pointwise": pointwise.lower,
    "reduction": reduction.lower,
}
ALIGNMENT = 256  # the largest that a Vulkan device may ask of a buffer's offset

Slot = tuple[str, int]


@dataclass
class Program:
    """A lowered program: its kernels and its manifest (without the key `target`)."""

    launches: list[Launch] = field(default_factory=list)
    manifest: dict[str, Any] = field(default_factory=dict)
    constants: bytes = b""


@dataclass
class _Value:
    """A tensor of `@main`: where it is, and the steps between which it is needed there."""

    slot: Slot
    element: str
    shape: tuple[int, ...]

    @property
    def bytes(self) -> int:
        return prod(self.shape) * BYTES[self.element]


def lower(module: ir.Module, target: GpuTarget) -> Program:
    """Lower `@main` of `module`, which is at the level "kernels" of docs/architecture.md and stays as it is.

    Raises:
        UnsupportedError: it holds an `aten_call`, control flow, a kind of kernel without a GPU template, a dtype or a
            dynamic shape.
    """
    main = next(
        (
            op.operation
            for op in module.body.operations
            if op.operation.name == "func.func" and ir.StringAttr(op.operation.attributes["sym_name"]).value == "main"
        ),
        None,
    )
    if main is None:
        raise LoweringError("the module has no function @main")
    return _Planner(module.context, target).run(main.regions[0].blocks[0])


class _Planner:
    def __init__(self, context: ir.Context, target: GpuTarget) -> None:
        self.context, self.target = context, target
        self.values: dict[ir.Value, _Value] = {}
        self.steps: list[dict[str, Any]] = []
        self.launches: list[Launch] = []
        self.constants: list[tuple[int, int]] = []
        self.blob = bytearray()
        # number of a temporary -> (bytes, first step, last step)
        self.temporaries: dict[int, tuple[int, int, int]] = {}

    def run(self, block: ir.Block) -> Program:
        operations = [op.operation for op in block.operations]
        results = list(operations[-1].operands)
        inputs = [self._describe(a, ("input", i)) for i, a in enumerate(block.arguments)]
        self.returned = self._returned(results)
        for op in operations[:-1]:
            self._operation(op)
        outputs = []
        for i, result in enumerate(results):
            value = self.values[result]
            outputs.append(value)
            if value.slot != ("output", i):
                self._use(value.slot)
                self.steps.append({"op": "copy", "from": value.slot, "to": ("output", i), "size": value.bytes})
        offsets, size = self._place()
        return Program(
            launches=self.launches,
            manifest={
                "format": 1,
                "inputs": [_described(v) for v in inputs],
                "outputs": [_described(v) for v in outputs],
                "workspace": size,
                "constants": [list(c) for c in self.constants],
                "steps": [_resolved(step, offsets) for step in self.steps],
            },
            constants=bytes(self.blob),
        )

    def _returned(self, results: list[ir.Value]) -> dict[ir.Value, int]:
        """For each value that is returned, also through reshapes, the first output that it is."""
        found: dict[ir.Value, int] = {}
        for i, value in enumerate(results):
            while not isinstance(value.owner, ir.Block) and value.owner.name == "jic.reshape":
                value = value.owner.operands[0]
            found.setdefault(value, i)
        return found

    def _describe(self, value: ir.Value, slot: Slot) -> _Value:
        type_ = ir.RankedTensorType(value.type)
        element = str(type_.element_type)
        if element not in BYTES:
            raise UnsupportedError(f"a tensor of {element} has no GPU implementation")
        if not type_.has_static_shape:
            raise UnsupportedError(f"a tensor of the dynamic type {type_}", hint="compile with static shapes")
        self.values[value] = _Value(slot, element, tuple(type_.shape))
        return self.values[value]

    def _operation(self, op: ir.Operation) -> None:
        if op.name == "jic.fused":
            self._fused(op)
        elif op.name == "jic.reshape":
            source = self.values[op.operands[0]]
            self.values[op.results[0]] = _Value(source.slot, source.element, tuple(op.results[0].type.shape))
        elif op.name == "jic.constant":
            self._constant(op)
        elif op.name == "jic.aten_call":
            callee = ir.StringAttr(op.attributes["callee"]).value
            raise UnsupportedError(f"{callee} is run by ATen, not on this target", location=source_line(op))
        elif op.name in ("jic.loop", "jic.while", "jic.if", "jic.bail"):
            raise UnsupportedError(
                f"control flow ({op.name}) has no GPU implementation",
                hint="unroll the loop, or compile for the cpu",
                location=source_line(op),
            )
        else:
            raise UnsupportedError(f"{op.name} has no GPU implementation", location=source_line(op))

    def _constant(self, op: ir.Operation) -> None:
        value = self._describe(op.results[0], ("constant", len(self.constants)))
        raw = constant_bytes(op.attributes["value"], value.element, prod(value.shape))
        self.blob += bytes(-len(self.blob) % 64)
        self.constants.append((len(self.blob), len(raw)))
        self.blob += raw

    def _fused(self, op: ir.Operation) -> None:
        kind = ir.StringAttr(op.attributes["kind"]).value
        if kind not in TEMPLATES:  # the body of some kinds is more than a region can hold
            raise UnsupportedError(f"a kernel of kind '{kind}' has no GPU template", location=source_line(op))
        region = parse(op)
        values = [self.values[v] for v in op.operands]
        for result in op.results:
            number = self.returned.get(result)
            slot = ("temporary", len(self.temporaries)) if number is None else ("output", number)
            value = self._describe(result, slot)
            if slot[0] == "temporary":
                self.temporaries[slot[1]] = (value.bytes, len(self.steps), len(self.steps))
            values.append(value)
        if all(prod(v.shape) == 0 for v in values[len(op.operands) :]):
            return
        name = f"k{len(self.launches)}_" + "_".join(dict.fromkeys(o for o in region.ops if o not in _SILENT))[:40]
        launch = TEMPLATES[kind](region, name.rstrip("_"), self.context, self.target)
        self.launches.append(launch)
        for value in values:
            self._use(value.slot)
        self.steps.append(
            {
                "op": "launch",
                "kernel": launch.name,
                "buffers": [v.slot for v in values],
                "sizes": [v.bytes for v in values],
                "inputs": launch.inputs,
                "grid": list(launch.grid),
                "block": list(launch.block),
                "name": "_".join(o for o in region.ops if o not in _SILENT) or "copy",
                "location": source_line(op),
            }
        )

    def _use(self, slot: Slot) -> None:
        if slot[0] == "temporary":
            size, first, _ = self.temporaries[slot[1]]
            self.temporaries[slot[1]] = (size, first, len(self.steps))

    def _place(self) -> tuple[dict[int, int], int]:
        """Offsets of the temporaries in the workspace, and its size: largest first, each at the lowest free place."""
        placed: list[tuple[int, int, int, int]] = []  # (offset, end, first step, last step)
        offsets: dict[int, int] = {}
        for number, (size, first, last) in sorted(self.temporaries.items(), key=lambda t: -t[1][0]):
            at = 0
            for start, end, begun, ended in sorted(placed):
                if begun <= last and first <= ended and at < end and start < at + size:
                    at = end + -end % ALIGNMENT
            offsets[number] = at
            placed.append((at, at + size, first, last))
        return offsets, max((end for _, end, _, _ in placed), default=0)


_SILENT = ("constant", "broadcast", "reshape", "transpose", "slice", "convert", "iota")


def _described(value: _Value) -> dict[str, Any]:
    return {"dtype": DTYPES[value.element], "shape": list(value.shape)}


def _resolved(step: dict[str, Any], offsets: dict[int, int]) -> dict[str, Any]:
    """`step` with its slots as lists, and places in the workspace for temporaries."""

    def slot(s: Slot) -> list[Any]:
        return ["workspace", offsets[s[1]]] if s[0] == "temporary" else list(s)

    if step["op"] == "copy":
        return {**step, "from": slot(step["from"]), "to": slot(step["to"])}
    return {**step, "buffers": [slot(s) for s in step["buffers"]]}


_FORMATS = {"f64": "<d", "f32": "<f", "f16": "<e", "i64": "<q", "i32": "<i", "i16": "<h", "i8": "<b"}


def constant_bytes(attribute: ir.Attribute, element: str, count: int) -> bytes:
    """The elements of a dense attribute as they lie in memory."""
    if isinstance(attribute, ir.DenseElementsAttr) and attribute.is_splat:
        return _scalar_bytes(value_of(attribute), element) * count
    if isinstance(attribute, ir.DenseElementsAttr) and element == "i1":
        return b"".join(bytes([bool(v)]) for v in ir.DenseIntElementsAttr(attribute))
    if isinstance(attribute, ir.DenseElementsAttr) and element == "bf16":
        return b"".join(_scalar_bytes(v, element) for v in ir.DenseFPElementsAttr(attribute))
    return np.ascontiguousarray(np.array(attribute)).tobytes()


def _scalar_bytes(value: Any, element: str) -> bytes:
    if element in ("i1", "ui8"):
        return bytes([int(value)])
    if element == "bf16":  # every bf16 is an f32 whose lower half is zero
        return struct.pack("<f", value)[2:]
    return struct.pack(_FORMATS[element], value)
