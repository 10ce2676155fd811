"""What a compilation may take: beyond it the call is eager, with one warning that names the line."""

from __future__ import annotations

import time
import warnings

import pytest
import torch

import jic
from jic import budget
from jic.errors import BudgetError, ConfigError


def config(**values) -> jic.JitConfig:
    return jic.JitConfig(enable_caching=False, **values)


def by_items_of_a_dict(steps: int):
    def function(x):
        found = {}
        for i in range(steps):
            x = x * 0.9 + 0.1
            found[i] = x
        return found[steps - 1]

    return function


def messages(function, *args, times: int = 2) -> list[str]:
    expected = (function.fn if hasattr(function, "fn") else function)(*args)
    with warnings.catch_warnings(record=True) as caught, torch.no_grad():
        warnings.simplefilter("always")
        for _ in range(times):
            torch.testing.assert_close(function(*args), expected)
    return [str(w.message) for w in caught]


def test_too_many_calls_run_eagerly() -> None:
    function = by_items_of_a_dict(100)
    compiled = jic.compile(function, config=config(max_trace_ops=50))
    (message,) = messages(compiled, torch.rand(3))
    line = function.__code__.co_firstlineno + 2
    assert "max_trace_ops" in message and f"test_budget.py:{line}" in message
    assert "more than 50 calls" in message and "a dict is assigned" in message
    assert compiled.stats()["signatures"][0]["eager"]


def test_an_exception_handler_of_the_users_does_not_see_it() -> None:
    def function(x):
        try:
            for _ in jic.unroll(range(100)):
                x = x + 1
        except Exception:
            x = x * 0
        return x

    compiled = jic.compile(function, config=config(max_trace_ops=50))
    (message,) = messages(compiled, torch.rand(3))
    assert "JIC011" in message


def test_too_long_runs_eagerly() -> None:
    compiled = jic.compile(by_items_of_a_dict(60), config=config(max_compile_seconds=1e-9))
    (message,) = messages(compiled, torch.rand(3))
    assert "max_compile_seconds" in message and "test_budget.py" in message


def test_passes_and_code_generation_ask_too(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(budget, "check", lambda during, location="": asked.append(during))
    jic.compile(torch.nn.Linear(3, 3), config=config())(torch.rand(2, 3))
    assert any(a.startswith("the pass jic-") for a in asked)
    assert {"lowering kernels", "lowering to LLVM", "LLVM's passes", "emitting code"} <= set(asked)


@pytest.mark.parametrize("stage", ["the pass jic-form-kernels", "lowering kernels", "emitting code"])
def test_it_may_run_out_at_any_of_them(stage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def check(during: str, location: str = "") -> None:
        if during == stage:
            raise BudgetError("compiling takes longer", location=location)

    monkeypatch.setattr(budget, "check", check)
    compiled = jic.compile(lambda x: x.sin() + 1, config=config())
    (message,) = messages(compiled, torch.rand(3))
    assert "takes longer" in message


def test_a_limit_belongs_to_what_is_inside() -> None:
    budget.check("nothing")
    with budget.limited(60):
        budget.check("something")
        with budget.limited(1e-9), pytest.raises(BudgetError, match="at the end"):
            time.sleep(0.001)
            budget.check("the end")
        budget.check("something")
        with budget.limited(1e9):
            budget.check("something")
    budget.check("nothing")


def test_a_loop_that_makes_much_of_a_trace_is_told_of_once() -> None:
    function = by_items_of_a_dict(200)
    compiled = jic.compile(function, config=config())
    (message,) = messages(compiled, torch.rand(2))
    line = function.__code__.co_firstlineno + 2
    assert "was unrolled" in message and f"test_budget.py:{line}" in message and "a dict" in message
    assert messages(compiled, torch.rand(5)) == []  # another signature of the same function
    assert messages(jic.compile(by_items_of_a_dict(20), config=config()), torch.rand(2)) == []


@pytest.mark.parametrize("name", ["max_trace_ops", "max_compile_seconds"])
@pytest.mark.parametrize("value", [0, -1, True, "1", None])
def test_wrong_values_are_refused(name: str, value: object) -> None:
    with pytest.raises(ConfigError, match=name):
        jic.JitConfig(**{name: value})
