"""Reductions to few elements get more tasks."""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt, prod

from torch_mlir import ir

from jic.dialects import build as b
from jic.passes.base import Pass

from ._graph import Graph, Shape, graph_blocks, holds, is_static
from ._ops import ELEMENTWISE


@dataclass(frozen=True)
class SplitReduction(Pass):
    """Reduce much to little in two steps, the first of which has enough independent results to share out.

        %0 = jic.reduce(%x) {dims = [0]} : 1048576 -> scalar
          ->  %1 = jic.reshape(%x)                  : 64x16384
              %2 = jic.reduce(%1) {dims = [1]}      : 64
              %0 = jic.reduce(%2) {dims = [0]}      : scalar

    A reduction whose result is repeated to its operand's shape again (softmax, a normalisation) stays: it is one
    kernel with its readers.

    Options:
        min-elements: the fewest elements that one result is reduced from.
        max-results: reductions with more results than this have enough tasks.
        tasks: how many partial results to aim at.
    """

    name = "jic-split-reduction"
    min_elements: int = 65536
    max_results: int = 16
    tasks: int = 64

    def apply(self, module: ir.Operation) -> None:
        for block in graph_blocks(module):
            if not holds(block, ("reduce",)):
                continue
            graph = Graph(block)
            dead = []
            for node in graph.nodes:
                split = self._split(graph, node.index) if node.name == "reduce" else None
                if split is None:
                    continue
                shape, first, second = split
                kind = ir.StringAttr(node.op.attributes["kind"]).value
                with ir.InsertionPoint(node.op), node.op.location:
                    partial = b.reduce(b.reshape(node.op.operands[0], shape), kind, first)
                    node.op.results[0].replace_all_uses_with(b.reduce(partial, kind, second))
                dead.append(node.op)
            for op in dead:
                op.erase()

    def _split(self, graph: Graph, index: int) -> tuple[list[int], list[int], list[int]] | None:
        """The operand's new shape, and the dims that the first and the second reduction remove."""
        node = graph.nodes[index]
        source, result = graph.shapes[node.inputs[0]], graph.shape(index)
        dims = graph.ints(index, "dims")
        if not is_static(source) or ir.StringAttr(node.op.attributes["kind"]).value.startswith("arg"):
            return None
        assert source is not None and result is not None
        results = prod(result)
        if not 0 < results <= self.max_results or prod(source) < self.min_elements * results:
            return None
        if self._is_repeated(graph, index, prod(source)):
            return None
        runs = _runs(source, dims)
        best = max((i for i, (_, reduced) in enumerate(runs) if reduced), key=lambda i: runs[i][0])
        parts = _divisor_near(runs[best][0], max(2, self.tasks // results))
        if parts is None:
            return None
        shape, first, second, kept = [], [], [], 0
        for i, (size, reduced) in enumerate(runs):
            if i == best:
                second.append(kept)
                kept += 1
                shape.append(parts)
                size //= parts
            if reduced:
                first.append(len(shape))
            else:
                kept += 1
            shape.append(size)
        return shape, first, second

    def _is_repeated(self, graph: Graph, index: int, elements: int) -> bool:
        stack, seen = [index], {index}
        while stack:
            for user in graph.node_users(stack.pop()):
                shape = graph.shape(user)
                if graph.nodes[user].name == "broadcast" and is_static(shape) and prod(shape) == elements:  # type: ignore[arg-type]
                    return True
                if graph.nodes[user].name in ELEMENTWISE | {"reshape", "broadcast"} and user not in seen:
                    seen.add(user)
                    stack.append(user)
        return False


def _runs(source: Shape, dims: tuple[int, ...]) -> list[tuple[int, bool]]:
    """Adjacent dims merged: kept dims stay one by one, reduced neighbours become one."""
    runs: list[tuple[int, bool]] = []
    for d, size in enumerate(source):
        if d in dims and runs and runs[-1][1]:
            runs[-1] = (runs[-1][0] * size, True)
        else:
            runs.append((size, d in dims))
    return runs


def _divisor_near(size: int, wanted: int) -> int | None:
    """The divisor of `size` nearest to `wanted` by ratio, at least 4 and leaving at least 64; None if there is none."""
    small = [d for d in range(1, min(isqrt(size), 1 << 16) + 1) if size % d == 0]
    fitting = [d for d in {*small, *(size // d for d in small)} if d >= 4 and size // d >= 64]
    near = [d for d in fitting if d <= 16 * wanted]
    return min(near, key=lambda d: max(d / wanted, wanted / d)) if near else None
