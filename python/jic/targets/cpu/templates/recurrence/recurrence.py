"""Recurrence kernels: a `jic.loop` whose rows are independent. A thread runs all steps on its block of rows.

    pack the weights                              # a launch of its own for each matmul
    for block in rows [begin, end):
      carried values to scratch
      for t in range(trip count):
        scalars, starts of dynamic slices
        for stage in stages:                      # matmul, reduction, or a walk that computes several values
          rows of the block, from scratch to scratch
      carried values to the results

Nothing but the inputs that a step reads and the outputs it stacks leaves the thread's caches. A task is a few rows; the
kernel works on all the rows of its range of tasks at once, so that the weights are read once a step however the rows
are split over threads.
"""

from __future__ import annotations

from math import lcm, prod

from torch_mlir import ir

from ....ir import ops
from ....kernel.buffers import Buffer, buffer_types
from ....kernel.cost import op_ns
from ....kernel.elements import ELEMENT_BYTES, storage
from ....kernel.index import Linear
from ....kernel.recurrence.affine import covers
from ....kernel.recurrence.body import Body, parse
from ....kernel.recurrence.dependence import Steps
from ....program.launch import Launch, Lowered
from ...kernel import Kernel, KernelModule
from ...machine import Machine
from . import matmul
from .emit import Block, cache_task, init_task, result_task
from .matmul import Product
from .plan import RecurrencePlan, plan_of

# Steps that a loop is taken to have where their number is known at run time only.
_GUESSED_STEPS = 64


