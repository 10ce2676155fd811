"""`@main` at the kernels level to kernel functions and a `@main` of launches on planned memory.

    func.func @main(%x: tensor<64xf32>) -> tensor<64xf32>          func.func @main(%x: memref<64xf32>, %out: memref<64xf32>, …)
      %0 = jic.fused(%x) {kind = "pointwise"} …              →        jic.launch(%x, %ws) {kernel = @k0, …}
      %1 = jic.fused(%0) {kind = "reduction"} …                       jic.launch(%ws, %out) {kernel = @k1, …}

Every tensor is a contiguous buffer: an input, an output, a constant, a range of the workspace, or the result of an ATen call.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod

from torch_mlir import ir

from jic.errors import LoweringError

from ..common.region import Node, Region, parse, source_line
from . import templates
from .kernel import Buffer, KernelModule, Lowered
from .machine import ELEMENT_BYTES, Machine
from .plan import Range, assign
from .templates import pointwise as copy_template
from .templates import recurrence as recurrence_template


@dataclass
class Slot:
    """A buffer: `kind` is input, output, constant, workspace or value; `index` numbers it (workspace: its range)."""

    kind: str
    index: int
    elements: int
    element: str

    @property
    def bytes(self) -> int:
        return self.elements * ELEMENT_BYTES[self.element]


@dataclass
class Step:
    """A launch, an ATen call (whose results are the values from `first_value` on), or a check of a status buffer."""

    op: str
    slots: list[Slot]
    name: str = ""
    location: str = ""
    inputs: int = 0
    kernel: str = ""
    tasks: int = 0
    cost: int = 0
    scratch: int = 0
    call: ir.Operation | None = None
    first_value: int = 0
    ops: list[str] = field(default_factory=list)


@dataclass
class Program:
    """Steps in order, the workspace's ranges, and the constants."""

    steps: list[Step] = field(default_factory=list)
    ranges: list[Range] = field(default_factory=list)
    constants: list[ir.Attribute] = field(default_factory=list)
    values: int = 0
    workspace: int = 0
    outputs: list[Slot] = field(default_factory=list)


def lower(main: ir.Operation, kernels: KernelModule, machine: Machine) -> Program:
    """Lower every kernel of `main` into `kernels` and plan the memory between them."""
    return _Lowering(main, kernels, machine).run()


