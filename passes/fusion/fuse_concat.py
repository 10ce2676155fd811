"""Concatenations with the pointwise work on their operands."""

from __future__ import annotations

from dataclasses import dataclass

from torch_mlir import ir

from jic.passes.base import Pass

from ._epilogue import fuse_around
from ._group import concat_policy


@dataclass(frozen=True)
class FuseConcat(Pass):
    """Fuse a concat with the pointwise ops that only it reads.

        jic.concat(jic.neg(%x), %y)   ->   jic.fused(%x, %y) {kind = "concat"}

    Options:
        max-size: the most ops in one kernel, not counting views and constants.
    """

    name = "jic-fuse-concat"
    max_size: int = 32

    def apply(self, module: ir.Operation) -> None:
        fuse_around(module, {"concat": "concat"}, concat_policy(self.max_size))
