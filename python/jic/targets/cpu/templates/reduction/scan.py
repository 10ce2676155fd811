"""Scan kernels: one `cumulative` with a pointwise prologue and epilogue.

Each position outside the scanned dim is a task; the scan itself is a loop. Lanes run along the innermost dim when that is not
the scanned one, so that every lane scans its own line; otherwise the line is scanned by scalars.
"""

from __future__ import annotations

from math import prod

from torch_mlir import ir

from ....ir import ops
from ....kernel.cost import region_ns
from ....kernel.evaluate import Evaluator
from ....kernel.index import identity, offset
from ....kernel.memory import Memory
from ....kernel.region import Region
from ....kernel.space import Axis
from ....program.launch import Launch, Lowered, buffer_types, launch_buffers
from ...functions import CpuFunctions
from ...kernel import KernelModule
from ...machine import Machine
from ..tasks import delinearize, lanes_loop, total, vector_width
from .accumulate import Accumulator


def lower(region: Region, name: str, kernels: KernelModule, machine: Machine) -> Lowered:
    """One launch over the lines of the scan."""
    (scan,) = region.find("cumulative")
    node = region.nodes[scan]
    dim = node.attributes["dim"]
    shape = node.shape
    index = identity(len(shape))
    inner = len(shape) - 1
    vectors = dim != inner and shape[inner] > 1
    width = vector_width(region, machine) if vectors else 1
    accumulator = Accumulator(node.attributes["kind"], node.element, width)
    axes = [Axis(d, s) for d, s in enumerate(shape) if d != dim and not (vectors and d == inner)]
    lane = inner if vectors else None

    with kernels.function(name, buffer_types(region)) as kernel:

        def line(position: dict[int, ir.Value], mask: ir.Value | None) -> None:
            initial = accumulator.initial()
            if not vectors:
                scalar = ops.scalar_of(initial[0].type)
                initial = [ops.constant(scalar, accumulator.identity())]

            def step(i: ir.Value, carried: list[ir.Value]) -> list[ir.Value]:
                memory = Memory(kernel.buffers, {**position, dim: i}, lane, width, mask)
                evaluator = Evaluator(region, memory, CpuFunctions(machine))
                value = evaluator.value(node.operands[0], index)
                value = memory.as_vector(value) if vectors else value
                (running,) = accumulator.combine(carried, value, value, None)
                evaluator.bind(scan, index, running)
                for k, output in enumerate(region.outputs):
                    at = offset(shape, index)
                    memory.store(region.arguments + k, at, evaluator.value(output, index), region.nodes[output].element)
                return [running]

            ops.for_loop(ops.index(0), ops.index(shape[dim]), ops.index(1), step, initial)

        def task(t: ir.Value, _: list[ir.Value]) -> list[ir.Value]:
            position = delinearize(t, axes)
            if not vectors:
                line(position, None)
                return []

            def lanes(i: ir.Value, mask: ir.Value | None, _: list[ir.Value]) -> list[ir.Value]:
                line({**position, inner: i}, mask)
                return []

            lanes_loop(ops.index(0), ops.index(shape[inner]), shape[inner], width, lanes)
            return []

        ops.for_loop(kernel.begin, kernel.end, ops.index(1), task)
    tasks = total(axes) if prod(shape) else 0
    cost = int(region_ns(region))
    return Lowered([Launch(name, launch_buffers(region), region.arguments, tasks, cost)])
