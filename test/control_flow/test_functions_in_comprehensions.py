"""Functions made in comprehensions: which variables they see, and when."""
# ruff: noqa: B023  (that is the point)

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator

import pytest
import torch

import jic


@pytest.fixture(autouse=True)
def nothing_falls_back() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="jic")
        yield


def called_at_once(x: torch.Tensor) -> list[torch.Tensor]:
    return [(lambda y: y * s)(x) for s in (2.0, 3.0)]


def called_later(x: torch.Tensor) -> list[torch.Tensor]:
    """All see the last value."""
    functions = [lambda y: y * s + t for s, t in ((2.0, 1.0), (3.0, 4.0))]
    return [f(x) for f in functions]


def same_name_outside(x: torch.Tensor) -> list[torch.Tensor]:
    s = 5.0

    def outer() -> torch.Tensor:
        return x * s

    inner = [(lambda: x + s)() for s in (1.0, 2.0)]
    return [outer(), *inner, x - s]


def nested(x: torch.Tensor) -> list[torch.Tensor]:
    rows = [[(lambda y: y * a + b) for a in (2.0, 3.0)] for b in (10.0, 20.0)]
    return [f(x) for row in rows for f in row]


def in_condition(x: torch.Tensor) -> list[torch.Tensor]:
    return [x * n for n in range(6) if (lambda k: k * n % 2 == 0)(3)]


def defaults_keep_values(x: torch.Tensor) -> list[torch.Tensor]:
    return [f(x) for f in [lambda y, s=s: y * s for s in (2.0, 3.0)]]


def in_other_displays(x: torch.Tensor) -> list[torch.Tensor]:
    table = {k: (lambda y: y + k)(x) for k in (1, 2)}
    return [*table.values(), torch.stack(list((lambda y: y * k)(x) for k in (3.0, 4.0)))]


def over_rows(x: torch.Tensor) -> list[torch.Tensor]:
    """One loop: its variable changes at run time."""
    return [torch.stack([(lambda y: y + row.sum())(x) for row in x])]


CASES = (
    called_at_once, called_later, same_name_outside, nested, in_condition, defaults_keep_values, in_other_displays, over_rows,
)  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_as_in_eager(case: Callable[[torch.Tensor], list[torch.Tensor]]) -> None:
    x = torch.randn(7, 3)
    compiled = jic.compile(case)
    for found, wanted in zip(compiled(x), case(x), strict=True):
        torch.testing.assert_close(found, wanted)
    assert [entry.eager for entry in compiled.entries] == [False]
    assert not any("as it is" in reason.why for reason in compiled.entries[0].reasons)  # it is interpreted
