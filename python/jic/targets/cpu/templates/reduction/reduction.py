"""Reduction kernels: reductions over the same dims of one iteration space, with elementwise work before, between and after.

The body falls into stages: stage s computes the reductions that need those of stages below s; a last pass writes results of
the iteration shape. Each stage walks the reduced dims once more, so softmax (max, sum of exp, divide) is three walks over a row
that stays in the cache, in one kernel. Expensive values that several walks need are kept in the thread's scratch.

* rows: the innermost dim is reduced. Lanes run along the row, several accumulators hide the latency of the operation.
* columns: the innermost dim is kept. Lanes run along it, each lane reduces its own column.
"""

from __future__ import annotations

from torch_mlir import ir

from ....ir import ops
from ....kernel.buffers import buffer_types, launch_buffers
from ....kernel.cost import region_ns
from ....kernel.evaluate import Evaluator
from ....kernel.index import Linear, offset
from ....kernel.memory import Memory
from ....kernel.region import Region
from ....kernel.space import Axis
from ....program.launch import Launch, Lowered
from ...functions import CpuFunctions
from ...kernel import Kernel, KernelModule
from ...machine import Machine
from ..tasks import chunk_size, delinearize, each_vector, lanes_loop, total
from .accumulate import Accumulator
from .plan import UNROLL, Pass, ReductionPlan


def lower(region: Region, name: str, kernels: KernelModule, machine: Machine) -> Lowered:
    """One launch; tasks are rows, or blocks of columns."""
    plan = ReductionPlan(region, machine)
    buffers = buffer_types(region, status=plan.indexed)
    with kernels.function(name, buffers, plan.scratch) as kernel:
        tasks = _Columns(plan, kernel).emit() if plan.columns else _Rows(plan, kernel).emit()
    cost = int(region_ns(region))
    launch = Launch(name, launch_buffers(region, plan.indexed), region.arguments, tasks, cost, plan.scratch)
    return Lowered([launch], status=plan.indexed)


class _Walker:
    """Shared by rows and columns: evaluators, cached rows, stores."""

    def __init__(self, plan: ReductionPlan, kernel: Kernel) -> None:
        self.plan, self.kernel, self.region = plan, kernel, plan.region
        self.caches: dict[int, ir.Value] = {}
        for node in plan.cached:
            element = self.cache_element(node)
            count = plan.row_elements + 2 * plan.width
            count *= UNROLL * plan.width if plan.columns else 1
            self.caches[node] = kernel.scratch_view(plan.cache_at[node], count, element)

    def cache_element(self, node: int) -> str:
        return "f64" if self.region.nodes[node].element == "f64" else "f32"

    def evaluator(
        self, variables: dict[int, ir.Value], lane: int | None, mask: ir.Value | None, rows: dict[int, ir.Value]
    ) -> Evaluator:
        plan = self.plan
        memory = Memory(
            buffers=self.kernel.buffers,
            variables=dict(variables),
            lane=lane,
            width=plan.width,
            mask=mask,
            status=self.kernel.buffers[-1] if plan.indexed else None,
            nontemporal=plan.streaming,
        )
        evaluator = Evaluator(self.region, memory, CpuFunctions(plan.machine))
        for node, value in rows.items():
            evaluator.bind(node, plan.reduced, value)
        return evaluator

    def cached(self, evaluator: Evaluator, walk: Pass, position: ir.Value) -> None:
        """Bind what earlier walks kept at `position` of the row; keep what this walk must."""
        for node in self.plan.cached:
            type_ = ops.vector_type(self.plan.width, ops.element_type(self.cache_element(node)))
            buffer = self.caches[node]
            if node in walk.keep:
                value = evaluator.memory.as_vector(evaluator.value(node, self.plan.full))
                ops.op("vector.store", [value, buffer, position], None)
            elif self._kept_before(node, walk):
                evaluator.bind(node, self.plan.full, ops.op("vector.load", [buffer, position], type_))

    def _kept_before(self, node: int, walk: Pass) -> bool:
        order = self.plan.passes
        return any(node in p.keep for p in order[: order.index(walk)])

    def write(self, evaluator: Evaluator, outputs: list[int]) -> None:
        for k in outputs:
            number = self.region.outputs[k]
            index = self.plan.index_of(number)
            node = self.region.nodes[number]
            at = offset(node.shape, index)
            evaluator.memory.store(self.region.arguments + k, at, evaluator.value(number, index), node.element)


