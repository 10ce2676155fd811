"""Counters of enclosing functions: inside the compiled function they compile; one that outlives the call counts each call."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch

import jic


def counted(x: torch.Tensor) -> Any:
    n = 0

    def bump(by: int) -> int:
        nonlocal n
        n += by
        return n

    bump(2)
    y = x * bump(3)
    for _ in range(4):
        bump(1)
    return y + n, n


def summed(x: torch.Tensor) -> Any:
    total = x

    def add(y: torch.Tensor) -> None:
        nonlocal total
        total = total + y

    for i in range(5):
        add(x * i)
    return total


def counted_on_data(x: torch.Tensor) -> Any:
    count = 0

    def double(y: torch.Tensor) -> torch.Tensor:
        nonlocal count
        count += 1
        if y.sum() > 0:
            count += 10
        return y * 2

    return double(double(x)), count


def nested(x: torch.Tensor) -> Any:
    n = 0

    def outer() -> None:
        nonlocal n

        def inner() -> None:
            nonlocal n
            n += 1

        inner()
        inner()

    outer()
    return x + n


def by_comprehension(x: torch.Tensor) -> Any:
    n = 0

    def step(i: int) -> int:
        nonlocal n
        n = n + i
        return n

    return x + sum([step(i) for i in range(4)]), n


@pytest.mark.parametrize("f", [counted, summed, counted_on_data, nested, by_comprehension])
def test_inner_functions_change_variables(f: Callable[..., Any]) -> None:
    compiled = jic.compile(f)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(3):
            x = torch.randn(3, dtype=torch.float64)
            torch.testing.assert_close(compiled(x), f(x))
    assert [entry.eager for entry in compiled.entries] == [False]


def test_a_counter_that_outlives_the_call() -> None:
    n = 0

    def f(x: torch.Tensor) -> torch.Tensor:
        nonlocal n
        n += 1
        return x * n

    compiled = jic.compile(f)
    x = torch.ones(3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for call in range(1, 6):
            assert torch.equal(compiled(x), x * call) and n == call
