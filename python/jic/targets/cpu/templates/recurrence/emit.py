"""The code of a recurrence's pointwise and reduction stages, on the rows of one block."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from torch_mlir import ir

from ....ir import index_ops as g
from ....ir import ops
from ....kernel.evaluate import normal
from ....kernel.index import Index, Linear, Variable, identity, offset, start_limit, start_variable
from ....kernel.memory import Memory
from ....kernel.recurrence.body import Body
from ...functions import CpuFunctions
from ...machine import Machine
from ..reduction.accumulate import Accumulator
from ..tasks import each_vector, lanes_loop, when
from .order import Store, Task
from .places import FIRST_ROW, Places, Reach, StepEvaluator, merge_axes, reach
from .plan import RecurrencePlan

Lanes = Callable[[ir.Value, ir.Value | None, list[ir.Value]], Sequence[ir.Value]]


@dataclass
class Block:
    """Emits stages for rows [first, last) of a block.

    Attributes:
        buffers: memrefs by buffer number, scratch views included.
        uniform: the values of uniform scalars in this step.
        starts: the clamped starts of the dynamic slices and updates of this step.
    """

    plan: RecurrencePlan
    machine: Machine
    buffers: list[ir.Value]
    first: ir.Value
    last: ir.Value
    uniform: dict[int, ir.Value] = field(default_factory=dict)
    starts: dict[Variable, ir.Value] = field(default_factory=dict)

    @property
    def body(self) -> Body:
        return self.plan.body

    @property
    def places(self) -> Places:
        return self.plan.places

    def evaluator(
        self,
        variables: dict[Variable, ir.Value],
        lane: Variable | None,
        width: int,
        mask: ir.Value | None,
        computed: frozenset[int] = frozenset(),
    ) -> StepEvaluator:
        known = {**self.starts, FIRST_ROW: self.first, **variables}
        memory = Memory(self.buffers, known, lane, width, mask)
        evaluator = StepEvaluator(
            self.plan.region, memory, CpuFunctions(self.machine), places=self.places, computed=computed
        )
        for number, value in self.uniform.items():
            evaluator.bound[number, ()] = value
        return evaluator

    # ---- the start of a step ----

    def scalars(self, wanted: set[int], starts: set[int]) -> None:
        """Compute uniform scalars and the starts of dynamic slices and updates."""
        region = self.plan.region
        evaluator = self.evaluator({}, None, 1, None)
        # Operands come first in program order; a scalar that is read through a dynamic slice needs that slice's start.
        for number in sorted(wanted | starts | self._slices_under(wanted)):
            node = region.nodes[number]
            if number in wanted and number not in self.uniform:
                self.uniform[number] = evaluator.value(number, ())
                evaluator.bound[number, ()] = self.uniform[number]
            if node.op not in ("dynamic_slice", "dynamic_update"):
                continue
            variable = start_variable(region, number)
            if variable not in self.starts:
                found = evaluator.value(node.operands[-1], ())
                limit = ops.constant(found.type, start_limit(region, node))
                found = ops.binary("arith.minsi", ops.binary("arith.maxsi", found, ops.constant(found.type, 0)), limit)
                start = ops.op("arith.index_cast", [found], ops.index_type())
                self.starts[variable] = evaluator.memory.variables[variable] = start

    def _slices_under(self, scalars: set[int]) -> set[int]:
        """The dynamic slices that the uniform `scalars` are computed from in this step."""
        nodes = self.plan.region.nodes
        found: set[int] = set()
        pending = [n for n in scalars if n not in self.uniform]
        while pending:
            number = pending.pop()
            if nodes[number].op == "dynamic_slice":
                found.add(number)
            pending += [k for k in nodes[number].operands if k not in self.uniform and k not in found]
        return found

    # ---- pointwise stages ----

    def pointwise(self, tasks: list[Task]) -> None:
        """Compute and store the nodes of `tasks`, which have one space."""
        shape, rows = tasks[0].space(self.body)
        computed = self.plan.computed(tasks)
        index = identity(len(shape))
        found = reach(self.places, [(t.node, index) for t in tasks], self.plan.uniform, computed)
        stores = [s for t in tasks for s in t.stores]
        offsets = [*(p for _, p in found.loads), *(s.at for s in stores)]
        width = self._width(found, [t.node for t in tasks])
        ahead = self._ahead(found.loads)

        def point(variables: dict[Variable, ir.Value], lane: Variable | None, mask: ir.Value | None) -> None:
            evaluator = self.evaluator(variables, lane, width, mask, computed)
            values = [evaluator.value(t.node, index) for t in tasks]
            for task, value in zip(tasks, values, strict=True):
                for store in task.stores:
                    evaluator.memory.store(store.buffer, store.at, value, store.element)
            if lane is not None and mask is None:
                for buffer, at in ahead:
                    if at.coefficient(lane) == 1:
                        evaluator.memory.prefetch(buffer, at)

        self._walk(shape, rows, offsets, found.positional, width, point)

    def _ahead(self, loads: list[tuple[int, Linear]]) -> list[tuple[int, Linear]]:
        """What the next step will read where this one reads `loads`: it comes into the cache while matmuls run."""
        found = []
        for buffer, at in dict.fromkeys(loads):
            stride = sum(at.coefficient(v) * d for v, d in self.plan.directions.items())
            if stride:
                found.append((buffer, at + stride))
        return found

    def _width(self, found: Reach, roots: list[int]) -> int:
        elements = [self.body.node(n).element for n in (*found.inner, *roots, *(n for n, _ in found.read))]
        wide = "f64" in elements or any(self.body.node(n).element == "i64" for n in roots)
        return self.machine.lanes("f64" if wide else "f32")

    def _walk(
        self,
        shape: tuple[int, ...],
        rows: int | None,
        offsets: Sequence[Linear],
        positional: set[Variable],
        width: int,
        point: Callable[[dict[Variable, ir.Value], Variable | None, ir.Value | None], None],
    ) -> None:
        """`point(variables, lane, mask)` for every vector of a space; lanes run along the innermost axis in scratch."""
        axes = merge_axes([(d, s) for d, s in enumerate(shape) if d != rows], offsets, positional)
        along_rows = rows is not None and (self.places.columns or not axes)
        lane = rows if along_rows else axes[-1][0] if axes else None
        outer = axes if along_rows else axes[:-1]

        def lanes(variables: dict[Variable, ir.Value]) -> None:
            if lane is None:
                point(variables, None, None)
            elif along_rows:
                self.each_row_vector(width, lambda i, mask: point({**variables, lane: i}, lane, mask))
            else:
                size = axes[-1][1]
                body = lambda i, mask: point({**variables, lane: i}, lane, mask)  # noqa: E731
                each_vector(ops.index(0), ops.index(size), size, width, body)

        def nest(k: int, variables: dict[Variable, ir.Value]) -> None:
            if k == len(outer):
                lanes(variables)
                return
            variable, size = outer[k]
            ops.repeat(ops.index(0), ops.index(size), ops.index(1), lambda i: nest(k + 1, {**variables, variable: i}))

        if rows is None or along_rows:
            nest(0, {})
        else:
            ops.repeat(self.first, self.last, ops.index(1), lambda r: nest(0, {rows: r}))

    def row_lanes(self, width: int, body: Lanes, carried: Sequence[ir.Value] = ()) -> list[ir.Value]:
        """Lanes along the block's rows, whose number is known at run time; the last, partial vector has a mask."""
        count = ops.binary("arith.subi", self.last, self.first)
        rest = ops.binary("arith.remui", count, ops.index(width))
        whole = ops.binary("arith.subi", self.last, rest)
        results = ops.for_loop(self.first, whole, ops.index(width), lambda i, c: body(i, None, c), carried)

        def tail() -> Sequence[ir.Value]:
            type_ = ops.vector_type(width, ir.IntegerType.get_signless(1))
            return body(whole, ops.op("vector.create_mask", [rest], type_), results)

        return when(ops.cmpi("ne", rest, ops.index(0)), tail, results)

    def each_row_vector(self, width: int, body: Callable[[ir.Value, ir.Value | None], None]) -> None:
        """`row_lanes` that carries nothing: `body(position, mask)`."""

        def one(position: ir.Value, mask: ir.Value | None, _: list[ir.Value]) -> Sequence[ir.Value]:
            body(position, mask)
            return ()

        self.row_lanes(width, one)

    # ---- reductions ----

    def reduce(self, task: Task) -> None:
        """One reduction into its place; lanes run along the innermost axis, reduced or kept."""
        region = self.plan.region
        node = region.nodes[task.node]
        (operand,) = node.operands
        shape, dims = region.nodes[operand].shape, node.attributes["dims"]
        kept = [d for d in range(len(shape)) if d not in dims]
        index: Index = identity(len(shape))
        result = normal(node, tuple(Linear.of(d) for d in kept))
        rows = self.body.dims.get(operand)
        place = self.places.at[task.node]
        at = self.places.offset(task.node, place, result)
        found = task.reach
        width = self._width(found, [operand])
        accumulator = Accumulator.of(region, task.node, width)
        positional = found.positional | (set(dims) if accumulator.reducer.positional else set())
        offsets = [*(p for _, p in found.loads), at]
        sizes = [(d, s) for d, s in enumerate(shape) if d != rows]
        inner = merge_axes([(d, s) for d, s in sizes if d in dims], offsets, positional)
        outer = merge_axes([(d, s) for d, s in sizes if d not in dims], offsets, positional)
        along_rows = rows is not None and (self.places.columns or not (inner or outer))
        last = max((v for v, _ in (*inner, *outer)), default=None)
        reduced_lane = not along_rows and bool(inner) and inner[-1][0] == last
        lane = rows if along_rows else last

        def combine(
            variables: dict[Variable, ir.Value], mask: ir.Value | None, state: list[ir.Value]
        ) -> list[ir.Value]:
            evaluator = self.evaluator(variables, lane, width, mask)
            value = evaluator.memory.as_vector(evaluator.value(operand, index))
            position = Linear.of(dims[-1]) if accumulator.reducer.positional else Linear()
            where = evaluator.memory.as_vector(evaluator.memory.integer(position, ops.element_type("i64")))
            return accumulator.combine(state, value, where, mask if reduced_lane else None)

        def fold(k: int, axes: list, variables: dict, mask: ir.Value | None, state: list[ir.Value]) -> list[ir.Value]:
            """Over the reduced axes; the last one in lanes if it is the lane."""
            if k == len(axes):
                return combine(variables, mask, state)
            variable, size = axes[k]
            if reduced_lane and k == len(axes) - 1:
                return lanes_loop(
                    ops.index(0), ops.index(size), size, width,
                    lambda i, m, c: combine({**variables, variable: i}, m, c), state,
                )  # fmt: skip
            step = lambda i, c: fold(k + 1, axes, {**variables, variable: i}, mask, c)  # noqa: E731
            return ops.for_loop(ops.index(0), ops.index(size), ops.index(1), step, state)

        def finish(variables: dict[Variable, ir.Value], own: Variable | None, mask: ir.Value | None) -> None:
            state = fold(0, inner, variables, mask, accumulator.initial())
            scalar = reduced_lane or own is None
            value = accumulator.finish([state]) if reduced_lane else accumulator.column(state)
            if own is None and not reduced_lane:
                value = g.first_lane(value)
            evaluator = self.evaluator(variables, None if scalar else own, width, mask)
            evaluator.memory.store(place.buffer, at, value, place.element)

        self._walk_kept(rows, outer, along_rows, reduced_lane, width, finish)

    def _walk_kept(self, rows, outer, along_rows: bool, reduced_lane: bool, width: int, finish) -> None:
        loops = list(outer) if along_rows or reduced_lane or not outer else outer[:-1]

        def nest(k: int, variables: dict[Variable, ir.Value]) -> None:
            if k < len(loops):
                variable, size = loops[k]
                ops.repeat(
                    ops.index(0), ops.index(size), ops.index(1), lambda i: nest(k + 1, {**variables, variable: i})
                )
            elif along_rows:
                self.each_row_vector(width, lambda i, mask: finish({**variables, rows: i}, rows, mask))
            elif len(loops) == len(outer):
                finish(variables, None, None)
            else:
                lane, size = outer[-1]
                body = lambda i, mask: finish({**variables, lane: i}, lane, mask)  # noqa: E731
                each_vector(ops.index(0), ops.index(size), size, width, body)

        if rows is None or along_rows:
            nest(0, {})
        else:
            ops.repeat(self.first, self.last, ops.index(1), lambda r: nest(0, {rows: r}))

    # ---- copies ----

    def copy(self, source: int, target: int, node: int) -> None:
        """All rows of the block of one scratch buffer to another."""
        element = self.places.at[node].element
        shape = self.body.node(node).shape
        rows = self.body.dims.get(node)
        at = self.places.local_offset(shape, rows, identity(len(shape)))
        width = self.machine.lanes("f64" if element in ("f64", "i64") else "f32")

        def point(variables: dict[Variable, ir.Value], lane: Variable | None, mask: ir.Value | None) -> None:
            memory = self.evaluator(variables, lane, width, mask).memory
            memory.store(target, at, memory.load(source, at, element), element)

        self._walk(shape, rows, [at], set(), width, point)


def init_task(plan: RecurrencePlan, argument: int, init: int) -> Task:
    """A task that writes a first value to the place of carried value `argument`."""
    return _move(plan, init, argument, plan.places.at[argument].buffer, plan.places.at[argument].element, None)


def cache_task(plan: RecurrencePlan, argument: int) -> Task:
    """A task that copies a kernel argument to its place in scratch."""
    place = plan.places.at[argument]
    task = _move(plan, argument, argument, place.buffer, place.element, None)
    task.target = argument
    return task


def result_task(plan: RecurrencePlan, argument: int, buffer: int) -> Task:
    """A task that writes a last value to result buffer `buffer`, whole."""
    return _move(plan, argument, argument, buffer, plan.body.node(argument).element, True)


def _move(plan: RecurrencePlan, node: int, like: int, buffer: int, element: str, whole: bool | None) -> Task:
    shape = plan.body.node(like).shape
    place = plan.places.at.get(like)
    index = identity(len(shape))
    if whole or place is None or place.whole:
        at = offset(shape, index)
    else:
        at = plan.places.local_offset(shape, plan.body.dims.get(like), index)
    return Task("pointwise", node, -1, [Store(buffer, at, element)], rows=plan.body.dims.get(like))
