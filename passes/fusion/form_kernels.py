"""The end of fusion: every op that is not in a kernel yet becomes one of its own."""

from __future__ import annotations

from torch_mlir import ir

from jic.errors import PassError
from jic.passes.base import Pass

from ._graph import drop_whole_updates, graph_blocks, live_graph, source_line
from ._group import Policy
from ._growth import Grower
from ._ops import COMPOSITES, KERNEL_KIND
from ._outline import outline

_CONSTANTS = Policy(max_size=1, side=frozenset({"constant"}), prologue=frozenset({"constant"}), consumers=False)


class FormKernels(Pass):
    """Make every op that is left a kernel, so that only kernels, reshapes, constants and ATen calls remain.

    Splat constants are copied into the kernels that read them, dense ones stay; what nothing reads is erased.

        %1 = jic.transpose(%0) {permutation = [1, 0]}   ->   %1 = jic.fused(%0) {kind = "pointwise"} { transpose }
    """

    name = "jic-form-kernels"

    def apply(self, module: ir.Operation) -> None:
        for block in graph_blocks(module):
            drop_whole_updates(block)
            graph = live_graph(block)
            grower = Grower(graph)
            for node in graph.nodes:
                if node.name in COMPOSITES:
                    raise PassError(
                        f"'jic.{node.name}' has no kernel of its own",
                        hint="run jic-decompose before fusion, without it in `keep`",
                        location=source_line(node.op.location),
                    )
                if node.name in KERNEL_KIND:
                    group = grower.seed(node.index, KERNEL_KIND[node.name].replace("indexing", "pointwise"))
                    grower.grow(group, _CONSTANTS)
                    grower.commit(group)
            outline(graph, grower.groups)
            live_graph(block)
