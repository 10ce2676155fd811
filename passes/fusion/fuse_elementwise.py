"""Chains, diamonds and trees of elementwise ops."""

from __future__ import annotations

from dataclasses import dataclass

from torch_mlir import ir

from jic.passes.base import Pass

from ._graph import Graph, graph_blocks, in_control_flow, live_graph
from ._group import Group, pointwise_policy
from ._growth import Grower
from ._ops import ELEMENTWISE, INDEXING, VIEWS
from ._outline import outline

_SEEDS = ELEMENTWISE | VIEWS | INDEXING


@dataclass(frozen=True)
class FuseElementwise(Pass):
    """Fuse elementwise ops and the views they read through into one kernel an iteration space.

    Results of one shape may leave one kernel. A cheap op (a broadcast, a convert, an add of a constant) that several
    kernels read is computed in each.

        %0 = jic.broadcast(%b) : 64 -> 8x64       %2 = jic.fused(%x, %b) {kind = "pointwise"} {
        %1 = jic.add(%x, %0)                ->      broadcast, add, tanh, yield
        %2 = jic.tanh(%1)                         }

    Where there is control flow all work on scalars that may be done together is: counters, indices and conditions of
    an iteration are one kernel with several results.

    Options:
        max-size: the most ops in one kernel, not counting views and constants.
        recompute: also compute expensive ops (exp, tanh, ...) again for every repetition of a broadcast.
    """

    name = "jic-fuse-elementwise"
    max_size: int = 64
    recompute: bool = False

    def apply(self, module: ir.Operation) -> None:
        for block in graph_blocks(module):
            graph = live_graph(block)
            grower = Grower(graph)
            scalars = in_control_flow(block)
            policy = pointwise_policy(self.max_size, self.recompute)
            for node in reversed(graph.nodes):
                if node.name not in _SEEDS or not grower.is_free(node.index):
                    continue
                group = grower.seed(node.index, "pointwise")
                grower.grow(group, policy)
                if grower.worthwhile(group) or (scalars and _is_scalar(graph, group)):
                    grower.commit(group)
            if scalars:
                self._join_scalars(graph, grower)
            outline(graph, [g for g in grower.groups if grower.worthwhile(g)])

    def _join_scalars(self, graph: Graph, grower: Grower) -> None:
        groups = [g for g in grower.groups if _is_scalar(graph, g)]
        groups.sort(key=lambda g: min(g.roles))
        joined: list[Group] = []
        for group in groups:
            fits = (g for g in joined if g.size + group.size <= self.max_size)
            if not any(grower.merge(first, group) for first in fits):
                joined.append(group)


def _is_scalar(graph: Graph, group: Group) -> bool:
    """The group computes scalars from scalars, by elementwise ops."""
    return not group.full and all(
        graph.nodes[i].name in ELEMENTWISE | {"constant", "reshape", "dynamic_slice"}
        for i in (*group.roles, *group.clones)
    )
