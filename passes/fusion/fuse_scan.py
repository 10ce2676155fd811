"""Cumulative sums and the like with the pointwise work around them."""

from __future__ import annotations

from dataclasses import dataclass

from torch_mlir import ir

from jic.passes.base import Pass

from ._epilogue import fuse_around
from ._group import scan_policy


@dataclass(frozen=True)
class FuseScan(Pass):
    """Fuse a cumulative op with pointwise work before and after it.

        jic.mul(jic.cumulative(jic.exp(%x)), %y)   ->   jic.fused(%x, %y) {kind = "scan"}

    Options:
        max-size: the most ops in one kernel, not counting views and constants.
    """

    name = "jic-fuse-scan"
    max_size: int = 32

    def apply(self, module: ir.Operation) -> None:
        fuse_around(module, {"cumulative": "scan"}, scan_policy(self.max_size))
