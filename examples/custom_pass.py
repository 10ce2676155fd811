"""A pass of one's own inside `jic.compile`: a rewrite of the graph, put before fusion.

Run it (`python examples/custom_pass.py`) to see it work, or give it to the pass runner:

    jic-opt --load examples/custom_pass.py --safe-exp=limit=20 program.mlir
"""

from __future__ import annotations

from dataclasses import dataclass

from torch_mlir import ir

from jic.dialects import build
from jic.passes.base import Pass, walk
from jic.passes.registry import register


@register
@dataclass(frozen=True)
class SafeExp(Pass):
    """Clamp what `jic.exp` takes, so that it never gives infinity."""

    name = "safe-exp"
    limit: float = 80.0

    def apply(self, module: ir.Operation) -> None:
        for op in [op for op in walk(module) if op.name == "jic.exp"]:
            with ir.InsertionPoint(op), op.location:
                (x,) = op.operands
                op.operands[0] = build.elementwise("minimum", x, build.splat_like(x, self.limit))


def main() -> None:
    import torch

    import jic

    @jic.compile(extra_passes={"before-fusion": "safe-exp{limit=3}"})
    def grow(x: torch.Tensor, steps: int) -> torch.Tensor:
        for _ in range(steps):
            x = torch.exp(x) - 1
        return x

    x = torch.tensor([-1.0, 0.5, 2.0])
    print(f"eager, after 3 steps:    {grow.fn(x, 3).tolist()}")
    print(f"compiled, after 3 steps: {grow(x, 3).tolist()}")
    print(f"kernels: {[kernel.ops for kernel in jic.explain(grow)(x, 3).kernels]}")
    assert grow(x, 3).isfinite().all() and grow(x, 3)[2] < 20


if __name__ == "__main__":
    main()
