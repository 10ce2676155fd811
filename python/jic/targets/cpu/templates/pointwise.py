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

from ...common import ops
from ...common.cost import moved_bytes, region_ns
from ...common.evaluate import Evaluator, accesses
from ...common.index import Index, Linear, identity, offset
from ...common.memory import Memory
from ...common.region import Region
from ...common.space import Axis, merge
from ..functions import CpuFunctions
from ..kernel import Buffer, Kernel, KernelModule, Launch, Lowered
from ..machine import ELEMENT_BYTES, Machine
from ._tasks import chunk_size, delinearize, lanes_loop, streams, total
from ._tile import TileMemory, tile_axis, walk_tiles


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
    sizes: Sequence[int] | None = None,
) -> Launch:
    """A kernel that walks `shape` and writes the value of root k at offset `stores[k]` of result `results[k]`.

    `sizes` are the elements of the results, where they are more than the walk writes.
    `shared` are the buffers that may be the same memory (see `KernelModule.function`).
    """
    results = list(range(len(roots))) if results is None else results
    updates = [n for n in region.outputs if region.nodes[n].op == "dynamic_update"]
    found = accesses(region, [*roots, *((region.nodes[n].operands[2], ()) for n in updates)])
    axes = merge(shape, [*(p for _, p in found.loads), *stores], found.positional)
    width = vector_width(region, machine)
    buffers = buffer_types(region, status=found.indexed)
    for k, elements in enumerate(sizes or ()):
        buffers[region.arguments + k] = (elements, buffers[region.arguments + k][1])
    streaming = streams(stores, axes[-1], width, moved_bytes(region, ELEMENT_BYTES), machine)

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
    cost = int(region_ns(region, ELEMENT_BYTES))
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


def vector_width(region: Region, machine: Machine) -> int:
    """Lanes of a vector: a full register of the widest element that is computed with."""
    wide = {"f64"} & {n.element for n in region.nodes}
    wide |= {"i64"} & {region.nodes[n].element for n in region.outputs}
    return machine.lanes("f64" if wide else "f32")


def buffer_types(region: Region, status: bool = False) -> list[tuple[int, str]]:
    """Kernel buffers of a region: arguments, results, and the status buffer if indices are checked."""
    nodes = [region.nodes[i] for i in [*range(region.arguments), *region.outputs]]
    return [(size(n.shape), n.element) for n in nodes] + ([(1, "i64")] if status else [])


def launch_buffers(region: Region, status: bool = False) -> tuple[Buffer, ...]:
    arguments = [Buffer("argument", i) for i in range(region.arguments)]
    results = [Buffer("result", i) for i in range(len(region.outputs))]
    return (*arguments, *results, *([Buffer("status", 0)] if status else []))


def size(shape: Sequence[int]) -> int:
    n = 1
    for s in shape:
        n *= s
    return n
