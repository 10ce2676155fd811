"""`jic.explain(fn)(*args)`: which kernels a call becomes, what was fused into each, and what falls back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..frontend import Reason
from .compiled import CompiledFunction
from .config import JitConfig
from .module import CompiledModule


@dataclass(frozen=True)
class KernelInfo:
    """A kernel: its name, the `jic` ops in it, the user's line, its estimated time on one core in µs."""

    name: str
    ops: tuple[str, ...]
    location: str
    estimated_us: float


@dataclass(frozen=True)
class Explanation:
    """What a call becomes. `str()` gives a report."""

    signature: str
    kernels: tuple[KernelInfo, ...]
    fallbacks: tuple[Reason, ...]
    notes: tuple[Reason, ...]
    eager: bool

    def __str__(self) -> str:
        lines = [f"call {self.signature}"]
        if self.eager:
            lines.append("runs eagerly as a whole:")
        else:
            lines.append(f"{len(self.kernels)} kernels")
            for kernel in self.kernels:
                where = f"  at {kernel.location}" if kernel.location else ""
                lines.append(f"  {kernel.name}  ({kernel.estimated_us:.1f} µs estimated){where}")
                lines.append(f"    {', '.join(kernel.ops)}")
            lines.append(f"{len(self.fallbacks)} fallbacks to ATen")
        for reason in self.fallbacks:
            lines.append(f"  {reason.op}: {reason.why}" + (f"  at {reason.location}" if reason.location else ""))
        for reason in self.notes:
            lines.append(f"  note: {reason.op}: {reason.why}" + (f"  at {reason.location}" if reason.location else ""))
        return "\n".join(lines)


def explain(fn: Callable[..., Any], *, config: JitConfig | None = None) -> Callable[..., Explanation]:
    """A function that compiles `fn` for its arguments, without running it, and returns an `Explanation`.

    `fn` may be a function, a module, or something that `jic.compile` returned.
    """
    compiled = fn.compiled if isinstance(fn, CompiledModule) else fn
    if not isinstance(compiled, CompiledFunction):
        compiled = CompiledFunction(fn, config or JitConfig())

    def explained(*args: Any, **kwargs: Any) -> Explanation:
        entry = compiled.entry_for(args, kwargs)
        kernels = tuple(
            KernelInfo(s["name"], tuple(s.get("ops", ())), s["location"], s["cost"] / 1e3)
            for s in entry.steps
            if s["op"] == "launch"
        )
        fallbacks = tuple(entry.fallbacks())
        notes = () if entry.eager else tuple(entry.reasons)
        return Explanation(entry.signature, kernels, fallbacks, notes, entry.eager)

    return explained
