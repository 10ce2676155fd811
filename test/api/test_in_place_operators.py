"""Python's in-place operators on tensors compile: variables, arguments, parts of tensors, attributes."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import jic

_BITS = ("&=", "|=", "^=")
_ARITHMETIC = ("+=", "-=", "*=", "//=", "%=", "**=")
_PLACES = {
    "variable": "x = x.clone()\n    x {op} y\n    return x",
    "argument": "x {op} y\n    return x + x",
    "part": "x = x.clone()\n    x[1:3] {op} y[1:3]\n    return x",
    "row": "x = x.clone()\n    x[0] {op} y[0]\n    return x",
    "part of an argument": "x[::2] {op} y[::2]\n    return x.sum()",
    "attribute": "box = Box()\n    box.value = x.clone()\n    box.value {op} y\n    return box.value",
    "loop": "x = x.clone()\n    for k in range(3):\n        x {op} y\n    return x",
    "number": "x = x.clone()\n    x {op} 2\n    return x",
}


class Box:
    value: Any = None


def _function(op: str, place: str, folder: Path) -> Callable[..., Any]:
    source = f"def f(x, y):\n    {_PLACES[place].format(op=op)}\n"
    path = folder / f"{abs(hash((op, place)))}.py"
    path.write_text(source)
    names: dict[str, Any] = {"Box": Box}
    exec(compile(source, str(path), "exec"), names)
    return names["f"]


def _cases() -> Iterator[Any]:
    for place in _PLACES:
        for op in (*_BITS, "<<=", ">>="):
            yield pytest.param(op, place, torch.int64, id=f"{op} {place} int")
        if place != "number":
            yield from (pytest.param(op, place, torch.bool, id=f"{op} {place} bool") for op in _BITS)
        yield from (pytest.param(op, place, torch.int32, id=f"{op} {place} int32") for op in _ARITHMETIC)
        yield from (pytest.param(op, place, torch.float64, id=f"{op} {place} float") for op in (*_ARITHMETIC, "/="))


def _inputs(dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
    if dtype == torch.bool:
        return torch.rand(7, 3) > 0.5, torch.rand(7, 3) > 0.5
    x, y = torch.randint(1, 9, (7, 3)), torch.randint(1, 4, (7, 3))
    return x.to(dtype), y.to(dtype)


@pytest.mark.parametrize(("op", "place", "dtype"), list(_cases()))
def test_in_place_operator(op: str, place: str, dtype: torch.dtype, tmp_path: Path) -> None:
    f = _function(op, place, tmp_path)
    x, y = _inputs(dtype)
    expected_x, found_x = x.clone(), x.clone()
    expected = f(expected_x, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = jic.compile(f)(found_x, y)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(found_x, expected_x)


def test_a_matrix_product_makes_a_new_tensor() -> None:
    def f(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        x @= y
        return x

    x, y = torch.randn(3, 3, dtype=torch.float64), torch.randn(3, 3, dtype=torch.float64)
    before = x.clone()
    compiled = jic.compile(f)
    torch.testing.assert_close(compiled(x, y), before @ y)
    assert torch.equal(x, before) and not compiled.entries[0].eager


@pytest.mark.parametrize("value", [0.5, torch.tensor([0.5])], ids=["number", "tensor"])
def test_a_result_that_the_target_cannot_hold_raises(value: Any) -> None:
    def f(x: torch.Tensor, value: Any) -> torch.Tensor:
        return x.clone().mul_(value)

    with pytest.raises(RuntimeError, match="can't be cast"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        jic.compile(f)(torch.arange(4), value)


class Counts(torch.nn.Module):
    """Buffers that in-place operators change, one of them through a property that counts its assignments."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros(2))
        self.held, self.assigned = torch.zeros(2), 0

    @property
    def watched(self) -> torch.Tensor:
        return self.held

    @watched.setter
    def watched(self, value: torch.Tensor) -> None:
        self.held = value
        self.assigned += 1

    def plain(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += x
        self.calls *= 2
        return self.calls + x

    def setter(self, x: torch.Tensor) -> torch.Tensor:
        self.watched += x
        return self.watched * 2


def test_what_an_in_place_operator_leaves_in_its_place_is_no_effect() -> None:
    module, expected = Counts(), Counts()
    compiled = jic.compile(module.plain, config=jic.JitConfig(on_effect="error"), strict=True)
    calls = module.calls
    with torch.no_grad():
        for _ in range(3):
            assert torch.equal(compiled(x := torch.randn(2)), expected.plain(x))
    assert module.calls is calls and torch.equal(calls, expected.calls)
    module.calls = torch.ones(2)
    expected.calls = torch.ones(2)
    assert torch.equal(compiled(x), expected.plain(x)) and torch.equal(module.calls, expected.calls)


def test_a_setter_is_called_for_what_an_in_place_operator_leaves_in_its_place() -> None:
    module, expected = Counts(), Counts()
    compiled = jic.compile(module.setter)
    with torch.no_grad():
        for _ in range(3):
            assert torch.equal(compiled(x := torch.randn(2)), expected.setter(x))
    assert module.assigned == expected.assigned == 3 and torch.equal(module.held, expected.held)
