"""Where the values of a step lie: in the kernel's buffers, or in the thread's scratch, row by row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from torch_mlir import ir

from ....kernel import elementwise
from ....kernel.evaluate import VIEWS, Evaluator, normal, viewed
from ....kernel.index import Index, Linear, Variable, offset
from ....kernel.recurrence.body import Body
from ....kernel.region import Node

# The number of a block's first row. Row variables count all rows, scratch holds those of the block.
FIRST_ROW: Variable = -2_000_001


@dataclass(frozen=True)
class Place:
    """A value in buffer number `buffer`, held as `element`: whole, in row-major order, or in scratch, only a block's rows."""

    buffer: int
    element: str
    whole: bool


@dataclass
class Places:
    """The places of nodes.

    Attributes:
        rows: rows that scratch holds.
        columns: scratch is laid out with neighbouring rows side by side, rather than with a row in one piece.
    """

    body: Body
    rows: int = 1
    columns: bool = False
    at: dict[int, Place] = field(default_factory=dict)

    def find(self, number: int) -> Place | None:
        """The place of node `number`, seen through reshapes, or None if it is to be computed."""
        nodes = self.body.region.nodes
        while number not in self.at and nodes[number].op == "reshape":
            (number,) = nodes[number].operands
        return self.at.get(number)

    def base(self, number: int) -> int:
        """The node whose place `find` gives."""
        nodes = self.body.region.nodes
        while number not in self.at and nodes[number].op == "reshape":
            (number,) = nodes[number].operands
        return number

    def offset(self, number: int, place: Place, index: Index) -> Linear:
        """The offset of element `index` of node `number` in its place."""
        shape = self.body.node(number).shape
        return offset(shape, index) if place.whole else self.local_offset(shape, self.body.dims.get(number), index)

    def local_offset(self, shape: tuple[int, ...], rows: int | None, index: Index) -> Linear:
        """The offset in scratch of element `index` of a value of `shape` whose rows lie along dim `rows`."""
        if rows is None:
            return offset(shape, index)
        rest = tuple(s for d, s in enumerate(shape) if d != rows)
        inner = offset(rest, tuple(p for d, p in enumerate(index) if d != rows))
        size = 1
        for s in rest:
            size *= s
        row = index[rows] + Linear.of(FIRST_ROW, -1)
        return inner * self.rows + row if self.columns else inner + row * size

    def elements(self, number: int) -> int:
        """Elements of scratch that node `number` takes."""
        shape = self.body.node(number).shape
        total = self.rows if number in self.body.dims else 1
        for d, size in enumerate(shape):
            total *= 1 if d == self.body.dims.get(number) else size
        return total


def scratch_element(node: Node) -> str:
    """What scratch holds a value as: its register element."""
    return elementwise.register_element(node.element) if node.element in ("f16", "bf16") else node.element


@dataclass
class StepEvaluator(Evaluator):
    """An evaluator that knows places; nodes in `computed` are computed although they have one."""

    places: Places | None = None
    computed: frozenset[int] = frozenset()

    def _emit(self, node: Node, number: int, index: Index) -> ir.Value:
        assert self.places is not None
        place = self.places.find(number)
        if place is not None and self.places.base(number) not in self.computed:
            return self.memory.load(place.buffer, self.places.offset(number, place, index), place.element, self._guards)
        if node.op == "reshape" and not node.shape and self._scalar(number) is not None:
            return self._scalar(number)  # type: ignore[return-value]
        value = super()._emit(node, number, index)
        # what is kept in a narrow type is rounded once, where it is computed
        rounded = number in self.computed and node.op not in VIEWS
        return elementwise.round_to(value, node.element) if rounded else value

    def _scalar(self, number: int) -> ir.Value | None:
        while self.region.nodes[number].op == "reshape":
            (number,) = self.region.nodes[number].operands
        return self.bound.get((number, ()))


@dataclass
class Reach:
    """What the evaluation of some roots reads.

    Attributes:
        loads: (buffer, offset) of each load.
        read: (node, offset) of each load of a node's place; kernel arguments are not among them.
        positional: variables whose plain value is needed.
        inner: the nodes that are computed.
        starts: dynamic slices.
    """

    loads: list[tuple[int, Linear]] = field(default_factory=list)
    read: list[tuple[int, Linear]] = field(default_factory=list)
    positional: set[Variable] = field(default_factory=set)
    inner: set[int] = field(default_factory=set)
    starts: set[int] = field(default_factory=set)


def reach(
    places: Places, roots: Sequence[tuple[int, Index]], uniform: frozenset[int], computed: frozenset[int] = frozenset()
) -> Reach:
    """Walk from `roots` as a `StepEvaluator` would; `uniform` nodes are known scalars."""
    found = Reach()
    body, region = places.body, places.body.region
    seen: set[tuple[int, Index]] = set()

    def visit(number: int, index: Index) -> None:
        node = region.nodes[number]
        index = normal(node, index)
        if (number, index) in seen or number in uniform:
            return
        seen.add((number, index))
        place = places.find(number)
        if place is not None and places.base(number) not in computed:
            at = places.offset(number, place, index)
            found.loads.append((place.buffer, at))
            if places.base(number) >= body.arguments:
                found.read.append((places.base(number), at))
            return
        found.inner.add(number)
        if node.op == "argument":
            found.loads.append((number, offset(node.shape, index)))
        elif node.op == "iota":
            found.positional |= index[node.attributes["dim"]].variables
        elif node.op in VIEWS:
            source = node.operands[0]
            inner = viewed(region, number, index)
            if node.op == "dynamic_slice":
                found.starts.add(number)
            if node.op == "pad":
                for d, size in enumerate(region.nodes[source].shape):
                    if size != node.shape[d]:
                        found.positional |= inner[d].variables
            visit(source, inner)
        else:
            for operand in node.operands:
                visit(operand, index)

    for number, index in roots:
        visit(number, index)
    return found


def merge_axes(
    sizes: Sequence[tuple[Variable, int]], offsets: Sequence[Linear], positional: set[Variable]
) -> list[tuple[Variable, int]]:
    """(variable, size) in loop order, neighbours merged over which every offset runs at one stride; size 1 disappears."""
    axes: list[tuple[Variable, int]] = []
    for variable, size in sizes:
        if size == 1:
            continue
        if axes and not {axes[-1][0], variable} & positional:
            last, extent = axes[-1]
            if all(p.coefficient(last) == p.coefficient(variable) * size for p in offsets):
                axes[-1] = (variable, extent * size)
                continue
        axes.append((variable, size))
    return axes
