"""Conditions that leave the tensors, and values whose shape or dtype changes from one step to the next."""

from __future__ import annotations

import math

import torch

from ._case import ANY, EAGER, FALLS_BACK, case, rows, scalar


@case(scalar(1.0), scalar(2.0), how=ANY)
def item_in_a_set(x):
    if x.item() in {1.0, 3.0}:  # here
        return x * 2
    return x * 3


@case(scalar(1.0), scalar(-2.0), how=EAGER)
def condition_on_text(x):
    if str(x.item()).startswith("-"):  # here
        return x * 2
    return x * 3


@case(scalar(2.0), scalar(4.0), how=ANY)
def condition_of_math(x):
    if math.log2(x.item()) > 1.5:  # here
        return x * 2
    return x * 3


@case(rows, how=EAGER)
def condition_on_a_list(x):
    if sum(x[0].tolist()) > 0:  # here
        return x * 2
    return x * 3


@case(rows, how=EAGER)
def condition_on_an_array(x):
    if x.numpy()[0, 0] > 0:  # here
        return x * 2
    return x * 3


@case(rows, how=FALLS_BACK)
def shape_grows_in_a_for(x):
    y = x[:1]
    for i in range(x.size(0)):  # here
        y = torch.cat([y, x[i : i + 1]])
    return y


@case(rows, how=EAGER)
def shape_grows_in_a_while(x):
    y = x[:1]
    while y.abs().sum() < 30:  # here
        y = torch.cat([y, y * 1.5])
    return y


@case(rows, how=FALLS_BACK)
def slice_grows_with_the_variable(x):
    total = torch.zeros(3)
    for i in range(x.size(0)):  # here
        total = total + x[: i + 1].mean(0)
    return total


@case(rows, how=FALLS_BACK)
def shape_of_the_variable(x):
    total = torch.zeros(())
    for i in range(x.size(0)):  # here
        total = total + torch.ones(i).sum() * x[i, 0]
    return total


@case(lambda: (torch.arange(4), 5), lambda: (torch.arange(4), 0), how=ANY)
def dtype_changes_once(x, n):
    for _ in range(n):
        x = x * 0.5 + 1
    return x


@case(scalar(3), scalar(0), how=ANY)
def dtype_changes_in_a_while(x):
    while x < 10:
        x = x + 1.5
    return x
