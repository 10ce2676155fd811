"""`@main` at the kernels level to kernel functions and a `@main` of launches on planned memory.

    func.func @main(%x: tensor<64xf32>) -> tensor<64xf32>          func.func @main(%x: memref<64xf32>, %out: memref<64xf32>, …)
      %0 = jic.fused(%x) {kind = "pointwise"} …              →        jic.launch(%x, %ws) {kernel = @k0, …}
      %1 = jic.fused(%0) {kind = "reduction"} …                       jic.launch(%ws, %out) {kernel = @k1, …}

Every tensor is a contiguous buffer: an input, an output, a constant, a range of the workspace, or the result of an ATen
call. Which values have one buffer is decided by sharing.py, control flow is in control_flow.py.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass

from torch_mlir import ir

from jic import budget
from jic.errors import LoweringError

from ..kernel.elements import ELEMENT_BYTES
from ..kernel.region import Node as RegionNode
from ..kernel.region import Region, parse, source_line
from ..program.launch import Buffer, Launch, Lowered
from ..program.memory_plan import Range, assign, find_conflicts
from ..program.sharing import Node, Sharing, extent, kernels_in
from ..program.steps import Label, Program, Slot, Step
from . import control_flow, templates
from .kernel import KernelModule
from .machine import Machine
from .templates.walk import pointwise as copy_template

# From this size on a copy is a kernel, which threads can share.
_COPY_KERNEL_BYTES = 1 << 16


def lower(main: ir.Operation, kernels: KernelModule, machine: Machine) -> Program:
    """Lower every kernel of `main` into `kernels` and plan the memory between them."""
    return Lowering(main, kernels, machine).run()


@dataclass
class _Kernel:
    """A lowered body, with its name and its ops for reports."""

    lowered: Lowered
    name: str
    ops: list[str]
    location: str  # where the calls have none


@dataclass
class _Prepared:
    """The temporaries of a kernel in a loop, whose first `launches` have run before the loop `by`."""

    by: Node
    temps: list[Slot]
    launches: int


class Lowering:
    """A function being lowered.

    Attributes:
        program: what it is lowered to.
        exchanged: for a buffer, the one in whose memory it lies here; see `control_flow`.
        times: how often the step that is added next is executed.
    """

    def __init__(self, main: ir.Operation, kernels: KernelModule, machine: Machine) -> None:
        self.kernels, self.machine = kernels, machine
        self.program = Program()
        self.sharing = Sharing(main)
        self.exchanged: dict[int, int] = {}
        self.times = 1
        self._places: dict[int, tuple[str, int]] = {}
        self._kernels: dict[str, _Kernel] = {}
        self._statuses: list[Slot] = []
        self._prepared: dict[int, _Prepared] = {}  # by the identity of the kernel's node
        for i, argument in enumerate(main.regions[0].blocks[0].arguments):
            self._places[self.sharing.buffer(argument)] = ("input", i)

    def run(self) -> Program:
        self.block(self.sharing.nodes[:-1])
        returned = self.sharing.nodes[-1].operands
        self.program.outputs = [Slot("output", i, *extent(v)) for i, v in enumerate(returned)]
        self.copies([(self.slot(v), out) for v, out in zip(returned, self.program.outputs, strict=True)])
        self._plan()
        return self.program

    def block(self, nodes: list[Node]) -> None:
        """Lower ops; terminators do nothing by themselves."""
        for node in nodes:
            if node.name == "jic.fused":
                self._fused(node)
            elif node.name == "jic.constant":
                self._constant(node)
            elif node.name == "jic.aten_call":
                self._aten(node)
            elif node.name in control_flow.LOWERINGS:
                control_flow.LOWERINGS[node.name](self, node)
            elif node.name not in ("jic.reshape", "jic.yield", "jic.condition"):
                raise LoweringError(
                    f"{node.name} is not allowed at the kernels level",
                    hint="run jic-form-kernels before lowering",
                    location=source_line(node.op),
                )

    # ---- buffers ----

    def slot(self, value: ir.Value) -> Slot:
        """Where a value lies, at this point of the program."""
        buffer = self.sharing.buffer(value)
        buffer = self.exchanged.get(buffer, buffer)
        if buffer not in self._places:
            output = self.sharing.output_of.get(buffer)
            if output is None:
                self._places[buffer] = self._temporary(*extent(value)).place
            else:
                self._places[buffer] = ("output", output)
        return Slot(*self._places[buffer], *extent(value))

    def _temporary(self, elements: int, element: str, size: int | None = None) -> Slot:
        self.program.ranges.append(Range(elements * ELEMENT_BYTES[element] if size is None else size))
        return Slot("workspace", len(self.program.ranges) - 1, elements, element)

    def _plan(self) -> None:
        program = self.program
        find_conflicts([s.uses(i) for i, s in enumerate(program.steps)], program.ranges)
        for status in self._statuses:  # cleared by the runtime, outside the steps that are seen here
            program.ranges[status.index].conflicts = (1 << len(program.ranges)) - 1
        program.workspace = assign(program.ranges)

    # ---- steps ----

    def add(self, step: Step) -> None:
        step.times = self.times
        self.program.steps.append(step)

    def here(self, label: Label) -> None:
        """Jumps to `label` come to the step that is added next."""
        label.step = len(self.program.steps)

    @contextmanager
    def repeated(self, times: int):
        """What is added inside is executed `times` times as often."""
        before = self.times
        self.times = min(before * times, 1 << 40)
        yield
        self.times = before

    def copies(self, pairs: list[tuple[Slot, Slot]]) -> None:
        """Copy (from, to) pairs as if at once: a buffer may be read by one and written by another."""
        pending = [(a, b) for a, b in pairs if a.place != b.place and b.bytes]
        while pending:
            read = [a.place for a, _ in pending]
            ready = next((p for p in pending if p[1].place not in read), None)
            if ready is None:  # a cycle: move one value out of the way
                source = pending[0][0]
                spare = self._temporary(source.elements, source.element)
                self._copy(source, spare)
                pending = [(spare if a.place == source.place else a, b) for a, b in pending]
                continue
            pending.remove(ready)
            self._copy(*ready)

    def _copy(self, source: Slot, target: Slot) -> None:
        if target.bytes < _COPY_KERNEL_BYTES:
            self.add(Step("copy", [source, target], inputs=1))
            return
        key = f"copy {target.elements} {target.element}"
        if key not in self._kernels:
            node = RegionNode("argument", (), (target.elements,), target.element, {})
            region = Region("pointwise", (node,), 1, (0,))
            lowered = copy_template.lower(region, f"k{len(self._kernels)}_copy", self.kernels, self.machine)
            self._kernels[key] = _Kernel(lowered, "copy", [], "")
        self._launch(self._kernels[key], [source], [target], "")

    def _constant(self, node: Node) -> None:
        buffer = self.sharing.buffer(node.results[0])
        if buffer not in self._places:  # a body that is lowered again
            self._places[buffer] = ("constant", len(self.program.constants))
            self.program.constants.append(node.op.attributes["value"])

    def _fused(self, node: Node) -> None:
        arguments = [self.slot(v) for v in node.operands]
        results = [self.slot(v) for v in node.results]
        if not any(r.elements for r in results):  # a kernel without results of any size has nothing to do
            return
        self._launch(self._kernel(node.op), arguments, results, source_line(node.op), self._prepared.get(id(node)))

    def _kernel(self, op: ir.Operation) -> _Kernel:
        """The lowered body of a `jic.fused`; equal bodies share one."""
        if (
            ir.StringAttr(op.attributes["kind"]).value == "recurrence"
        ):  # its body has regions, so the template reads it itself
            key = str(op)
            if key not in self._kernels:
                name = f"k{len(self._kernels)}_recurrence"
                lowered = templates.lower_recurrence(op, name, self.kernels, self.machine)
                self._kernels[key] = _Kernel(lowered, "recurrence", _ops(op), "")
            return self._kernels[key]
        region = parse(op)
        budget.check("lowering kernels")
        key = repr((region.kind, [(n.op, n.operands, n.shape, n.element, n.attributes) for n in region.nodes],
                    region.outputs))  # fmt: skip
        if key not in self._kernels:
            name = describe(region.ops)
            lowered = templates.lower(region, f"k{len(self._kernels)}_{name}", self.kernels, self.machine)
            location = next((n.location for n in region.nodes if n.location), "")
            self._kernels[key] = _Kernel(lowered, name, region.ops, location)
        return self._kernels[key]

    def prepare(self, loop: Node) -> None:
        """Launch what kernels in `loop` compute from values from outside it alone (packed weights): once, before it."""
        for node in kernels_in(loop):
            known = self._prepared.get(id(node))
            if (known is not None and known.by is not loop) or not any(extent(v)[0] for v in node.results):
                continue
            kernel = self._kernel(node.op)
            count = _preparations(kernel.lowered, [self.sharing.from_outside(v, loop) for v in node.operands])
            if count:
                temps = [self._temporary(0, "i8", size) for size in kernel.lowered.temps]
                self._prepared[id(node)] = _Prepared(loop, temps, count)
                # operands from inside have no memory yet, and are not asked for
                used = {
                    b.index
                    for launch in kernel.lowered.launches[:count]
                    for b in launch.buffers
                    if b.kind == "argument"
                }
                spare = Slot("constant", 0, 0, "i8")
                arguments = [self.slot(v) if i in used else spare for i, v in enumerate(node.operands)]
                buffers = {"argument": arguments, "temp": temps}
                self._add_launches(kernel, kernel.lowered.launches[:count], buffers, [], source_line(node.op))

    def _launch(
        self,
        kernel: _Kernel,
        arguments: list[Slot],
        results: list[Slot],
        location: str,
        prepared: _Prepared | None = None,
    ) -> None:
        lowered = kernel.lowered
        temps = [self._temporary(0, "i8", size) for size in lowered.temps] if prepared is None else prepared.temps
        status = [self._temporary(1, "i64")] if lowered.status else []
        buffers = {"argument": arguments, "result": results, "temp": temps, "status": status}
        self.copies([(arguments[argument], results[result]) for result, argument in lowered.updates])
        kept = [results[result] for result, _ in lowered.updates]
        first = 0 if prepared is None else prepared.launches
        self._add_launches(kernel, lowered.launches[first:], buffers, kept, location)
        self._statuses += status
        for slot in status:
            self.add(Step("check", [slot], name="index out of range", location=location, inputs=1))

    def _add_launches(
        self,
        kernel: _Kernel,
        launches: list[Launch],
        buffers: dict[str, list[Slot]],
        kept: list[Slot],
        location: str,
    ) -> None:
        for launch in launches:
            self.add(
                Step(
                    op="launch",
                    slots=[buffers[b.kind][b.index] for b in launch.buffers],
                    name=kernel.name,
                    location=location or kernel.location,
                    inputs=launch.inputs,
                    kernel=launch.kernel,
                    tasks=launch.tasks,
                    cost=launch.cost,
                    scratch=launch.scratch,
                    ops=kernel.ops,
                    kept=tuple(kept),
                )
            )
            kept = [*kept, *buffers.get("result", ())]  # the launches of one kernel may each write a part of a result

    def _aten(self, node: Node) -> None:
        operands = [self.slot(v) for v in node.operands]
        first = self.program.values
        for value in node.results:
            self._places[self.sharing.buffer(value)] = ("value", self.program.values)
            self.program.values += 1
        self.add(
            Step(
                op="aten",
                slots=operands,
                inputs=len(operands),
                name=ir.StringAttr(node.op.attributes["callee"]).value,
                call=node.op,
                first_value=first,
                location=source_line(node.op),
            )
        )


def _preparations(lowered: Lowered, outside: list[bool]) -> int:
    """How many of the first launches read only arguments from `outside`, and write temporaries that no later launch writes."""

    def written(launch: Launch) -> set[Buffer]:
        return set(launch.buffers[launch.inputs :])

    count = 0
    for number, launch in enumerate(lowered.launches):
        later = set().union(*(written(other) for other in lowered.launches[number + 1 :]))
        plain = all(b.kind == "temp" or b.kind == "argument" and outside[b.index] for b in launch.buffers)
        if not plain or any(b.kind != "temp" for b in written(launch)) or written(launch) & later:
            break
        count = number + 1
    return count


def _ops(op: ir.Operation) -> list[str]:
    """Names of all that is inside an op, for reports."""
    found: list[str] = []
    for region in op.regions:
        for inner in region.blocks[0].operations:
            found += [inner.operation.name.removeprefix("jic."), *_ops(inner.operation)]
    return [name for name in found if name not in ("yield", "condition")]


def describe(names: list[str], limit: int = 4) -> str:
    """A short name from the ops that a kernel computes: its root first, at most `limit` ops."""
    from ..kernel.evaluate import VIEWS

    work = [op for op in names if op not in (*VIEWS, "constant", "convert", "iota")]
    unique = list(dict.fromkeys(work)) or list(dict.fromkeys(names)) or ["copy"]
    return "_".join(unique[:limit])
