"""The CPU's default pass pipeline, as text."""

from __future__ import annotations

from jic.passes.fusion._strategies import fusion_pipeline

SIMPLIFY = (
    "jic-constant-fold,jic-algebraic-simplify,jic-strength-reduce,jic-fold-views,jic-cse,jic-dead-code-elimination"
)
# Nothing below changes a program without control flow.
CONTROL_FLOW = "jic-simplify-ifs,jic-simplify-loops,jic-while-to-loop,jic-if-to-select,jic-loop-invariant-code-motion"

# From loops to what computes all steps at once; what stays in them is then simpler.
LOOPS = (
    "jic-parallelize-loops,jic-fuse-loops,jic-hoist-contraction,"
    "jic-sink-contraction,jic-sum-of-products,jic-layout-buffers,"
    f"jic-simplify-loops,{SIMPLIFY},jic-loop-invariant-code-motion"
)


def stages(fusion_strategy: str = "default", max_fusion_size: int = 64) -> dict[str, str]:
    """The optimizing pipeline by stages, in order: name to passes."""
    return {
        "simplify": SIMPLIFY,
        "control flow": CONTROL_FLOW,
        "decompose": "jic-fold-conv-batch-norm,jic-decompose,jic-conv-layout,jic-conv-to-matmul",
        "loops": "jic-simplify-loops,jic-loop-invariant-code-motion",
        "simplify again": SIMPLIFY,
        "whole loops": LOOPS,
        "recurrences": "jic-form-recurrence",
        "prepare fusion": "jic-loop-invariant-code-motion,jic-sink-into-regions",
        "fusion": fusion_pipeline(fusion_strategy, max_fusion_size),
        "clean up": "jic-dead-code-elimination",
    }


def default_pipeline(fusion_strategy: str = "default", max_fusion_size: int = 64, optimize: bool = True) -> str:
    """From the imported graph to kernels.

    Args:
        fusion_strategy: none, default, aggressive or custom.
        max_fusion_size: the most ops in one kernel.
        optimize: run the simplification passes; without them only what lowering needs.
    """
    if not optimize:
        fusion = fusion_pipeline(fusion_strategy, max_fusion_size)
        return f"builtin.module(jic-conv-layout,jic-decompose,{fusion})"
    return f"builtin.module({','.join(stages(fusion_strategy, max_fusion_size).values())})"
