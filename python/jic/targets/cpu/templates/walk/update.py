"""Update kernels: `dynamic_update`s of arguments, and perhaps plain results of as many elements as each slice.

    %r = dynamic_update(%x, f(…), %i)  →   start = clamp(i)
                                           for task … for lane …:  r[start + …] = f(…)

Only the slices are written, so a result's buffer holds the argument's elements before: it is the argument's own memory, or the
lowering copies them. The new values may read the argument at the very element that they replace; where they read it
elsewhere, they go through a temporary.
"""

from __future__ import annotations

from dataclasses import replace
from math import prod

from jic.errors import LoweringError

from ....kernel.elements import ELEMENT_BYTES
from ....kernel.evaluate import accesses
from ....kernel.index import Index, Linear, identity, moved_to_start, offset, reshape_operand
from ....kernel.region import Node, Region
from ....program.launch import Buffer, Launch, Lowered
from ...kernel import KernelModule
from ...machine import Machine
from . import pointwise


def lower(region: Region, name: str, kernels: KernelModule, machine: Machine) -> Lowered:
    """One launch over the shape of the slices, and a second where values went through temporaries."""
    shape = _shape(region)
    written = {k: _argument(region, n) for k, n in enumerate(region.outputs) if region.nodes[n].op == "dynamic_update"}
    status = bool(region.find("index_select", "gather"))
    if not prod(shape):
        return Lowered(updates=tuple(written.items()))
    direct = {k for k, argument in written.items() if _replaces_only(region, shape, k, argument)}
    indirect = sorted(written.keys() - direct)
    shared = frozenset(b for k in direct for b in (written[k], region.arguments + k))
    first = replace(
        region, outputs=tuple(_value(region, n) if k in indirect else n for k, n in enumerate(region.outputs))
    )
    launches = [_emit(first, name, kernels, machine, shape, shared, list(range(len(region.outputs))))]
    temps: list[int] = []
    if indirect:
        values = [region.nodes[_value(region, region.outputs[k])] for k in indirect]
        temps = [prod(v.shape) * ELEMENT_BYTES[v.element] for v in values]
        held = {Buffer("result", k): Buffer("temp", t) for t, k in enumerate(indirect)}
        launches[0] = replace(launches[0], buffers=tuple(held.get(b, b) for b in launches[0].buffers))
        second = _emit(
            _stores(region, indirect, values), f"{name}.store", kernels, machine, shape, frozenset(), indirect
        )
        end = region.arguments + len(indirect)
        arguments = (*second.buffers[: region.arguments], *held.values(), *second.buffers[end:])
        launches.append(replace(second, buffers=arguments, cost=2 * sum(temps) // 12))
    return Lowered(launches, temps, status, tuple(written.items()))


def _emit(
    region: Region,
    name: str,
    kernels: KernelModule,
    machine: Machine,
    shape: tuple[int, ...],
    shared: frozenset[int],
    results: list[int],
) -> Launch:
    """A kernel over `shape` that writes each output of `region`; its buffers speak of the fused op's `results`."""
    roots = [(_value(region, n), _index(region, shape, n)) for n in region.outputs]
    stores = [_store(region, shape, n) for n in region.outputs]
    launch = pointwise.emit(region, name, kernels, machine, shape, roots, stores, shared=shared)
    return replace(
        launch,
        buffers=tuple(Buffer("result", results[b.index]) if b.kind == "result" else b for b in launch.buffers),
    )


def _value(region: Region, number: int) -> int:
    """The node whose elements output node `number` writes."""
    node = region.nodes[number]
    return node.operands[1] if node.op == "dynamic_update" else number


def _argument(region: Region, number: int) -> int:
    node = region.nodes[number]
    if node.operands[0] >= region.arguments:
        raise LoweringError("jic.dynamic_update in an update kernel must stand on an argument", location=node.location)
    return node.operands[0]


def _shape(region: Region) -> tuple[int, ...]:
    """The shape of the slice or result that all others are merged from: the iteration space."""
    shapes = [region.nodes[_value(region, n)].shape for n in region.outputs]
    for shape in sorted(shapes, key=lambda s: -sum(n > 1 for n in s)):
        try:
            for other in shapes:
                reshape_operand(other, shape, identity(len(shape)))
        except LoweringError:
            continue
        if len({prod(s) for s in shapes}) == 1:
            return shape
    raise LoweringError(f"an update kernel writes slices of the shapes {shapes}, which no one space walks")


def _index(region: Region, shape: tuple[int, ...], number: int) -> Index:
    """The index of what output node `number` writes, for the iteration over `shape`."""
    return reshape_operand(region.nodes[_value(region, number)].shape, shape, identity(len(shape)))


def _store(region: Region, shape: tuple[int, ...], number: int) -> Linear:
    node, index = region.nodes[number], _index(region, shape, number)
    return offset(node.shape, moved_to_start(region, number, index) if node.op == "dynamic_update" else index)


def _replaces_only(region: Region, shape: tuple[int, ...], k: int, argument: int) -> bool:
    """Whether the kernel reads `argument` only at the element that its result `k` writes at the same point."""
    roots = [(_value(region, n), _index(region, shape, n)) for n in region.outputs]
    roots += [(region.nodes[n].operands[2], ()) for n in region.find("dynamic_update")]

    def plain(position: Linear) -> Linear:
        terms = {v: c for v, c in position.terms if not (0 <= v < len(shape) and shape[v] == 1)}
        return Linear.from_terms(terms, position.constant)

    place = plain(_store(region, shape, region.outputs[k]))
    return all(plain(p) == place for a, p in accesses(region, roots).loads if a == argument)


def _stores(region: Region, indirect: list[int], values: list[Node]) -> Region:
    """The updates of results `indirect` alone, with their `values` as arguments after the others."""
    arguments, added = region.arguments, len(indirect)

    def moved(number: int) -> int:
        return number if number < arguments else number + added

    nodes = list(region.nodes[:arguments])
    nodes += [Node("argument", (), v.shape, v.element, {}) for v in values]
    nodes += [replace(n, operands=tuple(moved(o) for o in n.operands)) for n in region.nodes[arguments:]]
    for i, k in enumerate(indirect):
        at = moved(region.outputs[k])
        base, _, start = nodes[at].operands
        nodes[at] = replace(nodes[at], operands=(base, arguments + i, start))
    outputs = tuple(moved(region.outputs[k]) for k in indirect)
    return Region(region.kind, tuple(nodes), arguments + added, outputs)
