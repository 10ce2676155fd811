"""The lowered program as IR: a `@main` on memrefs whose body is launches, ATen calls, copies and jumps, for reading.

func.func @main(%in0: memref<32xf32>, %out0: memref<32xf32>, %ws: memref<128xi8>) {
  %0 = memref.view %ws[0] : memref<32xf32>
  jic.launch(%in0, %0) {kernel = @k0, …}
  jic.launch(%0, %out0) {kernel = @k1, …}

Jumps are branches of the `cf` dialect between blocks; a loop's counter is loaded, increased and stored. Checks are not shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import prod
from typing import Any

from torch_mlir import ir

from jic.dialects import build as b

from ..ir import ops
from ..kernel.elements import storage
from .backend import Backend
from .lower import lower, main_of
from .sharing import extent
from .steps import HostProgram, Slot, Step


def replace_by_launches(module: ir.Operation, backend: Backend, functions: Callable[[], Iterable[ir.OpView]]) -> None:
    """Lower `module` in place: what `functions` gives after the lowering, and `@main` as launches, are all it then holds."""
    block = module.regions[0].blocks[0]
    with module.context, ir.Location.unknown():
        main = main_of(block)
        program = lower(main, backend)
        old = [op.operation for op in block.operations]
        for op in functions():
            block.append(op.operation.clone())
        main_of_launches(program, main, block)
        for op in reversed(old):
            op.erase()


def main_of_launches(program: HostProgram, main: ir.Operation, into: ir.Block) -> None:
    """Append `program`, lowered from `main`, to `into`, which holds its kernels."""
    inputs = [Slot("input", i, *extent(a)) for i, a in enumerate(main.regions[0].blocks[0].arguments)]
    types = [_memref(s) for s in [*inputs, *program.outputs]]
    workspace = ir.MemRefType.get([max(1, program.workspace)], ops.element_type("i8"))
    types.append(workspace)
    attributes = {
        "sym_name": b.string("main"),
        "function_type": ir.TypeAttr.get(ir.FunctionType.get(types, [])),
    }
    with ir.InsertionPoint(into):
        function = ir.Operation.create("func.func", attributes=attributes, regions=1)
    block = function.regions[0].blocks.append(*types)
    arguments = list(block.arguments)
    bases = {"input": arguments[: len(inputs)], "output": arguments[len(inputs) : -1]}
    starts = {0, *(s.to.step for s in program.steps if s.to is not None)}
    starts |= {i + 1 for i, s in enumerate(program.steps) if s.to is not None}
    blocks = {start: function.regions[0].blocks.append() if start else block for start in sorted(starts)}
    with ir.InsertionPoint(block):
        writer = _Writer(program, bases, arguments[-1], blocks)
        if len(blocks) > 1:  # what all blocks use is made in the first
            for step in program.steps:
                for slot in step.slots:
                    if slot.kind != "value":
                        writer.buffer(slot)
    at = block
    for number in range(len(program.steps) + 1):
        if number in blocks:
            if number and not _ends(program.steps[number - 1]):
                with ir.InsertionPoint(at):
                    writer.branch(number)
            at = blocks[number]
        with ir.InsertionPoint(at):
            if number < len(program.steps):
                writer.step(program.steps[number], number)
            else:
                ops.op("func.return", [], None)


def _ends(step: Step) -> bool:
    return step.to is not None


def _memref(slot: Slot) -> ir.Type:
    return ir.MemRefType.get([slot.elements], storage(slot.element))


class _Writer:
    def __init__(
        self, program: HostProgram, bases: dict[str, list[ir.Value]], workspace: ir.Value, blocks: dict[int, ir.Block]
    ) -> None:
        self.program, self.bases, self.workspace, self.blocks = program, bases, workspace, blocks
        self.made: dict[tuple[str, int, ir.Type], ir.Value] = {}

    def buffer(self, slot: Slot) -> ir.Value:
        """The memref of a slot, made where it is first needed."""
        if slot.kind in self.bases:
            return self.bases[slot.kind][slot.index]
        type_ = _memref(slot) if slot.elements else ir.MemRefType.get([slot.bytes], ops.element_type("i8"))
        key = (slot.kind, slot.index, type_)
        if key not in self.made:
            self.made[key] = self._make(slot, type_)
        return self.made[key]

    def _make(self, slot: Slot, type_: ir.Type) -> ir.Value:
        if slot.kind == "workspace":
            offset = self.program.ranges[slot.index].offset
            return ops.op("memref.view", [self.workspace, ops.index(offset)], type_)
        tensor = ir.RankedTensorType.get(type_.shape, type_.element_type)  # type: ignore[attr-defined]
        if slot.kind == "constant":
            value = b.reshape(b.constant(self.program.constants[slot.index]), list(tensor.shape))
            return ops.op("bufferization.to_buffer", [value], type_, {"read_only": ir.UnitAttr.get()})
        raise KeyError(f"value {slot.index} is used before the call that makes it")

    def branch(self, to: int) -> None:
        ir.Operation.create("cf.br", successors=[self.blocks[to]])

    def _branch_if(self, condition: ir.Value, then: int, otherwise: int) -> None:
        sizes = {"operandSegmentSizes": ir.DenseI32ArrayAttr.get([1, 0, 0])}
        successors = [self.blocks[then], self.blocks[otherwise]]
        ir.Operation.create("cf.cond_br", operands=[condition], attributes=sizes, successors=successors)

    def _load(self, slot: Slot) -> ir.Value:
        buffer = self.buffer(slot)
        return ops.op("memref.load", [buffer, ops.index(0)], ir.MemRefType(buffer.type).element_type)

    def _is(self, slot: Slot, predicate: str) -> ir.Value:
        value = self._load(slot)
        return ops.cmpi(predicate, value, ops.constant(value.type, 0))

    def step(self, step: Step, number: int) -> None:
        """Append step `number`."""
        to = number + 1 if step.to is None else step.to.step
        if step.op == "jump":
            self.branch(to)
        elif step.op == "branch":
            self._branch_if(self._is(step.slots[0], "ne"), number + 1, to)
        elif step.op == "set":
            value = ops.constant(ops.element_type("i64"), step.value)
            ops.op("memref.store", [value, self.buffer(step.slots[0]), ops.index(0)], None)
        elif step.op == "count":
            counter = self._load(step.slots[0])
            counter = ops.binary("arith.addi", counter, ops.constant(counter.type, 1))
            ops.op("memref.store", [counter, self.buffer(step.slots[0]), ops.index(0)], None)
            self._branch_if(ops.cmpi("slt", counter, self._load(step.slots[1])), to, number + 1)
        elif step.op == "copy":
            ops.op("memref.copy", [self.buffer(s) for s in step.slots], None)
        elif step.op == "bail":
            ops.op("cf.assert", [self._is(step.slots[0], "eq")], None, {"msg": b.string(step.name)})
        elif step.launch is not None:
            launch = step.launch
            attributes: dict[str, Any] = {
                "kernel": ir.FlatSymbolRefAttr.get(launch.kernel),
                "inputs": b.i64(step.inputs),
                "tasks": b.i64(launch.tasks),
                "cost": b.i64(launch.cost),
                "scratch": b.i64(launch.scratch),
            }
            b.op("launch", [self.buffer(s) for s in step.slots], [], attributes)
        elif step.op == "aten":
            call = step.call
            assert call is not None
            results = [ir.MemRefType.get(v.type.shape, storage(str(v.type.element_type))) for v in call.results]
            attributes = {call.attributes[i].name: call.attributes[i].attr for i in range(len(call.attributes))}
            made = b.op("aten_call", [self.buffer(s) for s in step.slots], results, attributes)
            for i, value in enumerate(made.results):
                shape = list(ir.MemRefType(value.type).shape)
                flat = ir.MemRefType.get([prod(shape)], ir.MemRefType(value.type).element_type)
                if shape != list(flat.shape):
                    groups = ir.ArrayAttr.get(
                        [ir.ArrayAttr.get([b.i64(d) for d in range(len(shape))])] if shape else []
                    )
                    value = (
                        ops.op("memref.collapse_shape", [value], flat, {"reassociation": groups}) if shape else value
                    )
                self.made["value", step.first_value + i, flat] = value
