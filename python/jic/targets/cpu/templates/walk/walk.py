"""Kernels that walk one iteration space: pointwise, indexing, concat, update.

    for task in range(begin, end):            # outer axes x chunks of the row axis
      for row in chunk:
        for lane in range(0, size, width):    # masked tail
          store(evaluate(roots))

A space that merges into one axis is walked as one range. Big results are written around the caches.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch_mlir import ir

from ....ir import ops
from ....kernel import walk
from ....kernel.cost import moved_bytes
from ....kernel.evaluate import Evaluator
from ....kernel.memory import Memory
from ....kernel.region import Region
from ....kernel.space import Axis
from ....kernel.walk import Walk
from ....program.launch import Launch, Lowered
from ...functions import CpuFunctions
from ...kernel import Kernel, KernelModule
from ...machine import Machine
from ..tasks import chunk_size, delinearize, each_vector, streams, total, vector_width
from .tile import TileMemory, tile_axis, walk_tiles


def lower(region: Region, name: str, kernels: KernelModule, machine: Machine) -> Lowered:
    """A launch for each walk of `region`."""
    found = walk.read(region)
    launches = [emit(w, name + w.suffix, kernels, machine) for w in found.walks]
    return Lowered(launches, found.temporaries, found.status, found.updates)


def emit(described: Walk, name: str, kernels: KernelModule, machine: Machine) -> Launch:
    """The kernel of one walk."""
    region, axes, found = described.region, described.axes, described.accesses
    width = vector_width(region, machine)
    streaming = streams(described.stores, axes[-1], width, moved_bytes(region), machine)

    with kernels.function(name, described.buffer_types, shared=described.shared) as kernel:

        def point(variables: dict[int, ir.Value], mask: ir.Value | None, tile: dict[str, Any] | None = None) -> None:
            common: dict[str, Any] = {
                "buffers": kernel.buffers,
                "variables": variables,
                "lane": axes[-1].variable,
                "width": width,
                "mask": mask,
                "status": kernel.buffers[-1] if found.indexed else None,
                "nontemporal": streaming,
            }
            memory = Memory(**common) if tile is None else TileMemory(**common, **tile)
            described.store(Evaluator(region, memory, CpuFunctions(machine)))

        across = tile_axis(region, axes, found)
        tasks = loops(kernel, axes, width, point) if across is None else walk_tiles(kernel, axes, across, width, point)
    return Launch(name, described.buffers, region.arguments, tasks, described.cost)


def loops(
    kernel: Kernel, axes: list[Axis], width: int, point: Callable[[dict[int, ir.Value], ir.Value | None], None]
) -> int:
    """Emit the loops over `axes`, calling `point(variables, mask)` for each vector; returns the number of tasks."""
    lane = axes[-1]
    if len(axes) == 1:
        chunk = chunk_size(lane.size, 1, width)
        low = ops.binary("arith.muli", kernel.begin, ops.index(chunk))
        high = ops.binary("arith.muli", kernel.end, ops.index(chunk))
        high = ops.binary("arith.minsi", high, ops.index(lane.size))

        def flat(i: ir.Value, mask: ir.Value | None) -> None:
            point({lane.variable: i}, mask)

        each_vector(low, high, lane.size, width, flat)
        return -(-lane.size // chunk)

    outer, row = axes[:-2], axes[-2]
    chunk = chunk_size(row.size, lane.size, 1)
    chunks = -(-row.size // chunk)

    def task(t: ir.Value) -> None:
        positions = delinearize(t, [*outer, Axis(-1, chunks)])
        first = ops.binary("arith.muli", positions.pop(-1), ops.index(chunk))
        last = ops.binary("arith.addi", first, ops.index(chunk))
        last = ops.binary("arith.minsi", last, ops.index(row.size))

        def one_row(r: ir.Value) -> None:
            def vector(i: ir.Value, mask: ir.Value | None) -> None:
                point({**positions, row.variable: r, lane.variable: i}, mask)

            each_vector(ops.index(0), ops.index(lane.size), lane.size, width, vector)

        ops.repeat(first, last, ops.index(1), one_row)

    ops.repeat(kernel.begin, kernel.end, ops.index(1), task)
    return total(outer) * chunks
