"""Functions are compiled and called from several threads at once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import torch

import jic


def program(step: float) -> Callable[[torch.Tensor], tuple[torch.Tensor, int]]:
    def grow(x: torch.Tensor) -> tuple[torch.Tensor, int]:
        count = 0
        while x.sum() < 100:
            x = x * 1.5 + step
            count += 1
        return x, count

    return grow


def test_functions_compile_at_the_same_time() -> None:
    found: dict[int, Any] = {}

    def run(number: int) -> None:
        function = program(number + 0.5)
        compiled = jic.compile(function, config=jic.JitConfig(enable_caching=False))
        x = torch.full((5,), 0.25 * number)
        found[number] = compiled(x), function(x), compiled.stats()["signatures"][0]["eager"]

    threads = [threading.Thread(target=run, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for (values, count), (expected, expected_count), eager in (found[number] for number in range(6)):
        assert not eager and count == expected_count
        torch.testing.assert_close(values, expected)


def test_backwards_compile_at_the_same_time() -> None:
    found: dict[int, Any] = {}

    def run(number: int) -> None:
        def function(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
            for _ in range(3 + number):
                x = torch.tanh(x @ w) + number
            return x

        compiled = jic.compile(function, config=jic.JitConfig(enable_caching=False))
        results = []
        for call in (compiled, compiled, function):
            x = torch.linspace(-1, 1, 4 * 33, dtype=torch.float64).reshape(4, 33).requires_grad_()
            w = torch.linspace(-0.2, 0.1, 33 * 33, dtype=torch.float64).reshape(33, 33).requires_grad_()
            results.append(torch.autograd.grad(call(x, w).square().sum(), [x, w]))
        found[number] = results, [r.why for e in compiled.entries for r in e.reasons]

    threads = [threading.Thread(target=run, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for results, reasons in (found[number] for number in range(4)):
        assert not reasons
        torch.testing.assert_close(results[0], results[2])
        torch.testing.assert_close(results[1], results[2])
