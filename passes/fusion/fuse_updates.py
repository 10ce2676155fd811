"""Updates of slices with the pointwise work that computes what they store."""

from __future__ import annotations

from dataclasses import dataclass

from torch_mlir import ir

from jic.passes.base import Pass

from ._epilogue import fuse_around
from ._graph import drop_whole_updates, graph_blocks
from ._group import update_policy


@dataclass(frozen=True)
class FuseUpdates(Pass):
    """Fuse updates of slices with the pointwise ops that compute what they store, and with one another.

    The kernel writes the slices only. Other values that it computes may be results too, such as the next state of a
    recurrent net, which is stored and carried.

        %h = jic.tanh(%z)                                      %0:2 = jic.fused(%z, %out, %i) {kind = "update"} {
        %o = jic.dynamic_update(%out, %h, %i) {dim = 0}   ->     tanh, dynamic_update, yield both
        jic.yield(%o, %h)                                      }

    Updates share a kernel if their slices have one shape and one reads what the kernel computes anyway. Nothing
    in the kernel but the update itself reads the tensor that is updated.

    Options:
        max-size: the most ops in one kernel, not counting views and constants.
    """

    name = "jic-fuse-updates"
    max_size: int = 64

    def apply(self, module: ir.Operation) -> None:
        for block in graph_blocks(module):
            drop_whole_updates(block)
        fuse_around(module, {"dynamic_update": "update"}, update_policy(self.max_size))
