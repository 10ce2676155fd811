"""Results that are one tensor or another, by what happened in nested loops and branches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

import jic


def exchanged_at_times(a, v, w):
    for i in range(3):
        if a < i:
            v, w = w, v
    return a, v, w


def exchanged_inside_and_after(a, v, w):
    for i in range(5):
        for _ in range(1, 8, 3):
            v, w = w, v
            v, w = w, v
        if a < i:
            v, w = w, v
    return a, v, w


def one_takes_the_other(a, v, w):
    n = 0
    while n < 3 and a < 8:
        if a < n:
            v, w = w, v
        elif v.sum() > 1:
            w = v
        n += 1
    return a, v, w


def three_in_turn(a, v, w):
    u = v + w
    for i in range(3):
        if a > i:
            u, v, w = v, w, u
        else:
            v, w = w, v
    return u, v, w


def nested_with_an_exit(a, v, w):
    u = v + w
    n = 0
    while n < 4:
        n += 1
        if a > n:
            u, v, w = v, w, u
            for j in range(3):
                if v.sum() > j:
                    v, u = u, v
        else:
            v, w = w, v
            if w.sum() > 0:
                break
    return u, v, w, u


PROGRAMS = (exchanged_at_times, exchanged_inside_and_after, one_takes_the_other, three_in_turn, nested_with_an_exit)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("a", [-5, 0, 1, 2, 3, 9])
def test_the_right_one_comes_out(program, a) -> None:
    compiled = jic.compile(program, config=jic.JitConfig(enable_caching=False), strict=True)
    eager = (torch.tensor(a), torch.randn(3), torch.randn(3))
    ours = tuple(t.clone() for t in eager)
    with torch.no_grad():
        expected = program(*eager)
        for _ in range(2):
            found = compiled(*ours)
            for x, y in zip(found, expected, strict=True):
                torch.testing.assert_close(x, y)
            assert [[x is t for t in (*ours, *found)] for x in found] == [
                [y is t for t in (*eager, *expected)] for y in expected
            ]


def stored_after_a_branch(a: torch.Tensor, v: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    if a > 100:
        a = a + 1
    v[1] = a
    v += 1
    return a, v


def stored_after_a_loop(a: torch.Tensor, v: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    while a > 5:
        a = a - 1
    v.select(0, 2).copy_(a)
    v.mul_(2)
    return a, v


@pytest.mark.parametrize("function", [stored_after_a_branch, stored_after_a_loop])
@pytest.mark.parametrize("dtype", [torch.int64, torch.float32, torch.float64])
def test_what_is_copied_into_a_tensor_is_not_that_tensor(function: Callable[..., Any], dtype: torch.dtype) -> None:
    compiled = jic.compile(function, strict=True)
    for start in (7, 200, 3):
        args, same = ((torch.tensor(start, dtype=dtype), torch.arange(3.0)) for _ in range(2))
        found, expected = compiled(*args), function(*same)
        for ours, eager in zip((*found, *args), (*expected, *same), strict=True):
            assert ours.dtype == eager.dtype and torch.equal(ours, eager)
        assert (found[0] is args[0]) == (expected[0] is same[0])
