"""Fusion: groups of graph ops become `jic.fused` kernels. See docs/fusion.md."""
