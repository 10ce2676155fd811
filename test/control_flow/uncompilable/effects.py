"""Loops that do more than compute: output, changes of objects, random numbers."""

from __future__ import annotations

import random
from typing import Any

import torch

from ._case import ANY, case, rows

LOG: list[Any] = []  # the outside world: emptied before each call, and compared after it
TOTAL = 0


@case(rows)
def prints(x):
    total = torch.zeros(3)
    for i in range(x.size(0)):
        print("step", i)  # here
        total = total + x[i]
    return total


@case(rows)
def prints_a_tensor(x):
    total = torch.zeros(3)
    for i in range(x.size(0)):
        total = total + x[i]
        print(total)  # here
    return total


@case(rows)
def builds_a_string(x):
    text = ""
    for i in range(x.size(0)):  # here
        text += str(i)
    return text, x + 1


@case(rows)
def appends_to_a_global(x):
    total = torch.zeros(3)
    for i in range(x.size(0)):
        LOG.append(i)  # here
        total = total + x[i]
    return total


@case(rows)
def appends_tensors_to_a_global(x):
    for row in x:
        LOG.append(row * 2)  # here
    return x.sum()


@case(rows, how=ANY)
def assigns_a_global(x):
    global TOTAL
    TOTAL = 0
    for i in range(x.size(0)):
        TOTAL += i
    return x + TOTAL


@case(rows, how=ANY)
def assigns_a_nonlocal(x):
    n = 0

    def count():
        nonlocal n
        n += 1

    for _ in range(x.size(0)):
        count()
    return x + n


@case(lambda: (*rows(), {"n": 0}))
def changes_a_dict_of_the_caller(x, seen):
    for i in range(x.size(0)):
        seen["n"] += 1  # here
        seen[i] = x[i] * 2
    return x.sum()


@case(lambda: (*rows(), [1]))
def appends_to_a_list_of_the_caller(x, outs):
    for i in range(x.size(0)):
        outs.append(x[i] * 2)  # here
    return x.sum()


@case(lambda: (*rows(), [torch.zeros(3)]))
def assigns_in_a_list_of_the_caller(x, state):
    for row in x:
        state[0] = state[0] + row  # here
    return x.sum()


class Box:
    def __init__(self) -> None:
        self.value = torch.zeros(3)
        self.steps = 0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Box) and torch.equal(self.value, other.value) and self.steps == other.steps

    __hash__ = None  # type: ignore[assignment]


@case(lambda: (*rows(), Box()))  # here
def changes_an_object_of_the_caller(x, box):
    for row in x:
        box.value = box.value + row
        box.steps += 1
    return x.sum()


@case(rows, how=ANY)
def random_numbers_of_python(x):
    random.seed(3)
    total = torch.zeros(3)
    for row in x:
        total = total + row * random.random()
    return total


@case(rows, how=ANY)
def random_numbers_of_torch(x):
    torch.random.manual_seed(3)
    total = torch.zeros(3)
    for row in x:
        total = total + row * torch.rand(3)
    return total
