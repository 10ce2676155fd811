"""A reduction kernel: reductions over the same dims of one iteration space, with elementwise work before, between and after.

The reductions fall into stages, each of which needs those before it alone: softmax is a maximum, then a sum, then results of
the iteration shape.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from jic.errors import LoweringError

from .cost import region_ns
from .evaluate import Accesses, accesses
from .index import Index, Linear, identity, offset
from .reducer import Reducer
from .region import Region
from .space import Axis, merge


@dataclass(frozen=True)
class Reduction:
    """What is reduced, and how the dims of the iteration space merge into axes.

    Attributes:
        shape, dims: the iteration space, and the dims of it that are reduced.
        stages: the reduce nodes by stages.
        operands, accesses: what the reduced values read, and what these and the results do.
        kept_axes, reduced_axes: the axes of rows, and of elements in a row (at least one, perhaps of size 1).
        columns: whether the innermost axis is one of rows, so that neighbouring rows lie side by side.
    """

    region: Region
    shape: tuple[int, ...]
    dims: tuple[int, ...]
    stages: list[list[int]]
    operands: Accesses
    accesses: Accesses
    kept_axes: list[Axis]
    reduced_axes: list[Axis]
    columns: bool

    @property
    def kept(self) -> tuple[int, ...]:
        return _kept(self.shape, self.dims)

    @property
    def space(self) -> Index:
        """The index of a point of the iteration space."""
        return identity(len(self.shape))

    @property
    def row(self) -> Index:
        """The index of a reduced value."""
        return tuple(Linear.of(d) for d in self.kept)

    @property
    def rows(self) -> int:
        return prod(a.size for a in self.kept_axes)

    @property
    def length(self) -> int:
        """Elements of a row."""
        return prod(a.size for a in self.reduced_axes)

    @property
    def cost(self) -> int:
        return int(region_ns(self.region))

    def reducer(self, node: int) -> Reducer:
        return Reducer.of(self.region, node)

    def is_full(self, node: int) -> bool:
        """Whether a result has an element for each point, not one for each row."""
        return _is_full(self.region, self.shape, self.dims, node)

    def index_of(self, node: int) -> Index:
        """The index at which a result is computed: in the iteration space, or of a row."""
        return _index_of(self.region, self.shape, self.dims, node)

    def touched(self) -> list[tuple[str, Linear]]:
        """(element, offset) of every load and store."""
        nodes = self.region.nodes
        reads = [(nodes[n].element, p) for n, p in self.accesses.loads]
        return reads + [(nodes[n].element, offset(nodes[n].shape, self.index_of(n))) for n in self.region.outputs]

    def __str__(self) -> str:
        rows = " x ".join(str(a.size) for a in self.kept_axes) or "1"
        lines = [f"reduction of {rows} rows of {' x '.join(str(a.size) for a in self.reduced_axes)}"]
        if self.columns:
            lines[0] += ", side by side"
        for stage in self.stages:
            names = (self.reducer(n) for n in stage)
            lines.append(f"  stage {', '.join(f'{r.kind} of {r.element}' for r in names)}")
        for k, node in enumerate(self.region.outputs):
            each = "point" if self.is_full(node) else "row"
            lines.append(f"  write result {k} for each {each} = {self.region.nodes[node].op}")
        return "\n".join(lines)


def read(region: Region) -> Reduction:
    """The reductions of a region.

    Raises:
        LoweringError: they are of different spaces or dims, or a result is neither of the space nor of the rows.
    """
    nodes, reduces = region.nodes, region.find("reduce")
    spaces = {(nodes[nodes[n].operands[0]].shape, nodes[n].attributes["dims"]) for n in reduces}
    if len(spaces) != 1:
        raise LoweringError(f"a reduction kernel over {len(spaces)} spaces {sorted(spaces)}, expected one")
    ((shape, dims),) = spaces
    stop, space = frozenset(reduces), identity(len(shape))
    places = {n: _index_of(region, shape, dims, n) for n in region.outputs}
    operands = accesses(region, [(nodes[n].operands[0], space) for n in reduces], stop)
    rest = accesses(region, list(places.items()), stop)
    loads = list(dict.fromkeys([*operands.loads, *rest.loads]))
    found = Accesses(loads, operands.positional | rest.positional, operands.indexed or rest.indexed)
    positional = set(found.positional)
    if any(Reducer.of(region, n).positional for n in reduces):
        positional |= set(dims)
    stores = [offset(nodes[n].shape, index) for n, index in places.items()]
    classes = [d in dims for d in range(len(shape))]
    axes = merge(shape, [*(p for _, p in loads), *stores], positional, classes) if shape else []
    kept = [a for a in axes if a.variable not in dims]
    reduced = [a for a in axes if a.variable in dims]
    columns = bool(kept) and bool(reduced) and axes[-1] == kept[-1]
    if not reduced:  # every reduced dim has size 1
        reduced = [Axis(dims[-1] if dims else -1, 1)]
    return Reduction(region, shape, dims, _stages(region, reduces), operands, found, kept, reduced, columns)


def _kept(shape: tuple[int, ...], dims: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(d for d in range(len(shape)) if d not in dims)


def _is_full(region: Region, shape: tuple[int, ...], dims: tuple[int, ...], node: int) -> bool:
    found = region.nodes[node]
    rows = prod(shape[d] for d in _kept(shape, dims))
    return found.shape == shape and (prod(shape) != rows or found.op != "reduce")


def _index_of(region: Region, shape: tuple[int, ...], dims: tuple[int, ...], node: int) -> Index:
    """The iteration's index, or the kept dims' (perhaps with dims of size 1 put back)."""
    if _is_full(region, shape, dims, node):
        return identity(len(shape))
    found, sizes = region.nodes[node].shape, [shape[d] for d in _kept(shape, dims)]
    if [n for n in found if n != 1] != [n for n in sizes if n != 1]:
        raise LoweringError(
            f"a reduction kernel's result has shape {found}, expected {shape} or {tuple(sizes)}",
            location=region.nodes[node].location,
        )
    kept = iter([Linear.of(d) for d in _kept(shape, dims) if shape[d] != 1])
    return tuple(Linear() if size == 1 else next(kept) for size in found)


def _stages(region: Region, reduces: list[int]) -> list[list[int]]:
    depth: list[int] = []
    for node in region.nodes:
        depth.append(max((depth[k] for k in node.operands), default=0) + (node.op == "reduce"))
    return [[n for n in reduces if depth[n] == d] for d in sorted({depth[n] for n in reduces})]
