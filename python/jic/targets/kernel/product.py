"""A contraction kernel's matmul, read off its region: sizes, and how each operand lies in memory.

The iteration variables are the result's dims `0 … rank-1` and, as variable `rank`, the contracted dim. Everything else
speaks of a `row` variable (broadcast over lanes) and a `column` variable (which runs over lanes). They are the result's
last two dims in that order, except for a matrix-vector product, where they and the operands change places so that lanes
are full.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from jic.errors import LoweringError

from .elementwise import register_element
from .evaluate import VIEWS, accesses, argument_of, viewed
from .index import Index, Linear, Variable, identity, offset
from .region import Region
from .space import Axis, merge


@dataclass(frozen=True)
class Operand:
    """One side of the matmul.

    Attributes:
        node, index: what to ask an `Evaluator` for.
        element: its element; values come in the register type of it.
        direct: whether it is an argument seen through views only, so that reading it twice costs no arithmetic.
        outer: its own variable (`row` or `column`).
        along_outer, along_k: whether vectors along that variable, or along the contracted one, are contiguous.
        k_stride: elements between consecutive k, for a direct operand.
    """

    node: int
    index: Index
    element: str
    direct: bool
    outer: Variable
    along_outer: bool
    along_k: bool
    k_stride: int


@dataclass(frozen=True)
class Product:
    """`batch` products of an m x k and a k x n matrix; `accumulator` is the element they are summed in."""

    matmul: int
    element: str
    accumulator: str
    batch: tuple[int, ...]
    m: int
    n: int
    k: int
    row: Variable
    column: Variable
    contracted: Variable
    a: Operand
    b: Operand

    @property
    def batches(self) -> int:
        return prod(self.batch)

    def __str__(self) -> str:
        batch = f"{' x '.join(map(str, self.batch))} of " if self.batch else ""
        lines = [
            f"product of {self.element}, summed in {self.accumulator}: {batch}{self.m} x {self.k} by {self.k} x {self.n}"
        ]
        for name, operand in (("left", self.a), ("right", self.b)):
            how = "an argument" if operand.direct else "computed"
            flat = [w for w, along in (("its own dim", operand.along_outer), ("k", operand.along_k)) if along]
            lines.append(f"  {name} is {how} of {operand.element}, contiguous along {' and '.join(flat) or 'nothing'}")
        return "\n".join(lines)


def read(region: Region) -> Product:
    """The matmul of a contraction region. Raises `LoweringError` if there is not exactly one, or it is of bools."""
    found = region.find("matmul")
    if len(found) != 1:
        raise LoweringError(f"a contraction kernel holds {len(found)} jic.matmul, expected 1")
    node = region.nodes[found[0]]
    if node.element == "i1":
        raise LoweringError("jic.matmul of i1 has no lowering", location=node.location)
    rank = len(node.shape)
    column, contracted = rank - 1, rank
    transposed = (node.attributes["transpose_lhs"], node.attributes["transpose_rhs"])
    k = region.nodes[node.operands[0]].shape[-2 if transposed[0] else -1]
    batch = tuple(Linear.of(d) for d in range(rank - 2))

    def index(dim: Variable, transpose: bool) -> Index:
        last = (Linear.of(contracted), Linear.of(dim))
        return (*batch, *(last if transpose else last[::-1]))

    a_index, b_index = index(rank - 2, transposed[0]), index(column, not transposed[1])
    roots = [(node.operands[0], a_index), (node.operands[1], b_index)]
    rows = _rows(region, found[0], roots)
    row = rows.variable
    a = _operand(region, *roots[0], row, contracted)
    b = _operand(region, *roots[1], column, contracted)
    sizes = node.shape[:-2] if rows.size == node.shape[-2] else ()
    m, n = rows.size, node.shape[-1]
    if n == 1 and m > 1:
        (a, b), (row, column), (m, n) = (b, a), (column, row), (n, m)
    return Product(found[0], node.element, accumulator(node.element), sizes, m, n, k, row, column, contracted, a, b)


def _rows(region: Region, matmul: int, operands: list[tuple[int, Index]]) -> Axis:
    """The rows of the product: all dims but the last as one, where nothing in the kernel tells them apart.

    So `[8, 64, K] x [K, N]`, written as a batch with a broadcast right operand, is one product of 512 rows.
    """
    shape = region.nodes[matmul].shape
    whole = identity(len(shape))
    outside = accesses(region, [(number, whole) for number in region.outputs], frozenset((matmul,)))
    inside = accesses(region, operands)
    offsets = [position for _, position in (*outside.loads, *inside.loads)] + [offset(shape, whole)]
    axes = merge(shape[:-1], offsets, outside.positional | inside.positional)
    right = accesses(region, operands[1:])
    read = right.positional.union(*(position.variables for _, position in right.loads))
    shared = not any(d in read for d in range(len(shape) - 2))
    return axes[0] if len(axes) == 1 and shared else Axis(len(shape) - 2, shape[-2])


def accumulator(element: str) -> str:
    """The element that products of `element` are summed in; narrow integers wrap when they are rounded back."""
    return {"i8": "i32", "ui8": "i32", "i16": "i32"}.get(element, register_element(element))


def _operand(region: Region, number: int, index: Index, outer: Variable, contracted: Variable) -> Operand:
    loads = [position for _, position in accesses(region, [(number, index)]).loads]

    def contiguous(variable: Variable) -> bool:
        strides = {p.coefficient(variable) for p in loads}
        return strides <= {0, 1} and bool(strides)

    direct = _direct(region, number, index)
    return Operand(
        number,
        index,
        region.nodes[number].element,
        direct is not None,
        outer,
        contiguous(outer),
        contiguous(contracted),
        direct.coefficient(contracted) if direct else 0,
    )


def _direct(region: Region, number: int, index: Index) -> Linear | None:
    """The offset of `index` in the argument that node `number` is a view of, or None."""
    while argument_of(region, number) is None:
        node = region.nodes[number]
        if node.op not in VIEWS or node.op == "pad":
            return None
        index = viewed(region, number, index)
        number = node.operands[0]
    return offset(region.nodes[number].shape, index)
