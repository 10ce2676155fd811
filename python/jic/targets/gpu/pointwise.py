"""The pointwise template on threads: one thread computes one element, or a vector of adjacent ones, of every result."""

from __future__ import annotations

from math import ceil, prod

from torch_mlir import ir

from jic.errors import UnsupportedError

from ..ir import ops
from ..kernel.cost import region_ns
from ..kernel.elements import ELEMENT_BYTES
from ..kernel.evaluate import Evaluator, accesses
from ..kernel.index import Linear, identity, offset
from ..kernel.region import Region
from ..kernel.space import merge
from ..program.launch import Launch, Lowered, buffer_types, launch_buffers
from .ids import block_id, divide, thread_id
from .kernel import GpuKernels
from .machine import GpuMachine


def lower(region: Region, name: str, kernels: GpuKernels, machine: GpuMachine) -> Lowered:
    """The kernel of a `pointwise` region. Consecutive threads write consecutive elements."""
    outputs = [region.nodes[n] for n in region.outputs]
    shape = outputs[0].shape
    if any(o.shape != shape for o in outputs):
        raise UnsupportedError(f"the results of a pointwise kernel have shapes {sorted({o.shape for o in outputs})}")
    index = identity(len(shape))
    found = accesses(region, [(n, index) for n in region.outputs])
    written = offset(shape, index)
    axes = merge(shape, [written, *(position for _, position in found.loads)], found.positional)
    lane = axes[-1].variable
    reads = [(region.nodes[argument].element, position) for argument, position in found.loads]
    touched = [*reads, *((o.element, written) for o in outputs)]
    width = vector_width(machine, touched, lane, axes[-1].size)

    sizes = [a.size for a in axes]
    sizes[-1] //= width
    total, threads = prod(sizes), machine.threads
    blocks = min(ceil(total / threads), machine.max_blocks)
    kernel = kernels.kernel(machine, name, buffer_types(region), threads)

    def element(number: ir.Value) -> None:
        digits = divide(number, sizes)
        if width > 1:
            digits[-1] = ops.binary("arith.muli", digits[-1], ops.index(width))
        variables = {a.variable: d for a, d in zip(axes, digits, strict=True)}
        memory = machine.memory(kernel.buffers, variables, lane if width > 1 else None, width)
        evaluator = Evaluator(region, memory, machine.functions)
        values = [evaluator.output(i, index) for i in range(len(outputs))]
        for i, (node, value) in enumerate(zip(outputs, values, strict=True)):
            memory.store(region.arguments + i, written, value, node.element)

    with kernel.body():
        start = ops.binary("arith.muli", block_id(), ops.index(threads))
        first = ops.binary("arith.addi", start, thread_id())
        if blocks * threads < total:

            def step(number: ir.Value, _: list[ir.Value]) -> list[ir.Value]:
                element(number)
                return []

            ops.for_loop(first, ops.index(total), ops.index(blocks * threads), step)
        elif blocks * threads == total:
            element(first)
        else:
            with ops.if_then(ops.cmpi("ult", first, ops.index(total))):
                element(first)
    cost = int(region_ns(region))
    return Lowered([Launch(name, launch_buffers(region), region.arguments, blocks, cost, threads=threads)])


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
