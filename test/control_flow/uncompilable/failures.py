"""Errors in a later iteration: eager's error, whatever was compiled."""

from __future__ import annotations

import torch

from ._case import ANY, case, rows, scalar


@case(rows, how=ANY)
def raises_later(x):
    for i in range(x.size(0)):
        if i == 3:
            raise KeyError(f"step {i}")
        x = x + 1
    return x


@case(rows, lambda: (torch.zeros(4, 3),), how=ANY)
def raises_where_the_data_say(x):
    for row in x:
        if row.sum() > 0:
            raise ValueError("positive")
    return x * 2


@case(rows, how=ANY)
def index_out_of_range(x):
    total = torch.zeros(3)
    for i in range(x.size(0)):
        total = total + x[i + 1]
    return total


@case(rows, how=ANY)
def negative_index_out_of_range(x):
    total = torch.zeros(3)
    for i in range(6):
        total = total + x[-1 - i]
    return total


@case(rows, how=ANY)
def write_out_of_range(x):
    out = torch.zeros(3)
    for i in range(x.size(0)):
        out[i] = x[i].sum()
    return out


@case(lambda: (torch.ones(4), torch.tensor(7)), lambda: (torch.ones(4), torch.tensor(2)), how=ANY)
def trips_of_a_tensor_out_of_range(x, n):
    total = torch.zeros(())
    for i in range(n):
        total = total + x[i]
    return total


@case(rows, how=ANY)
def shapes_do_not_match_later(x):
    total = torch.zeros(3)
    for i in range(x.size(0)):
        total = total + x[i, i:]
    return total


@case(rows, how=ANY)
def unbound_before_the_loop(x):
    for i in range(x.size(0)):
        if i > 0:
            x = x + y  # noqa: F821
        y = x  # noqa: F841
    return x


@case(lambda: (torch.ones(0, 3),), lambda: (torch.ones(2, 3),), how=ANY)
def variable_of_a_loop_without_trips(x):
    for row in x:
        y = row
    return y


@case(rows, how=ANY)
def attribute_that_is_missing(x):
    for row in x:
        x = x + row.no_such_method()
    return x


@case(lambda: (torch.ones(3), "3"), how=ANY)
def range_of_a_string(x, n):
    for _ in range(n):
        x = x + 1
    return x


@case(lambda: (torch.ones(3), torch.tensor(2.5)), how=ANY)
def range_of_a_float_tensor(x, n):
    for _ in range(n):
        x = x + 1
    return x


@case(scalar(2.0), how=ANY)
def iteration_over_a_scalar(x):
    for y in x:
        x = x + y
    return x
