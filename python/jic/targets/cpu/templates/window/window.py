"""Window kernels: one convolution or pool, and the elementwise ops after it.

    conv:  pack the filter into panels            # each time: weights are inputs and may change
           for task:                              # batch x depth x block of rows x part of the output channels
             copy the padded patch of the source  # only where windows reach over the border
             for panel, for tile:                 # pixels x output channels in registers
               sums = taps x input channels
               store(evaluate(outputs))
    pool, depthwise conv:  see _pool_kernel.py

The elementwise part is evaluated on the registers, so a convolution with bias, batch norm, residual and ReLU writes its
result once. Tiles may write a result twice with the same value: results must not share memory with arguments.
"""

from __future__ import annotations

from jic.errors import LoweringError

from ....kernel.buffers import Buffer
from ....kernel.elements import ELEMENT_BYTES
from ....kernel.evaluate import accesses, argument_of, whole
from ....kernel.region import Node, Region
from ....kernel.window import Window, spatial
from ....program.launch import Launch, Lowered
from ...kernel import KernelModule
from ...machine import Machine
from .conv_kernel import emit_conv
from .conv_pack import pack_filter, pack_ns
from .conv_plan import make_plan
from .pool_kernel import lower_channelwise
from .write import Writer


def lower(region: Region, name: str, kernels: KernelModule, machine: Machine) -> Lowered:
    """Lower the region's convolution or pool and all that follows it."""
    found = region.find("conv", "pool")
    if len(found) != 1:
        raise LoweringError(f"a window kernel holds one conv or pool, got {len(found)}")
    number = found[0]
    node = region.nodes[number]
    for shape in (region.nodes[output].shape for output in region.outputs):
        if shape != node.shape:
            raise LoweringError(
                f"a window kernel's results have the shape {node.shape} of jic.{node.op}, got {shape}",
                location=node.location,
            )
    source, padding = _source(region, node)
    if 0 in node.shape:
        return Lowered()
    if node.op == "pool":
        window = Window.of(node, region.nodes[source], node.attributes["window"], padding)
        return lower_channelwise(region, number, window, source, None, name, kernels, machine)
    filter_ = _filter(region, node)
    window = Window.of(node, region.nodes[source], region.nodes[filter_].shape[2:], padding)
    groups = node.attributes["groups"]
    if groups > 1 and groups == window.source_channels == window.target_channels:
        return lower_channelwise(region, number, window, source, filter_, name, kernels, machine)
    return _lower_conv(region, number, window, groups, source, filter_, name, kernels, machine)


def _lower_conv(
    region: Region,
    number: int,
    window: Window,
    groups: int,
    source: int,
    filter_: int,
    name: str,
    kernels: KernelModule,
    machine: Machine,
) -> Lowered:
    plan = make_plan(window, groups, machine, _mergeable(region, number, window))
    packed = plan.panels * plan.width * plan.steps
    writer = Writer(
        region=region,
        node=number,
        extra=() if plan.packs else ((packed, window.accumulator),),
        rows=plan.tile.rows,
        columns=plan.tile.columns,
        vectors=plan.tile.vectors,
        lanes=plan.lanes,
        width=plan.window.target[2],
        layout=window.layout,
        accumulator=window.accumulator,
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


def _source(region: Region, node: Node) -> tuple[int, tuple[int, ...]]:
    """The argument that `node` slides over, and the padding (low0, high0, …) that a `jic.pad` before it adds."""
    operand = node.operands[0]
    rank = len(node.attributes["stride"])
    padding = (0,) * (2 * rank)
    pad = region.nodes[operand]
    if pad.op == "pad":
        low, high = (spatial(pad.attributes[which], node.attributes["layout"]) for which in ("low", "high"))
        neutral = {"max": float("-inf"), "avg": None}.get(node.attributes.get("kind", ""), 0)
        if sum(low) + sum(high) != sum(pad.attributes["low"]) + sum(pad.attributes["high"]):
            raise LoweringError(f"a pad of other than spatial dims before jic.{node.op}", location=node.location)
        if pad.attributes["value"] != neutral:
            raise LoweringError(
                f"a pad with {pad.attributes['value']} before jic.{node.op}, which only takes {neutral}",
                location=node.location,
            )
        padding = tuple(value for pair in zip(low, high, strict=True) for value in pair)
        (operand,) = pad.operands
    argument = argument_of(region, operand)
    if argument is None:
        raise LoweringError(
            f"jic.{node.op} in a window kernel reads jic.{region.nodes[operand].op}, expected an argument",
            location=node.location,
        )
    # the shape that the op sees: an argument may be reshaped on the way
    if region.nodes[argument].shape != region.nodes[operand].shape:
        raise LoweringError(f"jic.{node.op} in a window kernel reads a reshaped argument", location=node.location)
    return argument, padding


def _filter(region: Region, node: Node) -> int:
    argument = argument_of(region, node.operands[1])
    if argument is None or region.nodes[argument].shape != region.nodes[node.operands[1]].shape:
        raise LoweringError("the filter of a convolution must be an argument of its kernel", location=node.location)
    return argument


def _mergeable(region: Region, number: int, window: Window) -> bool:
    """A convolution of single pixels whose spatial dims (and in nhwc the batch) can be walked as one."""
    if window.taps != 1 or set(window.stride) != {1} or not window.inside:
        return False
    shape = region.nodes[number].shape
    dims = range(2, len(shape)) if window.layout == "nchw" else range(len(shape) - 1)
    dims = [d for d in dims if shape[d] > 1]
    found = accesses(region, [(o, whole(region, o)) for o in region.outputs], frozenset([number]))
    if found.positional & set(dims):
        return False
    return all(
        p.coefficient(a) == p.coefficient(b) * shape[b]
        for _, p in found.loads
        for a, b in zip(dims, dims[1:], strict=False)
    )
