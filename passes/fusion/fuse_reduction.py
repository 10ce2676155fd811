"""Reductions with what is computed before, between and after them: softmax and normalisations become one kernel
each."""

from __future__ import annotations

from dataclasses import dataclass

from torch_mlir import ir

from jic.passes.base import Pass

from ._graph import Graph, graph_blocks, holds, live_graph
from ._group import FULL, Group, reduction_policy
from ._growth import Grower
from ._outline import outline


@dataclass(frozen=True)
class FuseReduction(Pass):
    """Fuse reductions over the same dims of one iteration space, and the elementwise ops around them.

        %m = jic.reduce(%x) {kind = "max", dims = [1]}
        %e = jic.exp(jic.sub(%x, jic.broadcast(%m)))      ->   one jic.fused {kind = "reduction"}
        %s = jic.reduce(%e) {kind = "sum", dims = [1]}
        %y = jic.div(%e, jic.broadcast(%s))

    Options:
        max-size: the most ops in one kernel, not counting views and constants.
        recompute: also compute expensive ops again for every repetition of a broadcast.
    """

    name = "jic-fuse-reduction"
    max_size: int = 64
    recompute: bool = False

    def apply(self, module: ir.Operation) -> None:
        for block in graph_blocks(module):
            if not holds(block, ("reduce",)):
                continue
            graph = live_graph(block)
            grower = Grower(graph)
            policy = reduction_policy(self.max_size, self.recompute)
            for node in graph.nodes:
                if node.name == "reduce" and grower.is_free(node.index):
                    group = grower.seed(node.index, "reduction")
                    grower.grow(group, policy)
                    grower.commit(group)
            self._join_siblings(graph, grower)
            outline(graph, [g for g in grower.groups if grower.worthwhile(g)])

    def _join_siblings(self, graph: Graph, grower: Grower) -> None:
        """Reductions of one operand over the same dims read it once."""
        seen: dict[tuple[int, tuple[int, ...], tuple[int, ...]], Group] = {}
        for group in list(grower.groups):
            for value in sorted(_read_from_memory(graph, group)):
                first = seen.setdefault((value, group.full, group.dims), group)
                if first is group or first.size + group.size > self.max_size:
                    continue
                if grower.merge(first, group):
                    for key, other in seen.items():
                        seen[key] = first if other is group else other
                    break


def _read_from_memory(graph: Graph, group: Group) -> set[int]:
    """Outside values that the group reads at every point of its iteration space."""
    found = set()
    for index, role in group.roles.items():
        node = graph.nodes[index]
        for value in node.inputs:
            outside = graph.producer[value] not in group.roles and graph.producer[value] not in group.clones
            if outside and graph.shapes[value] == group.full and (role == FULL or node.name == "reduce"):
                found.add(value)
    return found
