"""`JitConfig`: what a user can choose about a compilation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from ..errors import ConfigError

STRATEGIES = ("none", "default", "aggressive", "custom")
TARGETS = ("cpu", "vulkan")
ON_EFFECT = ("replay", "eager", "error")
_CHOOSE_PASSES = ("fusion_strategy", "max_fusion_size", "enable_optimizations")
_LEAST = {"max_fusion_size": 1, "recompile_limit": 1, "checkpoint_steps": 0, "max_trace_ops": 1}


@dataclass(frozen=True)
class JitConfig:
    """How to compile.

    Attributes:
        fusion_strategy: `none` (a kernel an op), `default`, `aggressive` (also recompute to fuse more), `custom` (the user's
            rules only).
        max_fusion_size: the most ops in one kernel.
        enable_optimizations: run the simplification passes.
        enable_profiling: measure every kernel of every call; see `stats()`.
        target_device: `cpu` or `vulkan`.
        enable_caching: keep compiled artifacts on disk (`$JIC_CACHE_DIR`, or the platform's cache directory).
        cache_dir: another directory for them.
        recompile_limit: input signatures compiled for one callable; further ones run eagerly, and `explain` says so.
        on_effect: what becomes of a call that changes what outlives it, or prints: `replay` does that again after each run
            where it can (else the call runs eagerly), `eager` runs the call eagerly, `error` raises FallbackError.
        checkpoint_steps: for a backward, save every k-th state of a loop and recompute those between, k steps at a time. With
            0 save all, and matrix products: least work, and memory for as many states and products as there are steps.
        max_trace_ops: calls of torch that one trace may make. A function that makes more (most often in loops that are
            unrolled) runs eagerly, with a warning that names the line.
        max_compile_seconds: how long one compilation may take until the same happens. It is looked at between the calls of a
            trace, between passes and between kernels, so that it may take a little longer.
        pipeline: the text of a whole pass pipeline, in place of the target's default one, which the fields that choose
            passes (fusion_strategy, max_fusion_size, enable_optimizations) then say nothing about.
        extra_passes: pipelines to put into the default one: `{"before-fusion": "my-pass{option=1}"}`. docs/passes.md lists
            the stages. They are known, and checked, when something is compiled with this configuration.

    Raises:
        ConfigError: a value that is not allowed.
    """

    fusion_strategy: str = "default"
    max_fusion_size: int = 64
    enable_optimizations: bool = True
    enable_profiling: bool = False
    target_device: str = "cpu"
    enable_caching: bool = True
    cache_dir: str | None = None
    recompile_limit: int = 64
    checkpoint_steps: int = 0
    on_effect: str = "replay"
    max_trace_ops: int = 1 << 15
    max_compile_seconds: float = 300.0
    pipeline: str | None = None
    extra_passes: Mapping[str, str] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        for name, allowed in (("fusion_strategy", STRATEGIES), ("target_device", TARGETS), ("on_effect", ON_EFFECT)):
            if getattr(self, name) not in allowed:
                raise ConfigError(f"{name} is {getattr(self, name)!r}, expected one of {', '.join(allowed)}")
        for name, least in _LEAST.items():
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise ConfigError(f"{name} is {value!r}, expected an integer of at least {least}")
        seconds = self.max_compile_seconds
        if not isinstance(seconds, (int, float)) or isinstance(seconds, bool) or not seconds > 0:
            raise ConfigError(f"max_compile_seconds is {seconds!r}, expected a number of seconds above 0")
        for name in (f.name for f in fields(self) if f.name.startswith("enable_")):
            if not isinstance(getattr(self, name), bool):
                raise ConfigError(f"{name} is {getattr(self, name)!r}, expected True or False")
        self._check_passes()

    def _check_passes(self) -> None:
        if self.pipeline is not None and not isinstance(self.pipeline, str):
            raise ConfigError(f"pipeline is {self.pipeline!r}, expected the text of a pass pipeline")
        extra = self.extra_passes
        if not isinstance(extra, Mapping) or not all(isinstance(t, str) for pair in extra.items() for t in pair):
            raise ConfigError(f"extra_passes is {extra!r}, expected a dict like {{'before-fusion': 'my-pass'}}")
        object.__setattr__(self, "extra_passes", dict(extra))
        if self.pipeline is None:
            return
        given = [f.name for f in fields(self) if f.name in _CHOOSE_PASSES and getattr(self, f.name) != f.default]
        if given or extra:
            name = "extra_passes" if extra else given[0]
            raise ConfigError(
                f"pipeline and {name} are both given, and pipeline says which passes run", hint=f"leave out {name}"
            )

    @property
    def has_passes(self) -> bool:
        """Whether passes of the user's choice run."""
        return self.pipeline is not None or bool(self.extra_passes)

    def key(self) -> str:
        """The part of a cache key that the compiled code depends on, but for the user's passes (`pipeline.digest`)."""
        return f"{self.fusion_strategy} {self.max_fusion_size} {self.enable_optimizations} {self.target_device}"
