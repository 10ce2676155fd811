"""`jic.explain`: complete for small calls, readable for large ones."""

from __future__ import annotations

from dataclasses import replace

import torch

import jic
from jic.api.explain import Explanation, KernelInfo


def _long(x: torch.Tensor) -> torch.Tensor:
    for i in jic.unroll(range(300)):
        x = torch.sin(x) * (i + 1.5) + 0.25
    return x


def test_a_kernel_of_many_ops_is_counted() -> None:
    ops = tuple(["sin", "mul", "add"] * 300)
    kernel = KernelInfo("sin_mul_add", ops, "model.py:3", 12.0)
    report = Explanation("(float32[5])", (kernel,), (), (), False)
    text = str(report)
    assert len(text) < 1000 and max(map(len, text.splitlines())) < 200
    assert "900 ops: sin ×300, mul ×300, add ×300" in text and "first sin, mul" in text
    everything = str(replace(report, verbose=True))
    assert everything.count("sin,") == 300 and "first " not in everything


def test_many_kernels_are_counted() -> None:
    with torch.no_grad():
        report = jic.explain(_long, config=jic.JitConfig(fusion_strategy="none"))(torch.randn(5))
    text = str(report)
    assert len(report.kernels) > 100 and len(text.splitlines()) < 60
    assert "more kernels" in text and "sin ×300" in text


def test_many_equal_fallbacks_are_one_line() -> None:
    def sorts(x: torch.Tensor) -> torch.Tensor:
        for _ in jic.unroll(range(40)):
            x = torch.sort(x)[0] + 1
        return x

    with torch.no_grad():
        report = jic.explain(sorts)(torch.randn(5))
        everything = jic.explain(sorts, verbose=True)(torch.randn(5))
    assert len(report.fallbacks) == 40
    assert sum("sort" in line and "µs" not in line for line in str(report).splitlines()) == 1 and "×40" in str(report)
    assert str(everything).count("aten.sort") >= 40


def test_a_small_call_is_shown_whole() -> None:
    with torch.no_grad():
        text = str(jic.explain(lambda x: torch.relu(x) + 1)(torch.randn(5)))
    assert "1 kernels" in text and "add" in text and "×" not in text and "…" not in text
