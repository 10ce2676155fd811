"""Groups around one op that sets the kernel's kind: a matmul, a conv, a scan, a concat."""

from __future__ import annotations

from torch_mlir import ir

from ._graph import graph_blocks, holds, live_graph
from ._group import Policy
from ._growth import Grower
from ._outline import outline


def fuse_around(module: ir.Operation, kinds: dict[str, str], policy: Policy) -> None:
    """Grow a group from every op named in `kinds` (op name to kernel kind), in program order."""
    for block in graph_blocks(module):
        if not holds(block, kinds):
            continue
        graph = live_graph(block)
        grower = Grower(graph)
        for node in graph.nodes:
            if node.name in kinds and grower.is_free(node.index):
                group = grower.seed(node.index, kinds[node.name])
                grower.grow(group, policy)
                if grower.worthwhile(group):
                    grower.commit(group)
        outline(graph, grower.groups)
