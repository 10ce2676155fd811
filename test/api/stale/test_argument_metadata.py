"""What a signature does not say of an argument is not taken for granted: attached attributes, offsets, memory, history."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch

import jic

BASE = torch.arange(12.0)


def with_scale(x: torch.Tensor, scale: float) -> torch.Tensor:
    x.scale = scale  # type: ignore[attr-defined]
    return x


def with_default(x):
    return x * getattr(x, "scale", 2.0)


def caught(x):
    try:
        return x * x.scale
    except AttributeError:
        return x


# Each function with arguments of one signature that eager tells apart.
CASES: dict[str, tuple[Callable[..., Any], list[Callable[[], torch.Tensor]]]] = {
    "getattr": (with_default, [lambda: BASE * 1, lambda: with_scale(BASE * 1, 5.0), lambda: BASE * 1]),
    "hasattr": (
        lambda x: x * 3 if hasattr(x, "scale") else x,
        [lambda: BASE * 1, lambda: with_scale(BASE * 1, 5.0), lambda: BASE * 1],
    ),
    "except": (caught, [lambda: BASE * 1, lambda: with_scale(BASE * 1, 5.0), lambda: BASE * 1]),
    "storage_offset": (lambda x: x * (x.storage_offset() + 1), [lambda: BASE[:3], lambda: BASE[3:6]]),
    "offset of a view": (lambda x: x * (x[1:].storage_offset() + 1), [lambda: BASE[:3], lambda: BASE[3:6]]),
    "nbytes": (lambda x: x * x.untyped_storage().nbytes(), [lambda: BASE * 1, lambda: torch.ones(24)[:12]]),
    "_base": (lambda x: x * (2 if x._base is None else 3), [lambda: BASE * 1, lambda: BASE[:]]),
    "_version": (lambda x: x * (x._version + 1), [lambda: BASE * 1, lambda: (BASE * 1).add_(0)]),
    "is_leaf": (
        lambda x: x * (2 if x.is_leaf else 3),
        [lambda: (BASE * 1).requires_grad_(), lambda: (BASE * 1).requires_grad_() * 1],
    ),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("backwards", [False, True])
def test_is_as_in_eager(name: str, backwards: bool) -> None:
    function, arguments = CASES[name]
    compiled = jic.compile(function)
    for make in reversed(arguments) if backwards else arguments:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = compiled(make())
        torch.testing.assert_close(found, function(make()), rtol=0, atol=0)


def test_what_the_call_makes_is_known() -> None:
    def function(x):
        y = x * 2
        return y * (y[1:].storage_offset() + y.untyped_storage().nbytes()) if y._base is None else y

    x = torch.rand(5)
    torch.testing.assert_close(jic.compile(function, strict=True)(x), function(x))
