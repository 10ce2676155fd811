"""Numbers at their limits."""

from __future__ import annotations

import torch

from ._case import ANY, case, scalar


@case(lambda: (torch.ones(3), 100), how=ANY)
def python_int_grows_past_64_bits(x, n):
    k = 1
    for _ in range(n):
        k = k * 3
    return x, k


@case(scalar(70.0), how=ANY)
def python_int_grows_past_64_bits_in_a_while(x):
    k = 1
    while x > 0:
        k = k * 2
        x = x - 1
    return k


@case(lambda: (torch.tensor(2**62),), how=ANY)
def tensor_int_wraps(x):
    for _ in range(40):
        x = x * 3
    return x


@case(lambda: (torch.ones(3), 5), how=ANY)
def python_division_by_zero(x, n):
    for i in range(n):
        x = x + 1 / (3 - i)
    return x


@case(lambda: (torch.arange(4), torch.tensor([2, 1, 0])), how=ANY)
def tensor_division_by_zero(x, divisors):
    for d in divisors:
        x = x // d
    return x


@case(lambda: (torch.ones(3), 5), how=ANY)
def python_power(x, n):
    k = 2
    for i in range(n):
        k = k**2
        x = x * (0.5**i) + (-2) ** i
    return x, k
