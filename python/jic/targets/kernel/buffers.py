"""The buffers of a kernel, and what they are in the op that it is lowered from."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from .region import Region


@dataclass(frozen=True)
class Buffer:
    """A launch operand: the kernel's `argument` or `result` number `index`, a `temp` of the lowering, or the `status`."""

    kind: str
    index: int


def buffer_types(region: Region, status: bool = False) -> list[tuple[int, str]]:
    """Kernel buffers of a region: arguments, results, and the status buffer if indices are checked."""
    nodes = [region.nodes[i] for i in [*range(region.arguments), *region.outputs]]
    return [(prod(n.shape), n.element) for n in nodes] + ([(1, "i64")] if status else [])


def launch_buffers(region: Region, status: bool = False) -> tuple[Buffer, ...]:
    arguments = [Buffer("argument", i) for i in range(region.arguments)]
    results = [Buffer("result", i) for i in range(len(region.outputs))]
    return (*arguments, *results, *([Buffer("status", 0)] if status else []))
