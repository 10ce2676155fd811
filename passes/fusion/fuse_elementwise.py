"""Chains, diamonds and trees of elementwise ops."""

from __future__ import annotations

from dataclasses import dataclass

from torch_mlir import ir

from jic.passes.base import Pass

from ._graph import graph_blocks, live_graph
from ._group import pointwise_policy
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
            policy = pointwise_policy(self.max_size, self.recompute)
            for node in reversed(graph.nodes):
                if node.name not in _SEEDS or not grower.is_free(node.index):
                    continue
                group = grower.seed(node.index, "pointwise")
                grower.grow(group, policy)
                if grower.worthwhile(group):
                    grower.commit(group)
            outline(graph, grower.groups)
