"""Statements and functions of Python that a loop's body may hold."""

from __future__ import annotations

import contextlib
import importlib
import math

import torch

from ._case import ANY, EAGER, FALLS_BACK, case, rows, scalar
from .effects import LOG


@case(rows)
def try_in_the_body(x):
    total = torch.zeros(3)
    for i in range(6):
        try:  # here
            total = total + x[i]
        except IndexError:
            total = total - 1
    return total


@case(rows, how=ANY)
def finally_in_the_body(x):
    total = torch.zeros(3)
    for i in range(x.size(0)):
        try:
            total = total + x[i]
            if i == 2:
                return total
        finally:
            total = total * 2
            LOG.append("finally")
    return total


@case(rows, how=ANY)
def with_in_the_body(x):
    total = torch.zeros(3)
    for row in x:
        with contextlib.nullcontext(row * 2) as doubled:
            total = total + doubled
    return total


@contextlib.contextmanager
def logged():
    LOG.append("in")
    yield 2.0
    LOG.append("out")


@case(rows)
def with_a_side_effect(x):
    total = torch.zeros(3)
    for row in x:
        with logged() as scale:  # here
            total = total + row * scale
    return total


@case(lambda: (*rows(), "add"), lambda: (*rows(), ["mul", 2]), how=ANY)
def match_statement(x, how):
    for row in x:
        match how:
            case "add":
                x = x + row
            case ["mul", n]:
                x = x * n
    return x


@case(rows, how=ANY)
def class_in_the_body(x):
    total = torch.zeros(3)
    for row in x:

        class Scale:
            by = 2.0

        total = total + row * Scale.by
    return total


@case(rows, how=ANY)
def function_in_the_body(x):
    total = torch.zeros(3)
    for i in range(x.size(0)):

        def add(y, i=i):
            return y + x[i]

        total = add(total)
    return total


@case(rows, how=ANY)
def closures_see_the_last_value(x):
    functions = []
    for i in range(x.size(0)):
        functions.append(lambda: x[i])  # noqa: B023  (that is the point)
    return torch.stack([f() for f in functions])


@case(rows, how=ANY)
def import_in_the_body(x):
    total = torch.zeros(3)
    for row in x:
        import math as m

        total = total + row * m.pi
    return total


@case(rows, how=ANY)
def import_by_name(x):
    for name in ("sin", "cos"):
        x = getattr(importlib.import_module("torch"), name)(x)
    return x


def every_other(x):
    for i in range(0, x.size(0), 2):
        yield x[i]


@case(rows, how=FALLS_BACK)
def generator_as_the_sequence(x):
    total = torch.zeros(3)
    for row in every_other(x):  # here
        total = total + row
    return total


def while_positive(x):
    while x.sum() > 0:
        yield x
        x = x - 1


@case(lambda: (torch.ones(3) * 3,), how=FALLS_BACK)
def generator_on_data(x):
    total = torch.zeros(3)
    for y in while_positive(x):  # here
        total = total + y
    return total


@case(scalar(9.0), scalar(0.5), how=EAGER)
def recursion_on_data(x):
    if x < 1:
        return x
    return recursion_on_data(x / 2) + 1  # here


@case(rows, how=ANY)
def del_in_the_body(x):
    total = torch.zeros(3)
    for row in x:
        y = row * 2
        total = total + y
        del y
    return total


@case(rows, how=ANY)
def reads_locals(x):
    total = torch.zeros(3)
    for row in x:
        total = total + row * len(locals())
    return total


@case(rows, how=ANY)
def asks_for_the_type(x):
    total = torch.zeros(3)
    for i in range(x.size(0)):
        if isinstance(i, int) and type(total) is torch.Tensor:
            total = total + x[i] * isinstance(i, bool) + 1
    return total


@case(rows, how=ANY)
def python_math_of_the_variable(x):
    total = torch.zeros(3)
    for i in range(x.size(0)):
        total = total + x[i] * math.sin(i) + round(i / 3) + divmod(i, 3)[1]
    return total


@case(rows, how=ANY)
def text_of_the_variable(x):
    return {f"row{i}": x[i] for i in range(x.size(0))}
