"""The CPU's default pass pipeline, as text."""

from __future__ import annotations

from jic.passes.fusion._strategies import fusion_pipeline

SIMPLIFY = (
    "jic-constant-fold,jic-algebraic-simplify,jic-strength-reduce,jic-fold-views,jic-cse,jic-dead-code-elimination"
)


def default_pipeline(fusion_strategy: str = "default", max_fusion_size: int = 64, optimize: bool = True) -> str:
    """From the imported graph to kernels.

    Args:
        fusion_strategy: none, default, aggressive or custom.
        max_fusion_size: the most ops in one kernel.
        optimize: run the simplification passes; without them only what lowering needs.
    """
    fusion = fusion_pipeline(fusion_strategy, max_fusion_size)
    if not optimize:
        return f"builtin.module(jic-conv-layout,jic-decompose,{fusion})"
    return (
        f"builtin.module({SIMPLIFY},jic-fold-conv-batch-norm,jic-decompose,jic-conv-layout,jic-conv-to-matmul,{SIMPLIFY},"
        f"{fusion},jic-dead-code-elimination)"
    )
