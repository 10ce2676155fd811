"""Lists and dicts that have several names, or come out of branches and loops: writes through one name are seen in the others."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch

import jic

KEPT = [torch.ones(4)]


def picked(x):
    v, w = [x], [x]
    u = v if x.sum() > 0 else w
    u[0] = u[0] * 2
    return v[0], w[0]


def picked_unlike(x):
    v, w = [x], [x + 1]
    if x.sum() > 0:
        u = v
    else:
        u = w
    u.append(x)
    return len(v), len(w)


def two_names(x):
    if x.sum() > 0:
        v = [x + 1]
        w = v
    else:
        v = [x + 2]
        w = v
    v[0] = v[0] * 2
    return w[0]


def two_names_or_one(x):
    if x.sum() > 0:
        v = [x + 1]
        w = v
    else:
        v = [x + 2]
        w = [v[0]]
    return v, w


def two_names_of_a_loop(x):
    for i in range(3):
        v = [x + i]
        w = v
    return v, w


def replaced(x):
    v = {"a": x}
    w = v
    if x.sum() > 0:
        v = {"a": x * 3}
    v["b"] = x * 2
    return w["a"], len(w)


def replaced_in_a_loop(x):
    v = [x]
    w = v
    for _ in range(3):
        v = [v[0] + 1]
    v[0] = v[0] * 2
    return w[0], v[0]


def perhaps_never_replaced(x):
    v = [x]
    w = v
    while v[0].sum() < 5:
        v = [v[0] + 1]
    v.append(x)
    return len(w), v[0]


def changed_then_replaced(x):
    v = [x]
    w = v
    for _ in range(3):
        v[0] = v[0] + 1
        v = [v[0] * 2]
    return w[0], v[0]


def exchanged(x):
    v, w = [x], [x]
    for i in range(3):
        v, w = w, v
        v[0] = v[0] + i
    v[0] = v[0] * 2
    return w[0], v[0]


def inside(x):
    v = [x]
    w = [v]
    for i in range(3):
        v[0] = v[0] + i
    v[0] = v[0] * 2
    return w[0][0]


def appended(x):
    out = []
    for i in range(3):
        s = [x + i]
        out.append(s)
        s[0] = s[0] * 2
    return out, s


def read_twice(x):
    out = []
    for i in range(3):
        out.append([x + i])
    a = out[1]
    a[0] = a[0] * 5
    return out[1][0], a


def holds_what_was_there(x):
    for _ in range(3):
        v = [KEPT, x]
    return v, v, v[0] is KEPT


def arguments(x):
    def choose(a, b):
        return a if x.sum() > 0 else b

    v, w = {"n": x}, {"n": x * 2}
    u = choose(v, w)
    return u is v, u["n"]


COMPILED = {"replaced_in_a_loop", "exchanged", "inside", "holds_what_was_there"}
PROGRAMS: list[Callable[..., Any]] = [
    picked, picked_unlike, two_names, two_names_or_one, two_names_of_a_loop, replaced, replaced_in_a_loop,
    perhaps_never_replaced, changed_then_replaced, exchanged, inside, appended, read_twice, holds_what_was_there, arguments,
]  # fmt: skip


def seen(result: Any) -> list[Any]:
    """The values of a result, and which of its containers are one object."""
    found: list[Any] = []
    numbers: dict[int, int] = {}

    def visit(value: Any) -> None:
        if isinstance(value, (list, dict, tuple)):
            found.append(numbers.setdefault(id(value), len(numbers)))
            for item in value.values() if isinstance(value, dict) else value:
                visit(item)
        else:
            found.append(value.tolist() if isinstance(value, torch.Tensor) else value)

    visit(result)
    return found


@pytest.mark.parametrize("function", PROGRAMS, ids=lambda f: f.__name__)
def test_as_eager(function: Callable[..., Any]) -> None:
    compiled = jic.compile(function, strict=function.__name__ in COMPILED)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for x in (torch.rand(4), -torch.rand(4), torch.rand(4) + 2):
            assert seen(compiled(x)) == seen(function(x))


def one_owner(x):
    if x.sum() > 0:
        v = [x + 1]
    else:
        v = [x + 2]
    v[0] = v[0] * 2
    v.append(x)
    return v


def state(x):
    s = {"h": x, "n": [x]}
    while s["h"].sum() < 9:
        s = {"h": s["h"] + 1, "n": [s["h"]]}
    s["h"] = s["h"] * 2
    return s


def states(x):
    out = []
    for i in range(3):
        out.append({"h": x + i, "parts": [x * i]})
    return out


@pytest.mark.parametrize("function", [one_owner, state, states], ids=lambda f: f.__name__)
def test_containers_with_one_owner_compile(function: Callable[..., Any]) -> None:
    compiled = jic.compile(function, strict=True)
    for x in (torch.rand(4), -torch.rand(4), torch.rand(4) + 3):
        assert seen(compiled(x)) == seen(function(x))


def there_before(x):
    n = 0
    while n < int(x.abs().sum() + 1):
        v = KEPT
        n += 1
    return v, v


def perhaps_there_before(x):
    v = None
    if x.sum() > 0:
        v = KEPT
    else:
        v = KEPT
    return v, [v]


@pytest.mark.parametrize("function", [there_before, perhaps_there_before], ids=lambda f: f.__name__)
def test_a_container_that_was_there_before_is_returned(function: Callable[..., Any]) -> None:
    compiled = jic.compile(function, strict=True)
    for x in (torch.rand(4), -torch.rand(4)):
        with torch.no_grad():
            found = compiled(x)
        assert found[0] is KEPT and (found[1] is KEPT or found[1][0] is KEPT)
