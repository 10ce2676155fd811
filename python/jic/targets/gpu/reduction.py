"""The reduction template on threads: a group of threads works on one row, the elements that one result is reduced from.

A region's reductions are done in stages, one for those that only need arguments, one for those that need the first
stage's results, and so on; results are computed last. In each stage the threads of a group (one thread, a warp or a
whole block) take elements of the row, or vectors of adjacent ones, in turn and then combine what each has accumulated.
If a row is short, each thread keeps its elements in registers from stage to stage; else a stage computes them anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import ceil

from torch_mlir import ir

from ..ir import ops
from ..kernel.buffers import buffer_types, launch_buffers
from ..kernel.evaluate import Evaluator, normal
from ..kernel.index import Index, Linear, Variable, offset
from ..kernel.reducer import Reducer
from ..kernel.reduction import Reduction, read
from ..kernel.region import Region
from ..program.launch import Launch, Lowered
from .ids import block_number, divide, thread_id
from .kernel import GpuKernel, GpuKernels
from .machine import GpuMachine
from .walk import vector_width

KEPT_ELEMENTS = 16  # of a row that a thread keeps in registers
SERIAL_BELOW = 32  # rows shorter than this are one thread's work


@dataclass(frozen=True)
class Mapping:
    """How a reduction's iteration space maps onto threads.

    Attributes:
        group: threads a row; rows a block is `threads // group`.
        width: adjacent elements that a thread takes at once.
    """

    reduction: Reduction
    group: int
    threads: int
    width: int

    @property
    def chunks(self) -> int:
        """Steps of `width` elements in a row."""
        return self.reduction.length // self.width

    @property
    def rounds(self) -> int:
        """Chunks of a row that one thread takes."""
        return ceil(self.chunks / self.group)

    @property
    def walks(self) -> int:
        """How often a row is walked over."""
        everywhere = any(self.reduction.is_full(n) for n in self.reduction.region.outputs)
        return len(self.reduction.stages) + everywhere


def choose(reduction: Reduction, machine: GpuMachine) -> Mapping:
    """Choose the mapping."""
    lane, rows, length = reduction.reduced_axes[-1], reduction.rows, reduction.length
    width = vector_width(machine, reduction.touched(), lane.variable, lane.size)
    if reduction.accesses.indexed or any(reduction.reducer(n).positional for stage in reduction.stages for n in stage):
        width = 1
    across = reduction.columns and rows >= machine.threads
    group, threads = 1, machine.threads
    if across or length < SERIAL_BELOW:
        # Neighbouring threads take neighbouring rows: reads are adjacent when rows are, as for a sum over leading dims.
        width = 1 if across else width
        alone = Mapping(reduction, group, threads, width)
        if not machine.is_too_long(alone.rounds * alone.walks):
            return alone
    if length <= machine.warp * KEPT_ELEMENTS:
        group = machine.warp
    else:
        group = threads = min(machine.threads, 1 << (ceil(length / width) - 1).bit_length())
        group = threads = max(group, machine.warp or 1)
    return Mapping(reduction, group, threads, width)


def lower(region: Region, name: str, kernels: GpuKernels, machine: GpuMachine) -> Lowered:
    """The kernel of a `reduction` region."""
    reduction = read(region)
    mapping = choose(reduction, machine)
    blocks = ceil(reduction.rows / (mapping.threads // mapping.group))
    elements = machine.shared_elements(mapping.group)
    shared: list[ir.Type] = []
    with kernels.context:
        if elements:
            reducers = [reduction.reducer(n) for stage in reduction.stages for n in stage]
            shared = [_shared_type(t) for r in reducers for t in r.types()]
    indexed = reduction.accesses.indexed
    kernel = kernels.kernel(machine, name, buffer_types(region, indexed), mapping.threads, shared, elements)
    with kernel.body():
        block = block_number(blocks, machine.max_blocks)
        if machine.covers(blocks):
            _Row(mapping, kernel, machine).emit(block)
        else:  # all threads of a block go the same way, so that they meet at its barriers
            with ops.if_then(ops.cmpi("ult", block, ops.index(blocks))):
                _Row(mapping, kernel, machine).emit(block)
    buffers = launch_buffers(region, indexed)
    launch = Launch(name, buffers, region.arguments, blocks, reduction.cost, threads=mapping.threads)
    return Lowered([launch], status=indexed)


def _shared_type(type_: ir.Type) -> ir.Type:
    """Shared memory holds no i1, and narrow integers as i32."""
    narrow = isinstance(type_, ir.IntegerType) and type_.width < 32
    return ops.element_type("i32") if narrow else type_


class _Row:
    """The code for the row of one group of threads."""

    def __init__(self, mapping: Mapping, kernel: GpuKernel, machine: GpuMachine) -> None:
        self.reduction, self.mapping, self.kernel, self.machine = mapping.reduction, mapping, kernel, machine
        self.region = mapping.reduction.region
        self.bound: dict[tuple[int, Index], ir.Value] = {}
        self.in_registers = mapping.rounds * mapping.width <= KEPT_ELEMENTS
        self._points: dict[int, _Point] = {}
        self._shared_used = 0

    def emit(self, block: ir.Value) -> None:
        p, reduction = self.mapping, self.reduction
        thread = thread_id()
        if p.group == p.threads:
            number, self.thread, exists = block, thread, None
        else:
            size = ops.index(p.group)
            first = ops.binary("arith.muli", block, ops.index(p.threads // p.group))
            number = ops.binary("arith.addi", first, ops.binary("arith.divui", thread, size))
            self.thread = ops.binary("arith.remui", thread, size)
            exists = None
            if reduction.rows % (p.threads // p.group):
                # All threads must meet at shuffles and barriers: those without a row repeat the last, storing nothing.
                exists = ops.cmpi("ult", number, ops.index(reduction.rows))
                number = ops.binary("arith.minui", number, ops.index(reduction.rows - 1))
        digits = divide(number, [a.size for a in reduction.kept_axes])
        self.row_variables = {a.variable: d for a, d in zip(reduction.kept_axes, digits, strict=True)}
        for stage in reduction.stages:
            self._reduce(stage)
        self._results(exists)

    # ---- the points of a row ----

    def _evaluator(self, chunk: ir.Value) -> Evaluator:
        p, reduction = self.mapping, self.reduction
        sizes = [a.size for a in reduction.reduced_axes]
        sizes[-1] //= p.width
        digits = divide(chunk, sizes)
        if p.width > 1:
            digits[-1] = ops.binary("arith.muli", digits[-1], ops.index(p.width))
        variables: dict[Variable, ir.Value] = dict(self.row_variables)
        variables.update({a.variable: d for a, d in zip(reduction.reduced_axes, digits, strict=True)})
        lane = reduction.reduced_axes[-1].variable if p.width > 1 else None
        return self._at(variables, lane, p.width)

    def _at(self, variables: dict[Variable, ir.Value], lane: Variable | None, width: int) -> Evaluator:
        memory = self.machine.memory(self.kernel.buffers, variables, lane, width)
        memory.status = self.kernel.buffers[-1] if self.reduction.accesses.indexed else None
        return Evaluator(self.region, memory, self.machine.functions, self.bound)

    def _point(self, first: ir.Value, k: int, checked: bool) -> _Point:
        """The chunk `k` groups after `first`; if it may lie past the end (`checked`), the last one stands for it."""
        p = self.mapping
        chunk = ops.binary("arith.addi", first, ops.index(k * p.group)) if k else first
        inside = None
        if checked:
            inside = ops.cmpi("ult", chunk, ops.index(p.chunks))
            chunk = ops.binary("arith.minui", chunk, ops.index(p.chunks - 1))
        return _Point(self._evaluator(chunk), inside)

    def _unrolled(self) -> Iterator[_Point]:
        """The thread's points, the same ones at every call, so that values found in one stage serve the next."""
        p = self.mapping
        for k in range(p.rounds):
            if k not in self._points:
                self._points[k] = self._point(self.thread, k, (k + 1) * p.group > p.chunks)
            yield self._points[k]

    def _looped(self, body: Callable[[_Point, list[ir.Value]], list[ir.Value]], carried: list[ir.Value]):
        """A loop over the thread's points, some of them in each iteration if there are very many."""
        p = self.mapping
        unroll = self.machine.unrolled(p.rounds * p.walks)

        def step(chunk: ir.Value, values: list[ir.Value]) -> list[ir.Value]:
            for k in range(unroll):
                values = body(self._point(chunk, k, k > 0 and bool(p.chunks % (p.group * unroll))), values)
            return values

        return ops.for_loop(self.thread, ops.index(p.chunks), ops.index(p.group * unroll), step, carried)

    # ---- stages ----

    def _reduce(self, stage: list[int]) -> None:
        p, reduction, region = self.mapping, self.reduction, self.region
        reducers = [reduction.reducer(n) for n in stage]
        operands = [region.nodes[n].operands[0] for n in stage]
        start = [r.identity(p.width if p.width > 1 else 0) for r in reducers]

        def lift(at: Evaluator, i: int) -> list[ir.Value]:
            value = at.value(operands[i], reduction.space)
            if p.width > 1:  # also a value that is the same in all lanes: it counts once for each
                value = at.memory.as_vector(value)
            position = None
            if reducers[i].positional:
                position = at.memory.integer(Linear.of(reduction.dims[-1]), ops.element_type("i64"))
            return reducers[i].lift(value, position)

        def take(point: _Point, i: int, partial: list[ir.Value]) -> list[ir.Value]:
            found = reducers[i].combine(partial, lift(point.evaluator, i))
            if point.inside is None:
                return found
            return [ops.select(point.inside, new, old) for new, old in zip(found, partial, strict=True)]

        if self.in_registers:
            partial = start
            for point in self._unrolled():
                partial = [take(point, i, values) for i, values in enumerate(partial)]
        else:

            def body(point: _Point, values: list[ir.Value]) -> list[ir.Value]:
                found: list[ir.Value] = []
                for i, reducer in enumerate(reducers):
                    found += take(point, i, values[: reducer.parts])
                    values = values[reducer.parts :]
                return found

            flat = self._looped(body, [v for values in start for v in values])
            partial = []
            for values in start:
                partial.append(flat[: len(values)])
                flat = flat[len(values) :]
        partial = [_across_lanes(r, v) for r, v in zip(reducers, partial, strict=True)]
        if p.group > 1:
            arrays = self.kernel.shared[self._shared_used :]
            self._shared_used += sum(map(len, partial))
            combine = [r.combine for r in reducers]
            partial = self.machine.reduce_group(arrays, self.thread, p.group, partial, combine)
        for n, reducer, values in zip(stage, reducers, partial, strict=True):
            self.bound[n, normal(region.nodes[n], reduction.row)] = reducer.result(values)

    # ---- results ----

    def _results(self, exists: ir.Value | None) -> None:
        p, reduction, region = self.mapping, self.reduction, self.region
        everywhere = [i for i, n in enumerate(region.outputs) if reduction.is_full(n)]
        per_row = [i for i in range(len(region.outputs)) if i not in everywhere]

        def store(at: Evaluator, numbers: list[int], condition: ir.Value | None) -> None:
            nodes = [region.outputs[i] for i in numbers]
            values = [at.output(i, reduction.index_of(n)) for i, n in zip(numbers, nodes, strict=True)]

            def write() -> None:
                for i, n, value in zip(numbers, nodes, values, strict=True):
                    node = region.nodes[n]
                    place = offset(node.shape, reduction.index_of(n))
                    at.memory.store(region.arguments + i, place, value, node.element)

            if condition is None:
                write()
            else:
                with ops.if_then(condition):
                    write()

        if everywhere and self.in_registers:
            for point in self._unrolled():
                store(point.evaluator, everywhere, _both(point.inside, exists))
        elif everywhere:

            def body(point: _Point, _: list[ir.Value]) -> list[ir.Value]:
                store(point.evaluator, everywhere, _both(point.inside, exists))
                return []

            self._looped(body, [])
        if per_row:
            at = self._at(dict(self.row_variables), None, 1)
            first = None if p.group == 1 else ops.cmpi("eq", self.thread, ops.index(0))
            store(at, per_row, _both(first, exists))


@dataclass(frozen=True)
class _Point:
    """An unrolled step: its values, and whether the thread has it (None: all threads do)."""

    evaluator: Evaluator
    inside: ir.Value | None


def _both(a: ir.Value | None, b: ir.Value | None) -> ir.Value | None:
    if a is None or b is None:
        return a if b is None else b
    return ops.binary("arith.andi", a, b)


def _across_lanes(reducer: Reducer, partial: list[ir.Value]) -> list[ir.Value]:
    """A partial result of vectors as one of scalars."""
    vector = partial[0].type
    if not isinstance(vector, ir.VectorType):
        return partial
    lanes = [[ops.extract(v, lane) for v in partial] for lane in range(vector.shape[0])]
    while len(lanes) > 1:
        lanes = [reducer.combine(lanes[k], lanes[k + 1]) for k in range(0, len(lanes), 2)]
    return lanes[0]