class _Rows(_Walker):
    """Lanes along the innermost reduced axis; a task is a row, or a block of short rows."""

    def emit(self) -> int:
        plan = self.plan
        rows = total(plan.kept_axes)
        block = max(1, min(2048 // max(1, plan.row_elements), max(1, rows // 16)))

        def task(t: ir.Value) -> None:
            first = ops.binary("arith.muli", t, ops.index(block))
            last = ops.binary("arith.minsi", ops.binary("arith.addi", first, ops.index(block)), ops.index(rows))
            ops.repeat(first, last, ops.index(1), self._row)

        ops.repeat(self.kernel.begin, self.kernel.end, ops.index(1), task)
        return -(-rows // block)

    def _row(self, row: ir.Value) -> None:
        plan = self.plan
        position = delinearize(row, plan.kept_axes)
        values: dict[int, ir.Value] = {}
        for walk in plan.passes:
            if walk.reductions:
                values.update(self._reduce(walk, position, values))
            else:
                self._write_row(walk, position, values)
        if plan.row_outputs:
            self.write(self.evaluator(position, None, None, values), plan.row_outputs)

    def _nest(self, body, carried: list[ir.Value]) -> list[ir.Value]:
        """Loops over the outer reduced axes: `body(variables, row offset, carried)`."""
        outer = self.plan.reduced_axes[:-1]
        length = self.plan.reduced_axes[-1].size

        def level(k: int, variables: dict[int, ir.Value], base: ir.Value, values: list[ir.Value]) -> list[ir.Value]:
            if k == len(outer):
                return body(variables, base, values)
            stride = length * total(outer[k + 1 :])

            def step(i: ir.Value, c: list[ir.Value]) -> list[ir.Value]:
                at = ops.binary("arith.addi", base, ops.binary("arith.muli", i, ops.index(stride)))
                return level(k + 1, {**variables, outer[k].variable: i}, at, c)

            return ops.for_loop(ops.index(0), ops.index(outer[k].size), ops.index(1), step, values)

        return level(0, {}, ops.index(0), carried)

    def _reduce(self, walk: Pass, position: dict[int, ir.Value], rows: dict[int, ir.Value]) -> dict[int, ir.Value]:
        plan, region = self.plan, self.region
        lane = plan.reduced_axes[-1]
        kinds = [Accumulator.of(region, r, plan.width) for r in walk.reductions]
        vectors = lane.size // plan.width
        unroll = UNROLL if vectors >= 2 * UNROLL else 1
        parts = [a.parts for a in kinds]

        def accumulate(
            i: ir.Value, mask: ir.Value | None, variables: dict[int, ir.Value], base: ir.Value, state: list[ir.Value]
        ) -> list[ir.Value]:
            evaluator = self.evaluator({**position, **variables, lane.variable: i}, lane.variable, mask, rows)
            self.cached(evaluator, walk, ops.binary("arith.addi", base, i))
            if walk is plan.passes[1 % len(plan.passes)] and len(plan.passes) > 1:
                for buffer, position_ahead in plan.ahead:
                    evaluator.memory.prefetch(buffer, position_ahead)
            result: list[ir.Value] = []
            at = 0
            for number, kind in zip(walk.reductions, kinds, strict=True):
                value = evaluator.value(region.nodes[number].operands[0], plan.full)
                where = evaluator.memory.integer(Linear.of(lane.variable), ops.element_type("i64"))
                result += kind.combine(
                    state[at : at + kind.parts],
                    evaluator.memory.as_vector(value),
                    evaluator.memory.as_vector(where),
                    mask,
                )
                at += kind.parts
            return result

        def body(variables: dict[int, ir.Value], base: ir.Value, state: list[ir.Value]) -> list[ir.Value]:
            one = sum(parts)
            step = plan.width * unroll
            main = lane.size // step * step

            def unrolled(i: ir.Value, c: list[ir.Value]) -> list[ir.Value]:
                result: list[ir.Value] = []
                for u in range(unroll):
                    at = ops.binary("arith.addi", i, ops.index(u * plan.width)) if u else i
                    result += accumulate(at, None, variables, base, c[u * one : (u + 1) * one])
                return result

            state = ops.for_loop(ops.index(0), ops.index(main), ops.index(step), unrolled, state)
            if main < lane.size:
                rest = lanes_loop(
                    ops.index(main),
                    ops.index(lane.size),
                    lane.size,
                    plan.width,
                    lambda i, mask, c: accumulate(i, mask, variables, base, c),
                    state[:one],
                )
                state = [*rest, *state[one:]]
            return state

        initial = [v for _ in range(unroll) for kind in kinds for v in kind.initial()]
        state = self._nest(body, initial)
        found: dict[int, ir.Value] = {}
        one, at = sum(parts), 0
        for number, kind in zip(walk.reductions, kinds, strict=True):
            copies = [state[u * one + at : u * one + at + kind.parts] for u in range(unroll)]
            found[number] = kind.finish(copies)
            at += kind.parts
        return found

    def _write_row(self, walk: Pass, position: dict[int, ir.Value], rows: dict[int, ir.Value]) -> None:
        plan = self.plan
        lane = plan.reduced_axes[-1]

        def body(variables: dict[int, ir.Value], base: ir.Value, _: list[ir.Value]) -> list[ir.Value]:
            def vector(i: ir.Value, mask: ir.Value | None) -> None:
                evaluator = self.evaluator({**position, **variables, lane.variable: i}, lane.variable, mask, rows)
                self.cached(evaluator, walk, ops.binary("arith.addi", base, i))
                self.write(evaluator, walk.outputs)

            each_vector(ops.index(0), ops.index(lane.size), lane.size, plan.width, vector)
            return []

        self._nest(body, [])


class _Columns(_Walker):
    """Lanes along the innermost kept axis; a task is a block of columns at one position of the other kept axes."""

    def emit(self) -> int:
        plan = self.plan
        lane, outer = plan.kept_axes[-1], plan.kept_axes[:-1]
        vectors = -(-lane.size // plan.width)
        group = min(UNROLL, vectors)
        per_task = chunk_size(lane.size, max(1, plan.row_elements), plan.width * group)
        chunks = -(-lane.size // per_task)

        def task(t: ir.Value) -> None:
            position = delinearize(t, [*outer, Axis(-1, chunks)])
            first = ops.binary("arith.muli", position.pop(-1), ops.index(per_task))
            last = ops.binary("arith.minsi", ops.binary("arith.addi", first, ops.index(per_task)), ops.index(lane.size))
            step = plan.width * group
            main = lane.size // step * step
            end = ops.binary("arith.minsi", last, ops.index(main))

            def wide(i: ir.Value) -> None:
                self._columns(
                    position, lane, [ops.binary("arith.addi", i, ops.index(u * plan.width)) for u in range(group)], None
                )

            ops.repeat(first, end, ops.index(step), wide)
            if main < lane.size:
                start = ops.binary("arith.maxsi", first, ops.index(main))
                each_vector(
                    start,
                    last,
                    lane.size,
                    plan.width,
                    lambda i, mask: self._columns(position, lane, [i], mask),
                )

        ops.repeat(self.kernel.begin, self.kernel.end, ops.index(1), task)
        return total(outer) * chunks

    def _columns(
        self, position: dict[int, ir.Value], lane: Axis, points: list[ir.Value], mask: ir.Value | None
    ) -> None:
        plan, region = self.plan, self.region
        rows: list[dict[int, ir.Value]] = [{} for _ in points]
        axes = plan.reduced_axes
        for walk in plan.passes:
            kinds = [Accumulator.of(region, r, plan.width) for r in walk.reductions]
            one = sum(k.parts for k in kinds)

            def visit(
                variables: dict[int, ir.Value], flat: ir.Value, state: list[ir.Value], walk=walk, kinds=kinds, one=one
            ) -> list[ir.Value]:
                result: list[ir.Value] = []
                for u, point in enumerate(points):
                    evaluator = self.evaluator(
                        {**position, **variables, lane.variable: point}, lane.variable, mask, rows[u]
                    )
                    at_row = ops.binary("arith.muli", flat, ops.index(plan.width * len(points)))
                    self.cached(evaluator, walk, ops.binary("arith.addi", at_row, ops.index(u * plan.width)))
                    at = u * one
                    for number, kind in zip(walk.reductions, kinds, strict=True):
                        value = evaluator.value(region.nodes[number].operands[0], plan.full)
                        where = evaluator.memory.integer(
                            Linear.of(plan.reduced_axes[-1].variable), ops.element_type("i64")
                        )
                        result += kind.combine(
                            state[at : at + kind.parts],
                            evaluator.memory.as_vector(value),
                            evaluator.memory.as_vector(where),
                            None,
                        )
                        at += kind.parts
                    self.write(evaluator, walk.outputs)
                return result

            def level(
                k: int, variables: dict[int, ir.Value], flat: ir.Value, state: list[ir.Value], visit=visit
            ) -> list[ir.Value]:
                if k == len(axes):
                    return visit(variables, flat, state)

                def step(i: ir.Value, c: list[ir.Value]) -> list[ir.Value]:
                    at = ops.binary("arith.addi", ops.binary("arith.muli", flat, ops.index(axes[k].size)), i)
                    return level(k + 1, {**variables, axes[k].variable: i}, at, c)

                return ops.for_loop(ops.index(0), ops.index(axes[k].size), ops.index(1), step, state)

            state = level(0, {}, ops.index(0), [v for _ in points for kind in kinds for v in kind.initial()])
            at = 0
            for u in range(len(points)):
                for number, kind in zip(walk.reductions, kinds, strict=True):
                    rows[u][number] = kind.column(state[at : at + kind.parts])
                    at += kind.parts
        if plan.row_outputs:
            for u, point in enumerate(points):
                self.write(
                    self.evaluator({**position, lane.variable: point}, lane.variable, mask, rows[u]), plan.row_outputs
                )
