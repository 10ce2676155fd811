"""The CPU's default pass pipeline, as text."""

from __future__ import annotations

from jic.passes.fusion.strategies import fusion_pipeline

from ..pipelines import CONTROL_FLOW, LOOPS, SIMPLIFY, joined

# What one kernel of a whole loop may keep in the caches: weights that each step reads again, and the values of one row.
_WEIGHT_BYTES, _ROW_BYTES = 8 << 20, 128 << 10


def stages(fusion_strategy: str = "default", max_fusion_size: int = 64, optimize: bool = True) -> dict[str, str]:
    """The default pipeline by stages, in order: name to passes. A stage may be empty; the names are always the same.

    Args:
        fusion_strategy: none, default, aggressive or custom.
        max_fusion_size: the most ops in one kernel.
        optimize: run the simplification passes; without them only what lowering needs.
    """
    named = {
        "simplify": SIMPLIFY,
        "control-flow": CONTROL_FLOW,
        "decompose": "jic-fold-conv-batch-norm,jic-decompose,jic-conv-layout,jic-conv-to-matmul",
        "loops": "jic-simplify-loops,jic-loop-invariant-code-motion",
        "simplify-again": SIMPLIFY,
        "whole-loops": LOOPS,
        "recurrences": f"jic-form-recurrence{{max-weight-bytes={_WEIGHT_BYTES} max-row-bytes={_ROW_BYTES}}}",
        "prepare-fusion": "jic-loop-invariant-code-motion,jic-sink-into-regions",
        "fusion": fusion_pipeline(fusion_strategy, max_fusion_size),
        "clean-up": "jic-dead-code-elimination",
    }
    needed = {"decompose": "jic-conv-layout,jic-decompose", "fusion": named["fusion"]}
    return named if optimize else {name: needed.get(name, "") for name in named}


def default_pipeline(fusion_strategy: str = "default", max_fusion_size: int = 64, optimize: bool = True) -> str:
    """From the imported graph to kernels: `stages` as one text."""
    return joined(stages(fusion_strategy, max_fusion_size, optimize))
