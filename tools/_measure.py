"""Comparing results and timing calls, for `jic run` and `jic bench`."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import Any

import torch
from torch.utils import _pytree as pytree

# Relative and absolute: a fused kernel sums in another order than eager does.
TOLERANCE = {
    torch.float64: 1e-8, torch.float32: 1e-4, torch.float16: 1e-2, torch.bfloat16: 4e-2,
}  # fmt: skip


def difference(actual: Any, expected: Any) -> tuple[float, str]:
    """The greatest absolute difference between two results, and what is wrong with `actual` (empty if they agree).

    Floats agree within a tolerance by dtype, everything else exactly; a NaN or an infinity must be one in both.
    """
    got, actual_spec = pytree.tree_flatten(actual)
    want, expected_spec = pytree.tree_flatten(expected)
    if actual_spec != expected_spec:
        return float("nan"), "the results' structures differ"
    worst, wrong = 0.0, ""
    for a, b in zip(got, want, strict=True):
        if not (isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor)):
            wrong = wrong or ("" if type(a) is type(b) and (a == b or a != a) else f"got {a!r}, expected {b!r}")
            continue
        if a.shape != b.shape or a.dtype != b.dtype:
            wrong = wrong or f"got {a.dtype} {list(a.shape)}, expected {b.dtype} {list(b.shape)}"
            continue
        delta = (a.detach().double() - b.detach().double()).abs()
        finite = delta[delta.isfinite()]
        worst = max(worst, finite.max().item() if finite.numel() else 0.0)
        tolerance = TOLERANCE.get(b.dtype, 0.0)
        if not torch.allclose(a.detach(), b.detach(), rtol=tolerance, atol=tolerance, equal_nan=True):
            wrong = wrong or f"a result of dtype {b.dtype} differs by more than {tolerance:g}"
    return worst, wrong


def times(calls: dict[str, Callable[[], Any]], seconds: float) -> dict[str, tuple[float, float]]:
    """Least and median seconds a call, by name, from rounds in which the calls take turns.

    Args:
        seconds: time to spend on each; at least three rounds are run.
    """
    counts = {name: _count(call) for name, call in calls.items()}
    samples: dict[str, list[float]] = {name: [] for name in calls}
    end = time.perf_counter() + seconds * len(calls)
    while time.perf_counter() < end or len(next(iter(samples.values()))) < 3:
        for name, call in calls.items():
            start = time.perf_counter()
            for _ in range(counts[name]):
                call()
            samples[name].append((time.perf_counter() - start) / counts[name])
    return {name: (min(s), median(s)) for name, s in samples.items()}


def _count(call: Callable[[], Any], least: float = 2e-3) -> int:
    """How many calls take at least `least` seconds; finding out warms up as well."""
    call()
    count = 1
    while True:
        start = time.perf_counter()
        for _ in range(count):
            call()
        if time.perf_counter() - start >= least or count >= 1 << 16:
            return count
        count *= 2


def show(seconds: float) -> str:
    """A duration with its unit: `12.3 µs`."""
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}" if seconds / size < 1000 else f"{seconds / size:.0f} {unit}"
    return f"{seconds * 1e6:.3g} µs"