def lower(fused: ir.Operation, name: str, kernels: KernelModule, machine: Machine) -> Lowered:
    """The launches that pack weights, and the one that runs the loop. Raises `LoweringError` for a body without rows."""
    body = parse(fused)
    order = [n for n in sorted(body.weights)]
    steps = Steps.of(body)
    plan = plan_of(steps, len(order))
    products = {n: matmul.product(body, n, machine) for n in order if n in plan.live}
    layout = Layout(body, plan, list(products.values()), machine)
    if layout.columns:
        plan = plan_of(steps, len(order), layout.rows)
    layout.assign(plan)
    lowered = Lowered()
    arguments = [Buffer("argument", i) for i in range(body.arguments)]
    packed: dict[int, Buffer] = {}
    for number, p in products.items():
        packed[number] = Buffer("temp", len(lowered.temporaries))
        lowered.temporaries.append(matmul.weight_bytes(p))
        tasks = matmul.pack(body, p, f"{name}_pack{number}", kernels, machine)
        cost = matmul.weight_bytes(p) // 8 + 1
        buffers = (*arguments, packed[number])
        lowered.launches.append(Launch(f"{name}_pack{number}", buffers, body.arguments, tasks, cost))
    temps = [Buffer("temp", len(lowered.temporaries) + i) for i in range(len(plan.temps))]
    lowered.temporaries += [prod(body.node(n).shape) * ELEMENT_BYTES[body.node(n).element] for n in plan.temps]
    results = [Buffer("result", i) for i in range(len(body.results))]
    _emit(body, plan, products, layout, name, kernels, machine)
    # packed weights are read: they stand with the inputs
    launch = Launch(
        name,
        (*arguments, *packed.values(), *results, *temps),
        body.arguments + len(packed),
        -(-body.rows // layout.task),
        _cost(body, plan, products),
        layout.scratch,
    )
    lowered.launches.append(launch)
    return lowered


class Layout:
    """Rows of a task and of a block, and the thread's scratch."""

    def __init__(self, body: Body, plan: RecurrencePlan, products: list[Product], machine: Machine) -> None:
        self.columns = False
        places = plan.places
        row = sum(places.elements(n) * ELEMENT_BYTES[scratch_of(plan, n)] for n in plan.scratch)
        heights = [p.heights[-1] for p in products]
        if not body.dims:
            self.task = self.rows = 1
        elif products:
            self.task = max(1, -(-min(heights) // 2))
            unit = lcm(self.task, max(heights))
            most = max(unit, machine.l2 // 4 // max(1, row) // unit * unit)
            self.rows = min(most, -(-64 // unit) * unit, -(-body.rows // unit) * unit)
        else:
            width = machine.lanes("f32")
            lanes = all(_short(plan, n) for n in plan.scratch) or _rows_last(plan)
            self.columns = lanes
            per_row = max(1, row // 4)
            unit = width if lanes else 1
            wanted = max(1, 1024 // per_row)
            self.task = max(unit, min(-(-wanted // unit) * unit, -(-body.rows // 16 // unit) * unit))
            most = max(self.task, machine.l1 // 2 // max(1, row) // unit * unit)
            self.rows = min(-(-most // unit) * unit, -(-body.rows // unit) * unit)

    def assign(self, plan: RecurrencePlan) -> None:
        """Give the scratch buffers of `plan` their offsets."""
        places = plan.places
        places.rows = self.rows
        self.elements = [scratch_of(plan, n) for n in plan.scratch]
        self.offsets: list[int] = []
        at = 0
        for number, element in zip(plan.scratch, self.elements, strict=True):
            self.offsets.append(at)
            bytes_ = places.elements(number) * ELEMENT_BYTES[element]
            at += -(-bytes_ // 64) * 64
        self.scratch = at


def scratch_of(plan: RecurrencePlan, node: int) -> str:
    return plan.places.at[node].element


def _rows_last(plan: RecurrencePlan) -> bool:
    """Whether rows lie along the last dim of all states, so that in the kernel's arguments they are side by side too."""
    states = [n for n in plan.body.carried if n in plan.body.dims and len(plan.body.node(n).shape) > 1]
    return bool(states) and all(plan.body.dims[n] == len(plan.body.node(n).shape) - 1 for n in states)


def _short(plan: RecurrencePlan, node: int) -> bool:
    shape = plan.body.node(node).shape
    return prod(shape) // max(1, plan.body.rows) < 8


def _emit(
    body: Body,
    plan: RecurrencePlan,
    products: dict[int, Product],
    layout: Layout,
    name: str,
    kernels: KernelModule,
    machine: Machine,
) -> None:
    types = buffer_types(body.region)
    arguments = types[: body.arguments]
    packed = [(p.packed, p.element) for p in products.values()]
    carried = [body.node(body.carried[k]) for k in body.results] + [body.node(n) for n in plan.temps]
    results = [(prod(n.shape), n.element) for n in carried]
    with kernels.function(name, [*arguments, *packed, *results], layout.scratch) as kernel:
        ordered = kernel.buffers[: len(arguments)] + kernel.buffers[len(arguments) + len(packed) :]
        weights = dict(zip(products, kernel.buffers[len(arguments) :], strict=False))
        # numbers of unused products' buffers are never asked for
        ordered += [kernel.buffers[0]] * (plan.first_scratch - len(ordered)) if kernel.buffers else []
        for number, element, at in zip(plan.scratch, layout.elements, layout.offsets, strict=True):
            elements = plan.places.elements(number)
            ordered.append(_view(kernel, at, elements, element))
        _blocks(body, plan, products, layout, kernel, ordered, weights, machine)


def _view(kernel: Kernel, at: int, elements: int, element: str) -> ir.Value:
    type_ = ir.MemRefType.get([elements], storage(element))
    return ops.op("memref.view", [kernel.scratch, ops.index(at)], type_)


def _blocks(
    body: Body,
    plan: RecurrencePlan,
    products: dict[int, Product],
    layout: Layout,
    kernel: Kernel,
    buffers: list[ir.Value],
    weights: dict[int, ir.Value],
    machine: Machine,
) -> None:
    """The loop over blocks of rows, the first of which starts with the range of tasks."""
    low = ops.binary("arith.muli", kernel.begin, ops.index(layout.task))
    high = ops.binary("arith.muli", kernel.end, ops.index(layout.task))
    high = ops.binary("arith.minsi", high, ops.index(body.rows))

    def block(first: ir.Value) -> None:
        last = ops.binary("arith.minsi", ops.binary("arith.addi", first, ops.index(layout.rows)), high)
        at = Block(plan, machine, buffers, first, last)
        _one_block(body, plan, products, at, weights)

    ops.repeat(low, high, ops.index(layout.rows), block)


def _one_block(
    body: Body, plan: RecurrencePlan, products: dict[int, Product], block: Block, weights: dict[int, ir.Value]
) -> None:
    region = plan.region
    for number in range(body.arguments):
        if number in plan.uniform:
            memory = block.evaluator({}, None, 1, None).memory
            block.uniform[number] = memory.load(number, Linear(), body.node(number).element)
    block.scalars({n for n in (body.trip, *body.inits) if n in plan.uniform}, set())
    scalars = [n for n in body.carried if n in plan.uniform]
    for number in sorted(plan.cached):
        block.pointwise([cache_task(plan, number)])
    for argument, init in zip(body.carried, body.inits, strict=True):
        if argument not in plan.uniform and not covers(body, plan.stacks.get(argument, ())):
            block.pointwise([init_task(plan, argument, init)])
    trip = ops.op("arith.index_cast", [block.uniform[body.trip]], ops.index_type())
    constants = dict(block.uniform)

    def step(t: ir.Value, carried: list[ir.Value]) -> list[ir.Value]:
        block.uniform = dict(constants)
        block.starts = {}
        block.uniform[body.index] = ops.op("arith.index_cast", [t], ops.element_type("i64"))
        block.uniform.update(zip(scalars, carried, strict=True))
        next_ = [region.outputs[n - body.carried[0]] for n in scalars]
        starts = {n for stage in plan.stages for task in stage for n in task.reach.starts}
        block.scalars({n for n in plan.uniform if n in plan.live} | set(next_), starts)
        for stage in plan.stages:
            if stage[0].kind == "matmul":
                matmul.emit(block, products[stage[0].node], weights[stage[0].node])
            elif stage[0].kind == "reduce":
                block.reduce(stage[0])
            else:
                block.pointwise(stage)
        for copy in plan.copies:
            block.copy(copy.source, copy.target, copy.node)
        return [block.uniform[n] for n in next_]

    inits = [block.uniform[body.inits[n - body.carried[0]]] for n in scalars]
    last = ops.for_loop(ops.index(0), trip, ops.index(1), step, inits)
    block.uniform, block.starts = constants, {}
    for k, number in enumerate(body.results):
        argument = body.carried[number]
        if argument in plan.uniform:
            memory = block.evaluator({}, None, 1, None).memory
            value = last[scalars.index(argument)]
            memory.store(body.arguments + k, Linear(), value, body.node(argument).element)
        elif argument not in plan.stacks:
            block.pointwise([result_task(plan, argument, body.arguments + k)])


def _cost(body: Body, plan: RecurrencePlan, products: dict[int, Product]) -> int:
    """Estimated ns of all rows and steps on one core."""
    trip = body.node(body.trip)
    steps = trip.attributes["value"] if trip.op == "constant" else _GUESSED_STEPS
    nodes = body.region.nodes
    inner = {n for stage in plan.stages for task in stage for n in task.reach.inner}
    step = sum(op_ns(nodes[n]) for n in inner)
    step += sum(p.rows * p.k * -(-p.n // p.lanes) / 4 for p in products.values())
    return int(max(1, steps) * (step + 100)) + 1
