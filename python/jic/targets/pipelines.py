"""Parts of pass pipelines that the targets' default ones share."""

from __future__ import annotations

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


def joined(stages: dict[str, str]) -> str:
    """A pipeline's stages as one text."""
    return f"builtin.module({','.join(filter(None, stages.values()))})"
