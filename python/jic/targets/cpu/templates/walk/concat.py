"""Concatenation kernels: each operand of the one `concat` is a pointwise walk that writes to its place in the result."""

from __future__ import annotations

from ....kernel.index import Linear, identity, offset
from ....kernel.region import Region
from ....program.launch import Launch, Lowered
from ...kernel import KernelModule
from ...machine import Machine
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
        launches.append(
            pointwise.emit(region, f"{name}.{k}", kernels, machine, shape, [(operand, index)], [place], results=[0])
        )
    return Lowered(launches, status=bool(region.find("index_select", "gather")))
