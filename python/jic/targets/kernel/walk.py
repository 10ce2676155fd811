"""Kernels that walk an iteration space and store what they compute there: pointwise, indexing, concat, update.

A concat is a walk an operand, each of which writes to its place in the result. An update replaces slices of arguments:

    %r = dynamic_update(%x, f(…), %i)  →   start = clamp(i)
                                           for … in the slice:  r[start + …] = f(…)

Only the slices are written, so a result's buffer holds the argument's elements before: it is the argument's own memory, or
the program copies them. The new values may read the argument at the very element that they replace; where they read it
elsewhere, they go through a temporary, and a second walk stores them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import prod

from jic.errors import LoweringError

from .buffers import Buffer, buffer_types, launch_buffers
from .cost import region_ns
from .elements import ELEMENT_BYTES
from .evaluate import Accesses, Evaluator, accesses
from .index import Index, Linear, identity, moved_to_start, offset, reshape_operand
from .region import Node, Region
from .space import Axis, merge


@dataclass(frozen=True)
class Walk:
    """One kernel: at each point of `shape` the value of root k is stored at offset `stores[k]` of result k.

    Attributes:
        region: the body; the kernel's buffers are its arguments, its outputs and, if indices are checked, the status.
        suffix: what the kernel's name ends in.
        buffers: what these buffers are in the op.
        shared: those that may be the same memory.
        cost: estimated time on one core in ns.
        sizes: elements of the results, where those are more than the walk writes.
    """

    region: Region
    suffix: str
    shape: tuple[int, ...]
    roots: tuple[tuple[int, Index], ...]
    stores: tuple[Linear, ...]
    buffers: tuple[Buffer, ...]
    cost: int
    shared: frozenset[int] = frozenset()
    sizes: tuple[int, ...] = ()

    @cached_property
    def starts(self) -> tuple[int, ...]:
        """The updates whose start must be read before anything is stored."""
        return tuple(n for n in self.region.outputs if self.region.nodes[n].op == "dynamic_update")

    @cached_property
    def accesses(self) -> Accesses:
        nodes = self.region.nodes
        return accesses(self.region, [*self.roots, *((nodes[n].operands[2], ()) for n in self.starts)])

    @cached_property
    def axes(self) -> list[Axis]:
        found = self.accesses
        return merge(self.shape, [*(p for _, p in found.loads), *self.stores], found.positional)

    @property
    def buffer_types(self) -> list[tuple[int, str]]:
        types = buffer_types(self.region, status=self.accesses.indexed)
        for k, size in enumerate(self.sizes, self.region.arguments):
            types[k] = (size, types[k][1])
        return types

    def touched(self) -> list[tuple[str, Linear]]:
        """(element, offset) of every load and store."""
        nodes = self.region.nodes
        reads = [(nodes[n].element, p) for n, p in self.accesses.loads]
        return [*reads, *((nodes[n].element, p) for (n, _), p in zip(self.roots, self.stores, strict=True))]

    def store(self, evaluator: Evaluator) -> None:
        """Emit the work of one point, or of a vector of them."""
        for number in self.starts:
            evaluator.start(number)
        values = [evaluator.value(*root) for root in self.roots]
        for result, (value, (node, _), at) in enumerate(zip(values, self.roots, self.stores, strict=True)):
            evaluator.memory.store(self.region.arguments + result, at, value, self.region.nodes[node].element)

    def __str__(self) -> str:
        space = " x ".join(map(str, self.shape)) or "1"
        lines = [f"walk of {space}, as {' x '.join(str(a.size) for a in self.axes)}"]
        for number, position in self.accesses.loads:
            lines.append(f"  read  argument {self.buffers[number].index} at {position}")
        for result, ((node, _), position) in enumerate(zip(self.roots, self.stores, strict=True)):
            buffer = self.buffers[self.region.arguments + result]
            lines.append(f"  write {buffer.kind} {buffer.index} at {position} = {self.region.nodes[node].op}")
        return "\n".join(lines)


@dataclass(frozen=True)
class Walks:
    """The walks of one op in order, and what a `Lowered` says of it beside the launches."""

    walks: list[Walk] = field(default_factory=list)
    temporaries: list[int] = field(default_factory=list)
    status: bool = False
    updates: tuple[tuple[int, int], ...] = ()

    def __str__(self) -> str:
        held = [f"temporaries of {', '.join(map(str, self.temporaries))} bytes"] if self.temporaries else []
        return "\n".join([*map(str, self.walks), *held])


def read(region: Region) -> Walks:
    """The walks of a region of kind pointwise, indexing, concat or update."""
    return _READERS[region.kind](region)


def _checked(region: Region) -> bool:
    return bool(region.find("index_select", "gather"))


def _walk(
    region: Region,
    suffix: str,
    shape: tuple[int, ...],
    roots: Sequence[tuple[int, Index]],
    stores: Sequence[Linear],
    shared: frozenset[int] = frozenset(),
) -> Walk:
    cost = int(region_ns(region))
    made = Walk(region, suffix, shape, tuple(roots), tuple(stores), (), cost, shared)
    return replace(made, buffers=launch_buffers(region, made.accesses.indexed))


def _pointwise(region: Region) -> Walks:
    """One walk over the results' shape."""
    shape = region.nodes[region.outputs[0]].shape
    index = identity(len(shape))
    stores = [offset(shape, index)] * len(region.outputs)
    walk = _walk(region, "", shape, [(n, index) for n in region.outputs], stores)
    return Walks([walk], status=_checked(region))


