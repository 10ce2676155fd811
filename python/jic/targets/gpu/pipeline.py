"""The default pass pipeline of GPU targets, as text."""

from __future__ import annotations

from jic.passes.fusion.strategies import fusion_pipeline

from ..pipelines import CONTROL_FLOW, LOOPS, SIMPLIFY


def stages(fusion_strategy: str = "default", max_fusion_size: int = 64, optimize: bool = True) -> dict[str, str]:
    """The default pipeline by stages, in order: name to passes; see `cpu.pipeline.stages`.

    Convolutions keep their layout, for no template wants another one, and loops stay what they are: there is no kernel that
    runs all steps of one.
    """
    named = {
        "simplify": SIMPLIFY,
        "control-flow": CONTROL_FLOW,
        "decompose": "jic-fold-conv-batch-norm,jic-decompose",
        "loops": "jic-simplify-loops,jic-loop-invariant-code-motion",
        "simplify-again": SIMPLIFY,
        "whole-loops": LOOPS,
        "prepare-fusion": "jic-loop-invariant-code-motion,jic-sink-into-regions",
        "fusion": fusion_pipeline(fusion_strategy, max_fusion_size),
        "clean-up": "jic-dead-code-elimination",
    }
    needed = {"decompose": "jic-decompose", "fusion": named["fusion"]}
    return named if optimize else {name: needed.get(name, "") for name in named}
