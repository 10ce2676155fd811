"""Concatenation kernels: each operand of the one `concat` is a pointwise walk that writes to its place in the result."""

from __future__ import annotations

from dataclasses import replace

from ...common.index import Linear, identity, offset
from ...common.region import Region
from ..kernel import KernelModule, Launch, Lowered
from ..machine import Machine
from . import pointwise


def lower(region: Region, name: str, kernels: KernelModule, machine: Machine) -> Lowered:
    """One launch an operand; they write disjoint parts of the result."""
    (concat,) = region.find("concat")
    node = region.nodes[concat]
    launches: list[Launch] = []
    at = 0
    for k, operand in enumerate(node.operands):
        shape = region.nodes[operand].shape
        index = identity(len(shape))
        shifted = tuple(p + at if d == node.attributes["dim"] else p for d, p in enumerate(index))
        at += shape[node.attributes["dim"]]
        if 0 in shape:
            continue
        place: Linear = offset(node.shape, shifted)
        # A kernel takes the arguments of its operand alone: all of them in each would be quadratic in their number.
        part, arguments = region.part(operand)
        roots = [(part.outputs[0], index)]
        launch = pointwise.emit(
            part, f"{name}.{k}", kernels, machine, shape, roots, [place], sizes=[pointwise.size(node.shape)]
        )
        buffers = tuple(replace(b, index=arguments[b.index]) if b.kind == "argument" else b for b in launch.buffers)
        launches.append(replace(launch, buffers=buffers))
    return Lowered(launches, status=bool(region.find("index_select", "gather")))