def _concat(region: Region) -> Walks:
    """One walk an operand; they write disjoint parts of the result."""
    (concat,) = region.find("concat")
    node = region.nodes[concat]
    walks: list[Walk] = []
    at = 0
    for k, operand in enumerate(node.operands):
        shape = region.nodes[operand].shape
        index = identity(len(shape))
        shifted = tuple(p + at if d == node.attributes["dim"] else p for d, p in enumerate(index))
        at += shape[node.attributes["dim"]]
        if 0 in shape:
            continue
        # A kernel takes the arguments of its operand alone: all of them in each would be quadratic in their number.
        part, arguments = region.part(operand)
        walk = _walk(part, f"_{k}", shape, [(part.outputs[0], index)], [offset(node.shape, shifted)])
        buffers = (replace(b, index=arguments[b.index]) if b.kind == "argument" else b for b in walk.buffers)
        walks.append(replace(walk, buffers=tuple(buffers), sizes=(prod(node.shape),)))
    return Walks(walks, status=_checked(region))


def _update(region: Region) -> Walks:
    """One walk over the shape of the slices, and a second where values went through temporaries."""
    shape = _shape(region)
    written = {k: _argument(region, n) for k, n in enumerate(region.outputs) if region.nodes[n].op == "dynamic_update"}
    if not prod(shape):
        return Walks(updates=tuple(written.items()))
    direct = {k for k, argument in written.items() if _replaces_only(region, shape, k, argument)}
    indirect = sorted(written.keys() - direct)
    shared = frozenset(b for k in direct for b in (written[k], region.arguments + k))
    first = replace(
        region, outputs=tuple(_value(region, n) if k in indirect else n for k, n in enumerate(region.outputs))
    )
    walks = [_slices(first, "", shape, shared, list(range(len(region.outputs))))]
    sizes: list[int] = []
    if indirect:
        values = [region.nodes[_value(region, region.outputs[k])] for k in indirect]
        sizes = [prod(v.shape) * ELEMENT_BYTES[v.element] for v in values]
        held = {Buffer("result", k): Buffer("temp", t) for t, k in enumerate(indirect)}
        walks[0] = replace(walks[0], buffers=tuple(held.get(b, b) for b in walks[0].buffers))
        second = _slices(_stores(region, indirect, values), "_store", shape, frozenset(), indirect)
        end = region.arguments + len(indirect)
        buffers = (*second.buffers[: region.arguments], *held.values(), *second.buffers[end:])
        walks.append(replace(second, buffers=buffers, cost=2 * sum(sizes) // 12))
    return Walks(walks, sizes, _checked(region), tuple(written.items()))


_READERS: dict[str, Callable[[Region], Walks]] = {
    "pointwise": _pointwise,
    "indexing": _pointwise,
    "concat": _concat,
    "update": _update,
}


def _slices(region: Region, suffix: str, shape: tuple[int, ...], shared: frozenset[int], results: list[int]) -> Walk:
    """A walk over `shape` that writes each output of `region`; its buffers speak of the op's `results`."""
    roots = [(_value(region, n), _index(region, shape, n)) for n in region.outputs]
    stores = [_store(region, shape, n) for n in region.outputs]
    walk = _walk(region, suffix, shape, roots, stores, shared)
    named = tuple(Buffer("result", results[b.index]) if b.kind == "result" else b for b in walk.buffers)
    return replace(walk, buffers=named)


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
