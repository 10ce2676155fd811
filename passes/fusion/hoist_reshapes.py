"""Reshapes that split dims move above transposes, so that a chain of views is one linear index."""

from __future__ import annotations

from torch_mlir import ir

from jic.dialects import build as b
from jic.passes.base import Pass

from ._graph import Graph, Shape, graph_blocks, holds, is_static, live_graph
from ._legality import factor_groups

_SWEEPS = 8


class HoistReshapes(Pass):
    """Move a reshape that only splits dims above the transpose before it, if nothing else reads that.

    The reshape then meets the one before the transpose, and they become one; a head split written as merge, transpose,
    split is one kernel with what is before it.

        %0 = jic.reshape(%x)   : 1x10x2x64 -> 10x8x16         %0 = jic.reshape(%x)   : 1x10x2x64 -> 10x2x4x16
        %1 = jic.transpose(%0) : 10x8x16 -> 8x10x16     ->    %1 = jic.transpose(%0) : 10x2x4x16 -> 2x4x10x16
        %2 = jic.reshape(%1)   : 8x10x16 -> 2x4x10x16
    """

    name = "jic-hoist-reshapes"

    def apply(self, module: ir.Operation) -> None:
        for block in graph_blocks(module):
            for _ in range(_SWEEPS):
                if not holds(block, ("transpose",)) or not self._sweep(live_graph(block)):
                    break

    def _sweep(self, graph: Graph) -> bool:
        changed = False
        touched: set[int] = set()
        for node in graph.nodes:
            above = graph.producer[node.inputs[0]] if node.name == "reshape" else -1
            if above < 0 or graph.nodes[above].name != "transpose" or len(graph.node_users(above)) > 1:
                continue
            if graph.producer[graph.nodes[above].inputs[0]] in touched:
                continue  # the next sweep sees what it has become
            source = graph.nodes[above].inputs[0]
            moved = _moved(graph.shapes[source], graph.ints(above, "permutation"), graph.shape(node.index))
            if moved is None:
                continue
            while graph.producer[source] >= 0 and graph.nodes[graph.producer[source]].name == "reshape":
                source = graph.nodes[graph.producer[source]].inputs[0]
            shape, permutation = moved
            with ir.InsertionPoint(node.op), node.op.location:
                new = b.transpose(b.reshape(graph.values[source], shape), permutation)
            node.op.results[0].replace_all_uses_with(new)
            touched.add(node.index)
            changed = True
        return changed


def _moved(
    source: Shape | None, permutation: tuple[int, ...], result: Shape | None
) -> tuple[list[int], list[int]] | None:
    """The transpose's new operand shape and permutation; None if the reshape merges dims."""
    if not is_static(source) or not is_static(result):
        return None
    assert source is not None and result is not None
    groups = factor_groups([source[p] for p in permutation], result)
    if groups is None or any(len(old) != 1 for old, _ in groups):
        return None
    parts = {permutation[old[0]]: [result[d] for d in new] for old, new in groups}
    shape: list[int] = []
    first: dict[int, int] = {}
    for d in range(len(source)):
        first[d] = len(shape)
        shape += parts[d]
    order = [first[p] + i for p in permutation for i in range(len(parts[p]))]
    return shape, order
