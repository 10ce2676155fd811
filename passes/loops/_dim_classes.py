"""Which dims of a loop body's values are one and the same dim, that every op leaves as it is.

The dims of all values are elements of a union-find. An op unifies a dim of its operand with the dim of its result that
runs over the same positions one by one; a dim that an op mixes (reduces, contracts, slices, shifts) is blocked, and so
is its whole class.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod

from torch_mlir import ir

from jic.passes.fusion._ops import ELEMENTWISE

Dim = tuple[ir.Value, int]

# Ops that a recurrence may hold.
BODY_OPS = ELEMENTWISE | frozenset(
    ("constant", "iota", "broadcast", "transpose", "slice", "reverse", "pad", "reshape", "concat", "reduce", "matmul")
    + ("dynamic_slice", "dynamic_update")
)


def shape_of(value: ir.Value) -> tuple[int, ...]:
    return tuple(ir.RankedTensorType(value.type).shape)


def op_name(op: ir.Operation) -> str:
    return op.name.removeprefix("jic.")


def is_constant(value: ir.Value) -> bool:
    return not isinstance(value.owner, ir.Block) and value.owner.operation.name == "jic.constant"


@dataclass
class DimClasses:
    """The union-find over (value, dim)."""

    parent: dict[Dim, Dim] = field(default_factory=dict)
    blocked: set[Dim] = field(default_factory=set)

    @staticmethod
    def of(loop: ir.Operation) -> DimClasses:
        """The classes of a `jic.loop` whose body holds only `BODY_OPS` of static shapes."""
        found = DimClasses()
        block = loop.regions[0].blocks[0]
        *body, last = [view.operation for view in block.operations]
        for op in body:
            found._add(op)
        carried = list(block.arguments)[1:]
        for group in zip(carried, last.operands, list(loop.operands)[1:], loop.results, strict=True):
            for other in group[1:]:
                found._same(group[0], other)
        for dim in list(found.blocked):
            found.blocked.add(found.find(dim))
        return found

    def find(self, dim: Dim) -> Dim:
        """What stands for the class of `dim`."""
        while (up := self.parent.setdefault(dim, dim)) != dim:
            self.parent[dim] = self.parent[up]  # halve the path for the next time
            dim = up
        return dim

    def open_classes(self) -> dict[Dim, dict[ir.Value, int]]:
        """For each class that no op mixes and that has one dim a value: its dims. The key stands for the class."""
        found: dict[Dim, dict[ir.Value, int]] = {}
        twice: set[Dim] = set()
        for dim in list(self.parent):
            root = self.find(dim)
            members = found.setdefault(root, {})
            if dim[0] in members:
                twice.add(root)
            members[dim[0]] = dim[1]
        return {root: members for root, members in found.items() if root not in twice and root not in self.blocked}

    def unify(self, a: Dim, b: Dim) -> None:
        """A constant is the same everywhere: it ties nothing together."""
        if is_constant(a[0]) or is_constant(b[0]):
            return
        a, b = self.find(a), self.find(b)
        if a != b:
            self.parent[a] = b

    def _same(self, a: ir.Value, b: ir.Value, but: Sequence[int] = ()) -> None:
        for d in range(len(shape_of(a))):
            if d in but:
                self.blocked |= {(a, d), (b, d)}
            else:
                self.unify((a, d), (b, d))

    def _add(self, op: ir.Operation) -> None:
        name, result, attributes = op_name(op), op.results[0], op.attributes
        if name in ("constant", "iota"):
            return
        if name in ELEMENTWISE:
            for operand in op.operands:
                self._same(operand, result)
            return
        source = op.operands[0]
        before, after = shape_of(source), shape_of(result)
        if name == "matmul":
            self._matmul(op)
        elif name == "concat":
            for operand in op.operands:
                self._same(operand, result, [ir.IntegerAttr(attributes["dim"]).value])
        elif name == "dynamic_slice":
            self._same(source, result, [ir.IntegerAttr(attributes["dim"]).value])
        elif name == "dynamic_update":
            dim = ir.IntegerAttr(attributes["dim"]).value
            self._same(source, result, [dim])
            self._same(op.operands[1], result, [dim])
        elif name == "reduce":
            dims = tuple(attributes["dims"])
            kept = [d for d in range(len(before)) if d not in dims]
            self.blocked |= {(source, d) for d in dims}
            for i, d in enumerate(kept):
                self.unify((source, d), (result, i))
        elif name == "transpose":
            for i, p in enumerate(attributes["permutation"]):
                self.unify((result, i), (source, p))
        elif name == "broadcast":
            for i, d in enumerate(attributes["dims"]):
                if before[i] == after[d]:
                    self.unify((source, i), (result, d))
        elif name == "reverse":
            self._same(source, result, tuple(attributes["dims"]))
        elif name == "pad":
            low, high = tuple(attributes["low"]), tuple(attributes["high"])
            self._same(source, result, [d for d in range(len(before)) if low[d] or high[d]])
        elif name == "slice":
            self._same(source, result, [d for d in range(len(before)) if before[d] != after[d]])
        elif name == "reshape":
            self._reshape(source, result, before, after)

    def _reshape(self, source: ir.Value, result: ir.Value, before: tuple[int, ...], after: tuple[int, ...]) -> None:
        places = {(prod(after[:j]), after[j]): j for j in range(len(after))}
        for i, size in enumerate(before):
            j = places.get((prod(before[:i]), size))
            if j is None:
                self.blocked.add((source, i))
            else:
                self.unify((source, i), (result, j))
        reached = {(prod(before[:i]), before[i]) for i in range(len(before))}
        self.blocked |= {(result, j) for place, j in places.items() if place not in reached}

    def _matmul(self, op: ir.Operation) -> None:
        (lhs, rhs), result = op.operands, op.results[0]
        rank = len(shape_of(result))
        left, right = (ir.BoolAttr(op.attributes[f"transpose_{side}"]).value for side in ("lhs", "rhs"))
        for d in range(rank - 2):
            self.unify((lhs, d), (result, d))
            self.unify((rhs, d), (result, d))
        m, lhs_k = (rank - 1, rank - 2) if left else (rank - 2, rank - 1)
        rhs_k, n = (rank - 1, rank - 2) if right else (rank - 2, rank - 1)
        self.unify((lhs, m), (result, rank - 2))
        self.unify((rhs, n), (result, rank - 1))
        self.blocked |= {(lhs, lhs_k), (rhs, rhs_k)}
