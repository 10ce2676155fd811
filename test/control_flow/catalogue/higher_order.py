"""PyTorch's control flow operators."""

from __future__ import annotations

import torch
from torch._higher_order_ops.associative_scan import associative_scan
from torch._higher_order_ops.map import map as map_rows
from torch._higher_order_ops.scan import scan
from torch._higher_order_ops.while_loop import while_loop

from ._program import floats, given, number, of, program


@program(given([1.0, 2.0]), given([-1.0, -2.0]), branches=1)
def cond(x):
    return torch.cond(x.sum() > 0, lambda x: x.sin() + 1, lambda x: x.cos() - 1, (x,))


@program(lambda: (number(6), floats(3)), lambda: (number(0), floats(3)), loops=1)
def while_loop_with_a_counter(n, x):
    return while_loop(lambda i, y: i > 0, lambda i, y: (i - 1, torch.tanh(y) + 1), (n, x))


@program(of((9, 3)), of((1, 3)), loops=1)
def scan_of_sums(x):
    return scan(lambda h, row: (torch.tanh(h + row), h * 2 + row), torch.zeros(3), x)


@program(of((9, 3), (3,)), loops=1)
def map_with_a_capture(x, w):
    return map_rows(lambda row, w: torch.tanh(row * w), x, w)


@program(of((9, 3)), of((1, 3)), compiled=False)
def associative_scan_of_products(x):
    return associative_scan(lambda a, b: a * b, x, dim=0, combine_mode="generic")
