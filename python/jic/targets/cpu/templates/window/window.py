"""Window kernels: one convolution or pool, and the elementwise ops after it.

    conv:  pack the filter into panels            # each time: weights are inputs and may change
           for task:                              # batch x depth x block of rows x part of the output channels
             copy the padded patch of the source  # only where windows reach over the border
             for panel, for tile:                 # pixels x output channels in registers
               sums = taps x input channels
               store(evaluate(outputs))
    pool, depthwise conv:  see pool_kernel.py

The elementwise part is evaluated on the registers, so a convolution with bias, batch norm, residual and ReLU writes its
result once. Tiles may write a result twice with the same value: results must not share memory with arguments.
"""

from __future__ import annotations

from ....kernel.buffers import Buffer
from ....kernel.elements import ELEMENT_BYTES
from ....kernel.region import Region
from ....kernel.window import Sliding, read
from ....program.launch import Launch, Lowered
from ...functions import CpuFunctions
from ...kernel import KernelModule
from ...machine import Machine
from .conv_kernel import emit_conv
from .conv_pack import pack_filter, pack_ns
from .conv_plan import make_plan
from .pool_kernel import lower_channelwise
from .write import Writer


def lower(region: Region, name: str, kernels: KernelModule, machine: Machine) -> Lowered:
    """Lower the region's convolution or pool and all that follows it."""
    described = read(region)
    if 0 in region.nodes[described.node].shape:
        return Lowered()
    if described.filter is None or described.depthwise:
        return lower_channelwise(described, name, kernels, machine)
    return _lower_conv(described, name, kernels, machine)


def _lower_conv(described: Sliding, name: str, kernels: KernelModule, machine: Machine) -> Lowered:
    assert described.filter is not None
    region, window, source, filter_ = described.region, described.window, described.source, described.filter
    plan = make_plan(window, described.groups, machine, described.mergeable)
    packed = plan.panels * plan.width * plan.steps
    writer = Writer(
        region=region,
        node=described.node,
        extra=() if plan.packs else ((packed, window.accumulator),),
        rows=plan.tile.rows,
        columns=plan.tile.columns,
        vectors=plan.tile.vectors,
        lanes=plan.lanes,
        width=plan.window.target[2],
        layout=window.layout,
        accumulator=window.accumulator,
        functions=CpuFunctions(machine),
        merged=plan.flat > 0,
    )
    arguments = tuple(Buffer("argument", i) for i in range(region.arguments))
    results = tuple(Buffer("result", i) for i in range(len(region.outputs)))
    if plan.packs:
        scratch = emit_conv(kernels, name, plan, writer, source, filter_)
        cost = plan.nanoseconds + pack_ns(plan)
        return Lowered([Launch(name, (*arguments, *results), region.arguments, plan.tasks, cost, scratch)])
    temp = Buffer("temp", 0)
    packs = pack_filter(kernels, f"{name}_pack", plan)
    scratch = emit_conv(kernels, name, plan, writer, source, filter_=region.arguments)
    pack = Launch(f"{name}_pack", (Buffer("argument", filter_), temp), 1, packs, pack_ns(plan))
    cost = plan.nanoseconds
    conv = Launch(name, (*arguments, temp, *results), region.arguments + 1, plan.tasks, cost, scratch)
    return Lowered([pack, conv], [max(1, packed) * ELEMENT_BYTES[window.accumulator]])
