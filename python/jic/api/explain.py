"""`jic.explain(fn)(*args)`: which kernels a call becomes, what was fused into each, and what falls back."""

from __future__ import annotations

from collections import Counter
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


# What is shown of each, unless all is asked for.
_KERNELS, _OPS, _REASONS = 12, 16, 12


@dataclass(frozen=True)
class Explanation:
    """What a call becomes. `str()` gives a report: all of it with `verbose`, else counts and the first of what is many."""

    signature: str
    kernels: tuple[KernelInfo, ...]
    fallbacks: tuple[Reason, ...]
    notes: tuple[Reason, ...]
    eager: bool
    verbose: bool = False

    def __str__(self) -> str:
        lines = [f"call {self.signature}"]
        if self.eager:
            lines.append("runs eagerly as a whole:")
        else:
            lines += self._kernel_lines()
            lines.append(f"{len(self.fallbacks)} fallbacks to ATen")
        lines += self._reason_lines(self.fallbacks, "")
        lines += self._reason_lines(self.notes, "note: ")
        return "\n".join(lines)

    def _kernel_lines(self) -> list[str]:
        lines = [f"{len(self.kernels)} kernels"]
        many = len(self.kernels) > _KERNELS and not self.verbose
        if many:
            ops = Counter(op for kernel in self.kernels for op in kernel.ops)
            lines[0] += f" of {sum(ops.values())} ops: {_counts(ops)}"
        for kernel in self.kernels[:_KERNELS] if many else self.kernels:
            where = f"  at {kernel.location}" if kernel.location else ""
            lines.append(f"  {kernel.name}  ({kernel.estimated_us:.1f} µs estimated){where}")
            if len(kernel.ops) > _OPS and not self.verbose:
                lines.append(f"    {len(kernel.ops)} ops: {_counts(Counter(kernel.ops))}")
                lines.append(f"    first {', '.join(kernel.ops[:_OPS])}, …")
            else:
                lines.append(f"    {', '.join(kernel.ops)}")
        if many:
            lines.append(f"  … and {len(self.kernels) - _KERNELS} more kernels (verbose=True shows all)")
        return lines

    def _reason_lines(self, reasons: tuple[Reason, ...], what: str) -> list[str]:
        times = Counter(reasons)
        shown = list(reasons) if self.verbose else list(times)
        many = len(shown) > _REASONS and not self.verbose
        lines = []
        for reason in shown[:_REASONS] if many else shown:
            where = f"  at {reason.location}" if reason.location else ""
            repeated = f"  ×{times[reason]}" if times[reason] > 1 and not self.verbose else ""
            lines.append(f"  {what}{reason.op}: {reason.why}{where}{repeated}")
        if many:
            lines.append(f"  {what}… and {len(shown) - _REASONS} more (verbose=True shows all)")
        return lines


def _counts(ops: Counter[str]) -> str:
    """`mul ×400, add ×300, …`, the most frequent first."""
    shown = [f"{op} ×{count}" for op, count in ops.most_common(_OPS)]
    return ", ".join(shown) + (", …" if len(ops) > _OPS else "")


def explain(
    fn: Callable[..., Any], *, config: JitConfig | None = None, verbose: bool = False
) -> Callable[..., Explanation]:
    """A function that compiles `fn` for its arguments, without running it, and returns an `Explanation`.

    `fn` may be a function, a module, or something that `jic.compile` returned. With `verbose` the report lists everything,
    however much it is.
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
        return Explanation(entry.signature, kernels, fallbacks, notes, entry.eager, verbose)

    return explained
