"""Scan kernels: each line is a task; the scan itself is a loop.

Lanes run along the innermost dim when that is not the scanned one, so that every lane scans its own line; otherwise the line
is scanned by scalars.
"""

from __future__ import annotations

from math import prod

from torch_mlir import ir

from ....ir import ops
from ....kernel import scan
from ....kernel.buffers import buffer_types, launch_buffers
from ....kernel.evaluate import Evaluator
from ....kernel.memory import Memory
from ....kernel.region import Region
from ....program.launch import Launch, Lowered
from ...functions import CpuFunctions
from ...kernel import KernelModule
from ...machine import Machine
from ..tasks import delinearize, each_vector, total, vector_width


def lower(region: Region, name: str, kernels: KernelModule, machine: Machine) -> Lowered:
    """One launch over the lines of the scan."""
    described = scan.read(region)
    shape, inner = described.shape, len(described.shape) - 1
    vectors = described.dim != inner and shape[inner] > 1
    width = vector_width(region, machine) if vectors else 1
    axes = [a for a in described.lines if not (vectors and a.variable == inner)]
    lane = inner if vectors else None

    with kernels.function(name, buffer_types(region)) as kernel:

        def line(position: dict[int, ir.Value], mask: ir.Value | None) -> None:
            def step(i: ir.Value, carried: list[ir.Value]) -> list[ir.Value]:
                memory = Memory(kernel.buffers, {**position, described.dim: i}, lane, width, mask)
                return described.step(Evaluator(region, memory, CpuFunctions(machine)), carried, vectors)

            initial = described.reducer.identity(width if vectors else 0)
            ops.for_loop(ops.index(0), ops.index(described.length), ops.index(1), step, initial)

        def task(t: ir.Value) -> None:
            position = delinearize(t, axes)
            if not vectors:
                line(position, None)
                return

            def lanes(i: ir.Value, mask: ir.Value | None) -> None:
                line({**position, inner: i}, mask)

            each_vector(ops.index(0), ops.index(shape[inner]), shape[inner], width, lanes)

        ops.repeat(kernel.begin, kernel.end, ops.index(1), task)
    tasks = total(axes) if prod(shape) else 0
    return Lowered([Launch(name, launch_buffers(region), region.arguments, tasks, described.cost)])
