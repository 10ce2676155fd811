"""The scan template on threads: each line is one thread's work, so neighbouring threads read neighbouring lines."""

from __future__ import annotations

from math import ceil, prod

from torch_mlir import ir

from ..ir import ops
from ..kernel import scan
from ..kernel.buffers import buffer_types, launch_buffers
from ..kernel.evaluate import Evaluator
from ..kernel.region import Region
from ..program.launch import Launch, Lowered
from .ids import block_number, divide, thread_id
from .kernel import GpuKernels
from .machine import GpuMachine


def lower(region: Region, name: str, kernels: GpuKernels, machine: GpuMachine) -> Lowered:
    """One launch over the lines of the scan."""
    described = scan.read(region)
    axes = described.lines
    lines, threads = prod(a.size for a in axes), machine.threads
    blocks = ceil(lines / threads) if described.length else 0
    unroll = machine.unrolled(described.length)
    kernel = kernels.kernel(machine, name, buffer_types(region), threads)

    def line(number: ir.Value) -> None:
        position = {a.variable: d for a, d in zip(axes, divide(number, [a.size for a in axes]), strict=True)}

        def at(i: ir.Value, running: list[ir.Value]) -> list[ir.Value]:
            memory = machine.memory(kernel.buffers, {**position, described.dim: i}, None, 1)
            return described.step(Evaluator(region, memory, machine.functions), running)

        def steps(i: ir.Value, running: list[ir.Value]) -> list[ir.Value]:
            for k in range(unroll):
                running = at(ops.binary("arith.addi", i, ops.index(k)) if k else i, running)
            return running

        whole = described.length // unroll * unroll
        running = described.reducer.identity()
        running = ops.for_loop(ops.index(0), ops.index(whole), ops.index(unroll), steps, running)
        for k in range(whole, described.length):
            running = at(ops.index(k), running)

    with kernel.body():
        start = ops.binary("arith.muli", block_number(blocks, machine.max_blocks), ops.index(threads))
        number = ops.binary("arith.addi", start, thread_id())
        with ops.if_then(ops.cmpi("ult", number, ops.index(lines))):
            line(number)
    return Lowered([Launch(name, launch_buffers(region), region.arguments, blocks, described.cost, threads=threads)])
