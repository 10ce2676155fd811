"""A program being put together: buffers, launches of kernels and copies, the steps that control flow adds."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass

from torch_mlir import ir

from ..kernel.buffers import Buffer
from ..kernel.elements import ELEMENT_BYTES
from ..kernel.region import source_line
from .backend import Backend
from .kernels import Kernel, Kernels
from .launch import Launch, Lowered
from .memory_plan import Range, assign, find_conflicts
from .sharing import OpNode, Sharing, extent, kernels_in
from .steps import HostProgram, Label, Slot, Step


@dataclass
class _Prepared:
    """The temporaries of a kernel in a loop, whose first `launches` have run before the loop `by`."""

    by: OpNode
    temporaries: list[Slot]
    launches: int


class Assembly:
    """A function's program while it is made.

    Attributes:
        program: what it is lowered to.
        exchanged: for a buffer, the one in whose memory it lies here; see `control_flow`.
        times: how often the step that is added next is executed.
    """

    def __init__(self, main: ir.Operation, backend: Backend) -> None:
        self.backend, self.kernels = backend, Kernels(backend)
        self.program = HostProgram()
        self.sharing = Sharing(main)
        self.exchanged: dict[int, int] = {}
        self.times = 1
        self._places: dict[int, tuple[str, int]] = {}
        self._statuses: list[Slot] = []
        self._prepared: dict[int, _Prepared] = {}  # by the identity of the kernel's node
        for i, argument in enumerate(main.regions[0].blocks[0].arguments):
            self._places[self.sharing.buffer(argument)] = ("input", i)

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

    def _temporary(self, elements: int, element: str) -> Slot:
        self.program.ranges.append(Range(elements * ELEMENT_BYTES[element]))
        return Slot("workspace", len(self.program.ranges) - 1, elements, element)

    def finish(self) -> None:
        """Plan the workspace."""
        program = self.program
        find_conflicts([s.uses(i) for i, s in enumerate(program.steps)], program.ranges)
        for status in self._statuses:  # cleared by the runtime, outside the steps that are seen here
            program.ranges[status.index].conflicts = (1 << len(program.ranges)) - 1
        program.workspace = assign(program.ranges, self.backend.alignment)

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
        least = self.backend.copy_kernel_bytes
        if least is None or target.bytes < least:
            self.add(Step("copy", [source, target], inputs=1))
            return
        self._launch(self.kernels.copy(target.elements, target.element), [source], [target], "")

    def constant(self, node: OpNode) -> None:
        """A `jic.constant`."""
        buffer = self.sharing.buffer(node.results[0])
        if buffer not in self._places:  # a body that is lowered again
            self._places[buffer] = ("constant", len(self.program.constants))
            self.program.constants.append(node.op.attributes["value"])

    def fused(self, node: OpNode) -> None:
        """A `jic.fused`: the launches of its kernel."""
        arguments = [self.slot(v) for v in node.operands]
        results = [self.slot(v) for v in node.results]
        if not any(r.elements for r in results):  # a kernel without results of any size has nothing to do
            return
        self._launch(self.kernels.of(node.op), arguments, results, source_line(node.op), self._prepared.get(id(node)))

    def prepare(self, loop: OpNode) -> None:
        """Launch what kernels in `loop` compute from values from outside it alone (packed weights): once, before it."""
        for node in kernels_in(loop):
            known = self._prepared.get(id(node))
            if (known is not None and known.by is not loop) or not any(extent(v)[0] for v in node.results):
                continue
            kernel = self.kernels.of(node.op)
            count = _preparations(kernel.lowered, [self.sharing.from_outside(v, loop) for v in node.operands])
            if count:
                temps = [self._temporary(size, "i8") for size in kernel.lowered.temporaries]
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
        kernel: Kernel,
        arguments: list[Slot],
        results: list[Slot],
        location: str,
        prepared: _Prepared | None = None,
    ) -> None:
        lowered = kernel.lowered
        temps = (
            [self._temporary(size, "i8") for size in lowered.temporaries] if prepared is None else prepared.temporaries
        )
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
        kernel: Kernel,
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
                    launch=launch,
                    ops=kernel.ops,
                    kept=tuple(kept),
                )
            )
            kept = [*kept, *buffers.get("result", ())]  # the launches of one kernel may each write a part of a result

    def aten(self, node: OpNode) -> None:
        """A `jic.aten_call`."""
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
