"""What one branch alone stores into an object, or makes: eager's state after each call."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch

import jic


class Cell:
    def __init__(self, value: Any) -> None:
        self.value, self.uses = value, 0


class Owner:
    cells: list[Cell]
    k: Any


STORE, TABLE = Owner(), dict[str, Any]()


def objects_of_a_branch(x):
    if x.sum() > 0:
        STORE.cells = [Cell(3), Cell(x)]
    return x * 2


def attribute_of_a_branch(x):
    if x.sum() > 0:
        STORE.k = x + 1
    return x * 2


def item_of_a_branch(x):
    if x.sum() > 0:
        TABLE["k"] = x + 1
    return x * 2


def object_of_both(x):
    cell = Cell(x) if x.sum() > 0 else Cell(x * 2)
    return cell.value


def state() -> list[Any]:
    found = [(k, v) for k, v in [*vars(STORE).items(), *TABLE.items()] if k != "cells"]
    found += [item for cell in vars(STORE).get("cells", ()) for item in vars(cell).items()]
    return [(k, v.tolist() if isinstance(v, torch.Tensor) else v) for k, v in found]


@pytest.mark.parametrize("function", [objects_of_a_branch, attribute_of_a_branch, item_of_a_branch, object_of_both])
def test_state_is_eagers(function: Callable[..., Any]) -> None:
    compiled = jic.compile(function)
    for x in (torch.rand(3), -torch.rand(3), torch.rand(3)):
        seen = []
        for call in (compiled, function):
            vars(STORE).clear()
            TABLE.clear()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                seen.append((call(x).tolist(), state()))
        assert seen[0] == seen[1]
