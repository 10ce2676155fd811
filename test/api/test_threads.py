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
