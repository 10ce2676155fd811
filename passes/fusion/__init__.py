"""Fusion: groups of graph ops become `jic.fused` kernels. See docs/fusion.md."""

from .strategies import STRATEGIES, fusion_pipeline

__all__ = ["STRATEGIES", "fusion_pipeline"]