class _Lowering:
    def __init__(self, main: ir.Operation, kernels: KernelModule, machine: Machine) -> None:
        self.main, self.kernels, self.machine = main, kernels, machine
        self.program = Program()
        self.slots: dict[ir.Value, Slot] = {}
        self.cache: dict[str, tuple[Lowered, Region]] = {}

    def run(self) -> Program:
        block = self.main.regions[0].blocks[0]
        for i, argument in enumerate(block.arguments):
            elements, element = extent(argument)
            self.slots[argument] = Slot("input", i, elements, element)
        operations = [op.operation for op in block.operations]
        self._place_outputs(operations)
        for op in operations:
            if op.name == "jic.fused":
                self._fused(op)
            elif op.name == "jic.reshape":
                source = self.slots[op.operands[0]]
                if op.results[0] not in self.slots:
                    self.slots[op.results[0]] = source
            elif op.name == "jic.constant":
                elements, element = extent(op.results[0])
                self.slots[op.results[0]] = Slot("constant", len(self.program.constants), elements, element)
                self.program.constants.append(op.attributes["value"])
            elif op.name == "jic.aten_call":
                self._aten(op)
            elif op.name == "func.return":
                self._return(op)
            else:
                raise LoweringError(
                    f"{op.name} is not allowed at the kernels level",
                    hint="run jic-form-kernels before lowering",
                    location=source_line(op),
                )
        self._plan()
        return self.program

    # ---- buffers ----

    def _place_outputs(self, operations: list[ir.Operation]) -> None:
        """Kernel results that are returned (perhaps reshaped) are written straight to the output, the first time."""
        returned = operations[-1]
        for i, value in enumerate(returned.operands):
            root = value
            while not isinstance(root.owner, ir.Block) and root.owner.operation.name == "jic.reshape":
                root = root.owner.operation.operands[0]
            owned = not isinstance(root.owner, ir.Block) and root.owner.operation.name == "jic.fused"
            elements, element = extent(value)
            if owned and root not in self.slots:
                self.slots[root] = Slot("output", i, elements, element)

    def _temporary(self, elements: int, element: str, size: int | None = None) -> Slot:
        self.program.ranges.append(Range(elements * ELEMENT_BYTES[element] if size is None else size, 1 << 30, -1))
        return Slot("workspace", len(self.program.ranges) - 1, elements, element)

    def _add(self, step: Step) -> None:
        number = len(self.program.steps)
        for slot in step.slots:
            if slot.kind == "workspace":
                life = self.program.ranges[slot.index]
                life.first, life.last = min(life.first, number), max(life.last, number)
        self.program.steps.append(step)

    def _plan(self) -> None:
        last = len(self.program.steps)
        for step in self.program.steps:
            if step.op == "check":  # a status buffer is zeroed once, so nobody else may use its bytes
                life = self.program.ranges[step.slots[0].index]
                life.first, life.last = 0, last
        self.program.workspace = assign(self.program.ranges)

    # ---- steps ----

    def _fused(self, op: ir.Operation) -> None:
        arguments = [self.slots[v] for v in op.operands]
        results = []
        for value in op.results:
            if value not in self.slots:
                self.slots[value] = self._temporary(*extent(value))
            results.append(self.slots[value])
        if any(r.elements for r in results):  # a kernel without results of any size has nothing to do
            if ir.StringAttr(op.attributes["kind"]).value == "recurrence":
                self._recurrence(op, arguments, results)
            else:
                self._emit(parse(op), arguments, results, source_line(op))

    def _recurrence(self, op: ir.Operation, arguments: list[Slot], results: list[Slot]) -> None:
        lowered = recurrence_template.lower(op, f"r{len(self.program.steps)}_recurrence", self.kernels, self.machine)
        temps = [self._temporary(0, "i8", size) for size in lowered.temps]
        held = {"argument": arguments, "result": results, "temp": temps}
        for launch in lowered.launches:
            slots = [held[b.kind][b.index] for b in launch.buffers]
            self._add(
                Step(
                    op="launch",
                    slots=slots,
                    name="recurrence",
                    location=source_line(op),
                    inputs=launch.inputs,
                    kernel=launch.kernel,
                    tasks=launch.tasks,
                    cost=launch.cost,
                    scratch=launch.scratch,
                    ops=["loop"],
                )
            )

    def _emit(self, region: Region, arguments: list[Slot], results: list[Slot], location: str) -> None:
        key = repr((region.kind, [(n.op, n.operands, n.shape, n.element, n.attributes) for n in region.nodes],
                    region.outputs))  # fmt: skip
        if key not in self.cache:  # equal bodies share one kernel
            name = f"k{len(self.cache)}_{describe(region)}"
            self.cache[key] = (templates.lower(region, name, self.kernels, self.machine), region)
        lowered, _ = self.cache[key]
        temps = [self._temporary(0, "i8", size) for size in lowered.temps]
        status = self._temporary(1, "i64") if lowered.status else None

        def slot_of(buffer: Buffer) -> Slot:
            if buffer.kind == "status":
                assert status is not None
                return status
            return {"argument": arguments, "result": results, "temp": temps}[buffer.kind][buffer.index]

        for result, argument in lowered.updates:
            self._add(Step(op="copy", slots=[arguments[argument], results[result]], location=location))
        for launch in lowered.launches:
            self._add(
                Step(
                    op="launch",
                    slots=[slot_of(b) for b in launch.buffers],
                    name=describe(region),
                    location=location or next((n.location for n in region.nodes if n.location), ""),
                    inputs=launch.inputs,
                    kernel=launch.kernel,
                    tasks=launch.tasks,
                    cost=launch.cost,
                    scratch=launch.scratch,
                    ops=region.ops,
                )
            )
        if status is not None:
            self._add(Step(op="check", slots=[status], name="index out of range", location=location))

    def _aten(self, op: ir.Operation) -> None:
        operands = [self.slots[v] for v in op.operands]
        first = self.program.values
        for value in op.results:
            self.slots[value] = Slot("value", self.program.values, *extent(value))
            self.program.values += 1
        self._add(
            Step(
                op="aten",
                slots=operands,
                name=ir.StringAttr(op.attributes["callee"]).value,
                call=op,
                first_value=first,
                location=source_line(op),
            )
        )

    def _return(self, op: ir.Operation) -> None:
        for i, value in enumerate(op.operands):
            slot = self.slots[value]
            elements, element = extent(value)
            target = Slot("output", i, elements, element)
            if (slot.kind, slot.index) != ("output", i) and elements:
                node = Node("argument", (), (elements,), element, {})
                copy = Region("pointwise", (node,), 1, (0,))
                key = f"copy {elements} {element}"
                if key not in self.cache:
                    name = f"k{len(self.cache)}_copy"
                    self.cache[key] = (copy_template.lower(copy, name, self.kernels, self.machine), copy)
                for launch in self.cache[key][0].launches:
                    self._add(
                        Step(
                            op="launch",
                            slots=[slot, target],
                            name="copy",
                            inputs=1,
                            kernel=launch.kernel,
                            tasks=launch.tasks,
                            cost=launch.cost,
                        )
                    )
            self.program.outputs.append(target)


def extent(value: ir.Value) -> tuple[int, str]:
    type_ = ir.RankedTensorType(value.type)
    if not type_.has_static_shape:
        raise LoweringError(f"a buffer has the dynamic type {type_}")
    return prod(type_.shape), str(type_.element_type)


def describe(region: Region, limit: int = 4) -> str:
    """A short name from what the kernel computes: its root first, at most `limit` ops."""
    from ..common.evaluate import VIEWS

    names = [op for op in region.ops if op not in (*VIEWS, "constant", "convert", "iota")]
    unique = list(dict.fromkeys(names)) or list(dict.fromkeys(region.ops)) or ["copy"]
    return "_".join(unique[:limit])
