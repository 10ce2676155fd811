"""The fusion strategies as pipeline texts."""

from __future__ import annotations

from jic.errors import ConfigError
from jic.passes import rules

STRATEGIES = ("none", "default", "aggressive", "custom")


def fusion_pipeline(strategy: str = "default", max_fusion_size: int = 64) -> str:
    """The passes of a fusion strategy, from decomposed graph ops to kernels, separated by commas.

    Args:
        strategy: `none`: one kernel an op. `default`: all fusion passes, after the user's rules if there are any.
            `aggressive`: also where expensive ops are then computed more than once. `custom`: the user's rules only.
        max_fusion_size: the most ops in one kernel, not counting views and constants.

    Raises:
        ConfigError: an unknown strategy, or a size below 1.
    """
    if strategy not in STRATEGIES:
        raise ConfigError(f"fusion strategy is {strategy!r}, expected one of {', '.join(STRATEGIES)}")
    if not isinstance(max_fusion_size, int) or max_fusion_size < 1:
        raise ConfigError(f"max_fusion_size is {max_fusion_size!r}, expected an integer of at least 1")
    passes = ["jic-hoist-reshapes", "jic-split-reduction"] if strategy in ("default", "aggressive") else []
    if strategy == "custom" or (strategy != "none" and rules.registered()):
        passes.append("jic-apply-rules")
    if strategy in ("default", "aggressive"):
        size = f"max-size={max_fusion_size}"
        recompute = " recompute=true" if strategy == "aggressive" else ""
        prologue = " max-prologue=8" if strategy == "aggressive" else ""
        passes += [
            f"jic-fuse-contraction{{{size}{prologue}}}",
            f"jic-fuse-conv{{{size}}}",
            f"jic-fuse-reduction{{{size}{recompute}}}",
            f"jic-fuse-scan{{{size}}}",
            f"jic-fuse-concat{{{size}}}",
            f"jic-fuse-updates{{{size}}}",
            f"jic-fuse-elementwise{{{size}{recompute}}}",
        ]
    return ",".join([*passes, "jic-form-kernels"])
