"""Walks on threads: one thread computes one point, or a vector of adjacent ones, of every result."""

from __future__ import annotations

from math import ceil, prod

from torch_mlir import ir

from ..ir import ops
from ..kernel import walk
from ..kernel.elements import ELEMENT_BYTES
from ..kernel.evaluate import Evaluator
from ..kernel.index import Linear
from ..kernel.region import Region
from ..kernel.walk import Walk
from ..program.launch import Launch, Lowered
from .ids import block_number, divide, thread_id
from .kernel import GpuKernels
from .machine import GpuMachine


def lower(region: Region, name: str, kernels: GpuKernels, machine: GpuMachine) -> Lowered:
    """A launch for each walk of `region`. Consecutive threads write consecutive elements."""
    found = walk.read(region)
    launches = [emit(w, name + w.suffix, kernels, machine) for w in found.walks]
    return Lowered(launches, found.temporaries, found.status, found.updates)


def emit(described: Walk, name: str, kernels: GpuKernels, machine: GpuMachine) -> Launch:
    """The kernel of one walk."""
    region, axes = described.region, described.axes
    lane = axes[-1].variable
    width = 1 if described.accesses.indexed else vector_width(machine, described.touched(), lane, axes[-1].size)
    sizes = [a.size for a in axes]
    sizes[-1] //= width
    total, threads = prod(sizes), machine.threads
    blocks = ceil(total / threads)
    kernel = kernels.kernel(machine, name, described.buffer_types, threads, aliased=described.shared)

    def point(number: ir.Value) -> None:
        digits = divide(number, sizes)
        if width > 1:
            digits[-1] = ops.binary("arith.muli", digits[-1], ops.index(width))
        variables = {a.variable: d for a, d in zip(axes, digits, strict=True)}
        memory = machine.memory(kernel.buffers, variables, lane if width > 1 else None, width)
        memory.status = kernel.buffers[-1] if described.accesses.indexed else None
        described.store(Evaluator(region, memory, machine.functions))

    with kernel.body():
        start = ops.binary("arith.muli", block_number(blocks, machine.max_blocks), ops.index(threads))
        number = ops.binary("arith.addi", start, thread_id())
        if machine.covers(blocks) and blocks * threads == total:
            point(number)
        else:
            with ops.if_then(ops.cmpi("ult", number, ops.index(total))):
                point(number)
    return Launch(name, described.buffers, region.arguments, blocks, described.cost, threads=threads)


def vector_width(machine: GpuMachine, touched: list[tuple[str, Linear]], lane: int, size: int) -> int:
    """Adjacent elements that one thread takes: as many as its widest element allows in one load, so that all loads and
    stores along `lane` (an axis of `size`) stay aligned and the axis has no rest."""
    wide = [element for element, position in touched if position.coefficient(lane)]
    if not wide or machine.vector_bytes == 0:
        return 1
    width = max(1, machine.vector_bytes // max(ELEMENT_BYTES[e] for e in wide))
    if any(position.coefficient(lane) not in (0, 1) for _, position in touched):
        # a strided load is scalar anyway, and neighbouring threads then read farther apart
        return 1
    while width > 1 and size % width:
        width //= 2
    return width
