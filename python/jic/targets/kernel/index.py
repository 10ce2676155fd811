"""Linear index expressions over a kernel's iteration variables, and how view ops transform them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jic.errors import LoweringError

from .region import Node, Region

# Iteration variables are small integers 0, 1, … (a dim of the iteration space) or negative (an index read from memory:
# the start of a dynamic slice lies below `FIRST_START`, a checked index above it).
Variable = int
FIRST_START: Variable = -1_000_001


@dataclass(frozen=True)
class Linear:
    """`constant + sum(coefficient * variable)`, terms sorted by variable and without zeros."""

    terms: tuple[tuple[Variable, int], ...] = ()
    constant: int = 0

    @staticmethod
    def of(variable: Variable, coefficient: int = 1) -> Linear:
        return Linear(((variable, coefficient),)) if coefficient else Linear()

    @staticmethod
    def from_terms(terms: Mapping[Variable, int], constant: int = 0) -> Linear:
        return Linear(tuple(sorted((v, c) for v, c in terms.items() if c)), constant)

    def __add__(self, other: Linear | int) -> Linear:
        if isinstance(other, int):
            return Linear(self.terms, self.constant + other)
        terms = dict(self.terms)
        for variable, coefficient in other.terms:
            terms[variable] = terms.get(variable, 0) + coefficient
        return Linear.from_terms(terms, self.constant + other.constant)

    def __mul__(self, factor: int) -> Linear:
        if factor == 0:
            return Linear()
        return Linear(tuple((v, c * factor) for v, c in self.terms), self.constant * factor)

    def coefficient(self, variable: Variable) -> int:
        return dict(self.terms).get(variable, 0)

    def without(self, variable: Variable) -> Linear:
        return Linear(tuple(t for t in self.terms if t[0] != variable), self.constant)

    @property
    def variables(self) -> set[Variable]:
        return {v for v, _ in self.terms}

    def __str__(self) -> str:
        """`40*v0 + v2 + 3`; the start of a dynamic slice, or an index that is looked up, is `s0`, `i0`, …"""
        parts = [f"{'' if c == 1 else f'{c}*'}{_name(v)}" for v, c in self.terms]
        return " + ".join([*parts, *([str(self.constant)] if self.constant or not parts else [])])


def _name(variable: Variable) -> str:
    if variable >= 0:
        return f"v{variable}"
    return f"s{FIRST_START - variable}" if variable <= FIRST_START else f"i{-1 - variable}"


Index = tuple[Linear, ...]


def identity(rank: int) -> Index:
    return tuple(Linear.of(d) for d in range(rank))


def row_major(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Element strides of a contiguous tensor."""
    strides = [1] * len(shape)
    for d in range(len(shape) - 2, -1, -1):
        strides[d] = strides[d + 1] * shape[d + 1]
    return tuple(strides)


def offset(shape: tuple[int, ...], index: Index) -> Linear:
    """The element offset of `index` in a contiguous tensor of `shape`."""
    total = Linear()
    for stride, position in zip(row_major(shape), index, strict=True):
        total = total + position * stride
    return total


def view_operand(node: Node, source: tuple[int, ...], index: Index) -> Index:
    """The index into the operand (of shape `source`) of view op `node` that its element `index` comes from.

    `pad` gives the index before the bounds check. `reshape` must split dims, or drop and add dims of size 1; other
    reshapes are handled on arguments, by their offset.
    """
    attributes: dict[str, Any] = node.attributes
    if node.op == "broadcast":
        return tuple(index[d] if source[i] == node.shape[d] else Linear() for i, d in enumerate(attributes["dims"]))
    if node.op == "transpose":
        permuted: list[Linear] = [Linear()] * len(source)
        for i, p in enumerate(attributes["permutation"]):
            permuted[p] = index[i]
        return tuple(permuted)
    if node.op == "slice":
        return tuple(
            position * stride + start
            for position, start, stride in zip(index, attributes["offsets"], attributes["strides"], strict=True)
        )
    if node.op == "reverse":
        return tuple(
            position * -1 + (source[d] - 1) if d in attributes["dims"] else position for d, position in enumerate(index)
        )
    if node.op == "pad":
        return tuple(position + -low for position, low in zip(index, attributes["low"], strict=True))
    if node.op == "reshape":
        return reshape_operand(source, node.shape, index)
    raise LoweringError(f"jic.{node.op} is not a view")


def start_variable(region: Region, number: int) -> Variable:
    """The variable that stands for the clamped start of node `number`, a `dynamic_slice` or `dynamic_update`.

    Nodes that start at the same index and are clamped alike share one, so that equal offsets compare equal.
    """

    def key(node: Node) -> tuple[int, int]:
        return node.operands[-1], start_limit(region, node)

    wanted = key(region.nodes[number])
    return FIRST_START - next(
        i for i in region.find("dynamic_slice", "dynamic_update") if key(region.nodes[i]) == wanted
    )


def start_limit(region: Region, node: Node) -> int:
    """The largest start of a `dynamic_slice` or `dynamic_update` whose slice lies inside."""
    dim = node.attributes["dim"]
    if node.op == "dynamic_update":
        return node.shape[dim] - region.nodes[node.operands[1]].shape[dim]
    return region.nodes[node.operands[0]].shape[dim] - node.shape[dim]


def moved_to_start(region: Region, number: int, index: Index) -> Index:
    """`index` into the slice of node `number`, a `dynamic_slice` or `dynamic_update`, as an index into the whole."""
    dim = region.nodes[number].attributes["dim"]
    start = Linear.of(start_variable(region, number))
    return tuple(position + start if d == dim else position for d, position in enumerate(index))


def reshape_operand(source: tuple[int, ...], result: tuple[int, ...], index: Index) -> Index:
    """`view_operand` of a reshape: walk both shapes from the left, matching groups of dims of equal size."""
    found: list[Linear] = []
    j = 0
    for i, size in enumerate(source):
        if size == 1:
            found.append(Linear())
            continue
        while j < len(result) and result[j] == 1:
            j += 1
        position, covered = Linear(), 1
        while covered < size and j < len(result):
            position = position * result[j] + index[j]
            covered *= result[j]
            j += 1
        if covered != size:
            raise LoweringError(
                f"a reshape from {source} to {result} inside a kernel merges dim {i}",
                hint="only splitting reshapes are linear; the others must stand on an argument",
            )
        found.append(position)
    return tuple(found)
