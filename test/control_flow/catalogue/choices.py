"""`jic.unroll` and `jic.range`: the user chooses how a loop is compiled; without a compiler they are `iter` and `range`."""

from __future__ import annotations

import torch

import jic

from ._program import floats, of, program


@program(of((3,)), unrolled=True)
def unrolled_range(x):
    for i in jic.unroll(range(6)):
        x = torch.sin(x) + i
    return x


@program(of((6, 3)), of((1, 3)), of((0, 3)), unrolled=True)
def unrolled_rows(x):
    h = torch.zeros(3)
    for row in jic.unroll(x):
        h = h * 0.5 + row
    return h


@program(lambda: (floats(3), 4), lambda: (floats(3), 0), loops=1)
def kept_range(x, n):
    for i in jic.range(n):
        x = torch.sin(x) + i
    return x


@program(of((3,)), loops=1)
def kept_although_short(x):
    for _ in jic.range(2):
        x = torch.sin(x)
    return x


@program(of((12, 3)), loops=1)
def kept_range_with_step(x):
    total = torch.zeros(3)
    for i in jic.range(10, 1, -3):
        total = total * 0.5 + x[i]
    return total


@program(of((12, 3)), loops=1)
def unrolled_in_kept(x):
    total = torch.zeros(3)
    for i in jic.range(10):
        for j in jic.unroll(range(3)):
            total = total * 0.5 + x[i + j]
    return total
