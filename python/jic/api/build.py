"""From a captured call to an artifact: import, passes, target, and the disk cache around them."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..errors import PassError
from ..frontend import Traced
from ..runtime import Artifact, ArtifactCache
from . import pipeline, toolchain
from .config import JitConfig

if TYPE_CHECKING:
    from torch_mlir import ir


@dataclass
class Built:
    """An artifact and where it came from.

    Attributes:
        cached: "memory" or "disk" if it was found there, else "".
        seconds: time by stage (import, passes, lower, codegen); empty if cached.
    """

    artifact: Artifact
    cached: str = ""
    seconds: dict[str, float] = field(default_factory=dict)


def cache_key(traced: Traced, config: JitConfig) -> str:
    """Equal where the compiled artifact may be shared."""
    parts = (traced.fingerprint, config.key(), pipeline.digest(config), toolchain.digest(), toolchain.rules_digest())
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def build(traced: Traced, config: JitConfig, cache: ArtifactCache | None) -> Built:
    """The artifact of `traced`, from the cache if it is there. MLIR is loaded only if it is not.

    Raises:
        UserPassError: it cannot because of the user's passes.
        JicError: the graph cannot be imported, lowered or compiled.
    """
    key = cache_key(traced, config)
    if cache is not None and (found := cache.get(key)) is not None:
        return Built(found, cached="cache")
    built = compile_traced(traced, config)
    if cache is not None:
        cache.put(key, built.artifact)
    return built


def compile_traced(traced: Traced, config: JitConfig) -> Built:
    """Import, optimise and compile without a cache."""
    return pipeline.blaming(config, lambda c: _compiled(traced, c))


def _compiled(traced: Traced, config: JitConfig) -> Built:
    from ..targets import lookup

    seconds: dict[str, float] = {}
    module = optimized(traced, config, seconds)
    made = lookup(config.target_device).compile(module)
    seconds |= made.seconds
    return Built(Artifact(made.manifest, made.code, made.constants), seconds=seconds)


def imported(traced: Traced) -> ir.Module:
    """The graph as `jic` IR, in a new context."""
    from ..dialects import context
    from ..frontend.importer import import_graph

    return import_graph(traced, context())


def optimized(
    traced: Traced, config: JitConfig, seconds: dict[str, float] | None = None, target: str | None = None
) -> ir.Module:
    """The graph after the pipeline of `config`, for its target unless another is named: at the kernels level."""
    times: dict[str, Any] = {} if seconds is None else seconds
    start = time.perf_counter()
    module = imported(traced)
    times["import"] = time.perf_counter() - start
    start = time.perf_counter()
    whole = pipeline.sections(config, target)
    with module.context:
        # Verified as a whole: after each of fifty passes it would take as long as they do.
        if not pipeline.run(module, whole, verify_each=False):  # a bug of jic's: once more, to say in which pass
            module = imported(traced)
            if not pipeline.run(module, whole, verify_each=True):
                raise PassError("the imported graph is invalid IR")
    times["passes"] = time.perf_counter() - start
    return module
