"""The reduction template on threads: a group of threads works on one row, the elements that one result is reduced from.

A region's reductions are done in stages, one for those that only need arguments, one for those that need the first
stage's results, and so on; results are computed last. In each stage the threads of a group (one thread, a warp or a
whole block) take elements of the row, or vectors of adjacent ones, in turn and then combine what each has accumulated.
If a row is short, each thread keeps its elements in registers from stage to stage; else a stage computes them anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import ceil, prod

from torch_mlir import ir

from jic.errors import UnsupportedError

from ..ir import ops
from ..kernel.cost import region_ns
from ..kernel.evaluate import Evaluator, accesses, normal
from ..kernel.index import Index, Linear, Variable, identity, offset
from ..kernel.region import Node, Region
from ..kernel.space import Axis, merge
from ..program.launch import Launch, Lowered, buffer_types, launch_buffers
from .ids import barrier, block_id, divide, thread_id
from .kernel import GpuKernel, GpuKernels
from .machine import GpuMachine
from .pointwise import vector_width
from .reducers import Reducer

KEPT_ELEMENTS = 16  # of a row that a thread keeps in registers
SERIAL_BELOW = 32  # rows shorter than this are one thread's work


@dataclass(frozen=True)
class Plan:
    """How a region's iteration space maps onto threads.

    Attributes:
        kept, reduced: the axes of rows and of elements in a row; the lane is the last reduced axis.
        stages: reduce nodes that can be done together, in order.
        group: threads a row; rows a block is `threads // group`.
    """

    shape: tuple[int, ...]
    dims: tuple[int, ...]
    kept: list[Axis]
    reduced: list[Axis]
    stages: list[list[int]]
    group: int
    threads: int
    width: int

    @property
    def rows(self) -> int:
        return prod(a.size for a in self.kept)

    @property
    def chunks(self) -> int:
        """Steps of `width` elements in a row."""
        return prod(a.size for a in self.reduced) // self.width

    @property
    def rounds(self) -> int:
        """Chunks of a row that one thread takes."""
        return ceil(self.chunks / self.group)

    @property
    def space(self) -> Index:
        return identity(len(self.shape))

    @property
    def row(self) -> Index:
        return tuple(Linear.of(d) for d in range(len(self.shape)) if d not in self.dims)

    def index_of(self, node: Node) -> Index:
        """The index at which a result is computed: in the iteration space or in the reduced one."""
        return self.space if node.shape == self.shape else self.row


def plan(region: Region, machine: GpuMachine) -> Plan:
    """Choose the mapping. Raises `UnsupportedError` for reductions of different spaces or dims."""
    reduces = region.find("reduce")
    spaces = {(region.nodes[region.nodes[n].operands[0]].shape, region.nodes[n].attributes["dims"]) for n in reduces}
    if len(spaces) != 1:
        raise UnsupportedError(f"a reduction kernel over {len(spaces)} spaces {sorted(spaces)}, expected one")
    ((shape, dims),) = spaces
    row_shape = tuple(s for d, s in enumerate(shape) if d not in dims)
    space = identity(len(shape))
    row = tuple(Linear.of(d) for d in range(len(shape)) if d not in dims)
    roots: list[tuple[int, Index]] = [(region.nodes[n].operands[0], space) for n in reduces]
    written: list[tuple[str, Linear]] = []
    for n in region.outputs:
        node = region.nodes[n]
        if node.shape not in (shape, row_shape):
            raise UnsupportedError(
                f"a reduction kernel's result has shape {node.shape}, expected {shape} or {row_shape}"
            )
        index = space if node.shape == shape else row
        roots.append((n, index))
        written.append((node.element, offset(node.shape, index)))
    found = accesses(region, roots, frozenset(reduces))
    touched = [*((region.nodes[k].element, position) for k, position in found.loads), *written]
    reducers = [_reducer(region, n) for n in reduces]
    positional = found.positional | ({*dims} if any(r.positional for r in reducers) else set())
    axes = merge(shape, [position for _, position in touched], positional, [d in dims for d in range(len(shape))])
    kept = [a for a in axes if a.variable not in dims]
    reduced = [a for a in axes if a.variable in dims]
    if not reduced:
        reduced = [Axis(dims[-1] if dims else -1, 1)]

    width = vector_width(machine, touched, reduced[-1].variable, reduced[-1].size)
    if any(r.positional for r in reducers):
        width = 1
    rows, length = prod(a.size for a in kept), prod(a.size for a in reduced)
    across = bool(kept) and axes[-1].variable not in dims and rows >= machine.threads
    threads = machine.threads
    if across or length < SERIAL_BELOW:
        # Neighbouring threads take neighbouring rows: reads are adjacent when rows are, as for a sum over leading dims.
        group, width = 1, (1 if across else width)
    elif length <= machine.warp * KEPT_ELEMENTS:
        group = machine.warp
    else:
        group = threads = min(machine.threads, 1 << (ceil(length / width) - 1).bit_length())
        group = threads = max(group, machine.warp or 1)
    return Plan(shape, dims, kept, reduced, _stages(region, reduces), group, threads, width)


def _reducer(region: Region, number: int) -> Reducer:
    return Reducer.of(region.nodes[number], region.nodes[region.nodes[number].operands[0]])


def _stages(region: Region, reduces: Sequence[int]) -> list[list[int]]:
    depth: list[int] = []
    for node in region.nodes:
        before = max((depth[k] for k in node.operands), default=0)
        depth.append(before + (node.op == "reduce"))
    return [[n for n in reduces if depth[n] == d] for d in sorted({depth[n] for n in reduces})]


def lower(region: Region, name: str, kernels: GpuKernels, machine: GpuMachine) -> Lowered:
    """The kernel of a `reduction` region."""
    mapping = plan(region, machine)
    per_block = mapping.threads // mapping.group
    groups = ceil(mapping.rows / per_block)
    blocks = min(groups, machine.max_blocks)
    elements = machine.shared_elements(mapping.group)
    shared: list[ir.Type] = []
    with kernels.context:
        if elements:
            reducers = [_reducer(region, n) for stage in mapping.stages for n in stage]
            shared = [_shared_type(t) for r in reducers for t in r.types()]
    kernel = kernels.kernel(machine, name, buffer_types(region), mapping.threads, shared, elements)
    with kernel.body():
        block = block_id()
        if groups > blocks:

            def step(number: ir.Value, _: list[ir.Value]) -> list[ir.Value]:
                _Row(region, mapping, kernel, machine).emit(number)
                if elements:
                    barrier()  # the next row's threads write what slower ones may still read
                return []

            ops.for_loop(block, ops.index(groups), ops.index(blocks), step)
        else:
            _Row(region, mapping, kernel, machine).emit(block)
    cost, threads = int(region_ns(region)), mapping.threads
    return Lowered([Launch(name, launch_buffers(region), region.arguments, blocks, cost, threads=threads)])


def _shared_type(type_: ir.Type) -> ir.Type:
    """Shared memory holds no i1, and narrow integers as i32."""
    narrow = isinstance(type_, ir.IntegerType) and type_.width < 32
    return ops.element_type("i32") if narrow else type_


class _Row:
    """The code for the row of one group of threads."""

    def __init__(self, region: Region, mapping: Plan, kernel: GpuKernel, machine: GpuMachine) -> None:
        self.region, self.plan, self.kernel, self.machine = region, mapping, kernel, machine
        self.bound: dict[tuple[int, Index], ir.Value] = {}
        self.in_registers = mapping.rounds * mapping.width <= KEPT_ELEMENTS
        self._points: dict[int, _Point] = {}
        self._shared_used = 0

    def emit(self, block: ir.Value) -> None:
        p = self.plan
        thread = thread_id()
        if p.group == p.threads:
            number, self.thread, exists = block, thread, None
        else:
            size = ops.index(p.group)
            first = ops.binary("arith.muli", block, ops.index(p.threads // p.group))
            number = ops.binary("arith.addi", first, ops.binary("arith.divui", thread, size))
            self.thread = ops.binary("arith.remui", thread, size)
            exists = None
            if p.rows % (p.threads // p.group):
                # All threads must meet at shuffles and barriers: those without a row repeat the last, storing nothing.
                exists = ops.cmpi("ult", number, ops.index(p.rows))
                number = ops.binary("arith.minui", number, ops.index(p.rows - 1))
        digits = divide(number, [a.size for a in p.kept])
        self.row_variables = {a.variable: d for a, d in zip(p.kept, digits, strict=True)}
        for stage in p.stages:
            self._reduce(stage)
        self._results(exists)

    # ---- the points of a row ----

    def _evaluator(self, chunk: ir.Value) -> Evaluator:
        p = self.plan
        sizes = [a.size for a in p.reduced]
        sizes[-1] //= p.width
        digits = divide(chunk, sizes)
        if p.width > 1:
            digits[-1] = ops.binary("arith.muli", digits[-1], ops.index(p.width))
        variables: dict[Variable, ir.Value] = dict(self.row_variables)
        variables.update({a.variable: d for a, d in zip(p.reduced, digits, strict=True)})
        lane = p.reduced[-1].variable if p.width > 1 else None
        memory = self.machine.memory(self.kernel.buffers, variables, lane, p.width)
        return Evaluator(self.region, memory, self.machine.functions, self.bound)

    def _unrolled(self) -> Iterator[_Point]:
        """The thread's points, the same ones at every call, so that values found in one stage serve the next."""
        p = self.plan
        for k in range(p.rounds):
            if k not in self._points:
                chunk = ops.binary("arith.addi", self.thread, ops.index(k * p.group)) if k else self.thread
                inside = None
                if (k + 1) * p.group > p.chunks:
                    inside = ops.cmpi("ult", chunk, ops.index(p.chunks))
                    chunk = ops.binary("arith.minui", chunk, ops.index(p.chunks - 1))
                self._points[k] = _Point(self._evaluator(chunk), inside)
            yield self._points[k]

    def _looped(self, body: Callable[[Evaluator, list[ir.Value]], list[ir.Value]], carried: list[ir.Value]):
        def step(chunk: ir.Value, values: list[ir.Value]) -> list[ir.Value]:
            return body(self._evaluator(chunk), values)

        p = self.plan
        return ops.for_loop(self.thread, ops.index(p.chunks), ops.index(p.group), step, carried)

    # ---- stages ----

    def _reduce(self, stage: list[int]) -> None:
        p, region = self.plan, self.region
        reducers = [_reducer(region, n) for n in stage]
        operands = [region.nodes[n].operands[0] for n in stage]
        start = [r.identity(p.width) for r in reducers]

        def lift(at: Evaluator, i: int) -> list[ir.Value]:
            value = at.value(operands[i], p.space)
            if p.width > 1:  # also a value that is the same in all lanes: it counts once for each
                value = at.memory.as_vector(value)
            position = None
            if reducers[i].positional:
                position = at.memory.integer(Linear.of(p.dims[0]), ops.element_type("i64"))
            return reducers[i].lift(value, position)

        if self.in_registers:
            partial = start
            for point in self._unrolled():
                for i, reducer in enumerate(reducers):
                    found = reducer.combine(partial[i], lift(point.evaluator, i))
                    if point.inside is not None:
                        found = [ops.select(point.inside, new, old) for new, old in zip(found, partial[i], strict=True)]
                    partial[i] = found
        else:

            def body(at: Evaluator, values: list[ir.Value]) -> list[ir.Value]:
                found: list[ir.Value] = []
                for i, reducer in enumerate(reducers):
                    found += reducer.combine(values[: len(start[i])], lift(at, i))
                    values = values[len(start[i]) :]
                return found

            flat = self._looped(body, [v for values in start for v in values])
            partial = []
            for values in start:
                partial.append(flat[: len(values)])
                flat = flat[len(values) :]
        partial = [r.across_lanes(v) for r, v in zip(reducers, partial, strict=True)]
        if p.group > 1:
            arrays = self.kernel.shared[self._shared_used :]
            self._shared_used += sum(map(len, partial))
            combine = [r.combine for r in reducers]
            partial = self.machine.reduce_group(arrays, self.thread, p.group, partial, combine)
        for n, reducer, values in zip(stage, reducers, partial, strict=True):
            self.bound[n, normal(region.nodes[n], p.row)] = reducer.result(values)

    # ---- results ----

    def _results(self, exists: ir.Value | None) -> None:
        p, region = self.plan, self.region
        everywhere = [i for i, n in enumerate(region.outputs) if region.nodes[n].shape == p.shape]
        per_row = [i for i in range(len(region.outputs)) if i not in everywhere]

        def store(at: Evaluator, numbers: list[int], index: Index, condition: ir.Value | None) -> None:
            nodes = [region.nodes[region.outputs[i]] for i in numbers]
            values = [at.output(i, index) for i in numbers]

            def write() -> None:
                for i, node, value in zip(numbers, nodes, values, strict=True):
                    at.memory.store(region.arguments + i, offset(node.shape, index), value, node.element)

            if condition is None:
                write()
            else:
                with ops.if_then(condition):
                    write()

        if everywhere and self.in_registers:
            for point in self._unrolled():
                store(point.evaluator, everywhere, p.space, _both(point.inside, exists))
        elif everywhere:

            def body(at: Evaluator, _: list[ir.Value]) -> list[ir.Value]:
                store(at, everywhere, p.space, exists)
                return []

            self._looped(body, [])
        if per_row:
            memory = self.machine.memory(self.kernel.buffers, dict(self.row_variables), None, 1)
            at = Evaluator(region, memory, self.machine.functions, self.bound)
            first = None if p.group == 1 else ops.cmpi("eq", self.thread, ops.index(0))
            store(at, per_row, p.row, _both(first, exists))


@dataclass(frozen=True)
class _Point:
    """An unrolled step: its values, and whether the thread has it (None: all threads do)."""

    evaluator: Evaluator
    inside: ir.Value | None


def _both(a: ir.Value | None, b: ir.Value | None) -> ir.Value | None:
    if a is None or b is None:
        return a if b is None else b
    return ops.binary("arith.andi", a, b)
