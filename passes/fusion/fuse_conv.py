"""Convolutions and pooling with what follows them."""

from __future__ import annotations

from dataclasses import dataclass

from torch_mlir import ir

from jic.passes.base import Pass

from ._epilogue import fuse_around
from ._group import window_policy


@dataclass(frozen=True)
class FuseConv(Pass):
    """Fuse a conv or pool with its epilogue (bias, scale and shift, activation, residual) and a pad before it.

        jic.relu(jic.add(jic.conv(%x, %w), jic.broadcast(%b)))   ->   jic.fused(%x, %w, %b) {kind = "window"}

    Options:
        max-size: the most ops in one kernel, not counting views and constants.
    """

    name = "jic-fuse-conv"
    max_size: int = 32

    def apply(self, module: ir.Operation) -> None:
        fuse_around(module, {"conv": "window", "pool": "window"}, window_policy(self.max_size))
