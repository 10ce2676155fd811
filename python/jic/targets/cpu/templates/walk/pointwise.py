"""Pointwise kernels: one iteration space, every result has its shape. Also `indexing`, which adds checked look-ups.

    for task in range(begin, end):            # outer axes x chunks of the row axis
      for row in chunk:
        for lane in range(0, size, width):    # masked tail
          store(evaluate(outputs))

A space that merges into one axis is walked as one range. Big results are written around the caches.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch_mlir import ir

from ....ir import ops
from ....kernel.cost import moved_bytes, region_ns
from ....kernel.evaluate import Evaluator, accesses
from ....kernel.index import Index, Linear, identity, offset
from ....kernel.memory import Memory
from ....kernel.region import Region
from ....kernel.space import Axis, merge
from ....program.launch import Launch, Lowered, buffer_types, launch_buffers
from ...functions import CpuFunctions
from ...kernel import Kernel, KernelModule
from ...machine import Machine
from ..tasks import chunk_size, delinearize, lanes_loop, streams, total, vector_width
from .tile import TileMemory, tile_axis, walk_tiles


def lower(region: Region, name: str, kernels: KernelModule, machine: Machine) -> Lowered:
    """One launch over the results' shape."""
    shape = region.nodes[region.outputs[0]].shape
    index = identity(len(shape))
    stores = [offset(shape, index)] * len(region.outputs)
    launch = emit(region, name, kernels, machine, shape, [(n, index) for n in region.outputs], stores)
    return Lowered([launch], status=bool(region.find("index_select", "gather")))


def emit(
    region: Region,
    name: str,
    kernels: KernelModule,
    machine: Machine,
    shape: tuple[int, ...],
    roots: list[tuple[int, Index]],
    stores: Sequence[Linear],
    results: Sequence[int] | None = None,
    shared: frozenset[int] = frozenset(),
) -> Launch:
    """A kernel that walks `shape` and writes the value of root k at offset `stores[k]` of result `results[k]`.

    `shared` are the buffers that may be the same memory (see `KernelModule.function`).
    """
    results = list(range(len(roots))) if results is None else results
    updates = [n for n in region.outputs if region.nodes[n].op == "dynamic_update"]
    found = accesses(region, [*roots, *((region.nodes[n].operands[2], ()) for n in updates)])
    axes = merge(shape, [*(p for _, p in found.loads), *stores], found.positional)
    width = vector_width(region, machine)
    buffers = buffer_types(region, status=found.indexed)
    streaming = streams(stores, axes[-1], width, moved_bytes(region), machine)

    with kernels.function(name, buffers, shared=shared) as kernel:

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
            evaluator = Evaluator(region, memory, CpuFunctions(machine))
            for update in updates:
                evaluator.start(update)
            values = [evaluator.value(*root) for root in roots]
            for value, (node, _), at, result in zip(values, roots, stores, results, strict=True):
                memory.store(region.arguments + result, at, value, region.nodes[node].element)

        across = tile_axis(region, axes, found)
        tasks = walk(kernel, axes, width, point) if across is None else walk_tiles(kernel, axes, across, width, point)
    cost = int(region_ns(region))
    return Launch(name, launch_buffers(region, found.indexed), region.arguments, tasks, cost)


def walk(
    kernel: Kernel, axes: list[Axis], width: int, point: Callable[[dict[int, ir.Value], ir.Value | None], None]
) -> int:
    """Emit the loops over `axes`, calling `point(variables, mask)` for each vector; returns the number of tasks."""
    lane = axes[-1]
    if len(axes) == 1:
        chunk = chunk_size(lane.size, 1, width)
        low = ops.binary("arith.muli", kernel.begin, ops.index(chunk))
        high = ops.binary("arith.muli", kernel.end, ops.index(chunk))
        high = ops.binary("arith.minsi", high, ops.index(lane.size))

        def flat(i: ir.Value, mask: ir.Value | None, _: list[ir.Value]) -> list[ir.Value]:
            point({lane.variable: i}, mask)
            return []

        lanes_loop(low, high, lane.size, width, flat)
        return -(-lane.size // chunk)

    outer, row = axes[:-2], axes[-2]
    chunk = chunk_size(row.size, lane.size, 1)
    chunks = -(-row.size // chunk)

    def task(t: ir.Value, _: list[ir.Value]) -> list[ir.Value]:
        positions = delinearize(t, [*outer, Axis(-1, chunks)])
        first = ops.binary("arith.muli", positions.pop(-1), ops.index(chunk))
        last = ops.binary("arith.addi", first, ops.index(chunk))
        last = ops.binary("arith.minsi", last, ops.index(row.size))

        def one_row(r: ir.Value, _: list[ir.Value]) -> list[ir.Value]:
            def vector(i: ir.Value, mask: ir.Value | None, _: list[ir.Value]) -> list[ir.Value]:
                point({**positions, row.variable: r, lane.variable: i}, mask)
                return []

            lanes_loop(ops.index(0), ops.index(lane.size), lane.size, width, vector)
            return []

        ops.for_loop(first, last, ops.index(1), one_row)
        return []

    ops.for_loop(kernel.begin, kernel.end, ops.index(1), task)
    return total(outer) * chunks
