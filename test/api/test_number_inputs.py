"""Numbers that change from call to call become inputs of the compiled code."""

from __future__ import annotations

import math
import random
import types
import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import pytest
import torch
from checking import assert_like

import jic
from jic.api import calls
from jic.api.build import build
from jic.frontend import Guard, InputSource, Number, trace
from jic.runtime import Dispatcher, Program


class Settings(NamedTuple):
    rate: float
    steps: int


def _numbers(compiled: Any) -> list[set[int]]:
    return [set(entry.numbers) for entry in compiled.entries]


def test_the_third_value_makes_an_input() -> None:
    compiled = jic.compile(lambda x, rate: x * rate + 1)
    x = torch.randn(7)
    for rate in (0.1, 0.2, 0.3, 0.4, -0.0, math.inf, math.nan, 1e300, 1e-40):
        assert_like(compiled(x, rate), x * rate + 1)
    assert _numbers(compiled) == [set(), set(), {1}] and compiled.misses == 3
    assert compiled.entries[-1].signature.startswith("(float32[7], float)")


@pytest.mark.parametrize(
    "wrap",
    [
        lambda rate, steps: ((rate, steps), {}),
        lambda rate, steps: (([rate, {"steps": steps}],), {}),
        lambda rate, steps: ((), {"settings": {"rate": rate, "more": (steps, None, "text")}}),
        lambda rate, steps: ((Settings(rate, steps),), {}),
    ],
    ids=["arguments", "list", "keywords", "named tuple"],
)
def test_numbers_in_containers(wrap: Callable[..., Any]) -> None:
    def f(x: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        from torch.utils import _pytree as pytree

        numbers = [v for v in pytree.tree_leaves((args, kwargs)) if not isinstance(v, str) and v is not None]
        return x * numbers[0] + numbers[1], numbers[1] * 2 - numbers[0], numbers[1]

    compiled = jic.compile(f)
    x = torch.randn(3, 4)
    for i in range(8):
        args, kwargs = wrap(i / 7, i)
        expected, found = f(x, *args, **kwargs), compiled(x, *args, **kwargs)
        assert_like(found[0], expected[0])
        assert found[1] == pytest.approx(expected[1], rel=1e-15) and type(found[1]) is type(expected[1])
        assert found[2] is expected[2]
    assert len(compiled.entries) == 3 and len(_numbers(compiled)[-1]) == 2


def test_ints_to_the_ends_of_64_bits() -> None:
    compiled = jic.compile(lambda x, n: (x + n, n, n + 1, n * 3, n // 7, n % 5, -n, n / 3, n > 4, n == 3))
    x = torch.zeros(3, dtype=torch.int64)
    values = [1, 2, 3, 0, -1, -7, 1 << 31, (1 << 53) - 1, 1 << 53, (1 << 53) + 1, 1 << 62, (1 << 63) - 1, -(1 << 63)]
    for n in values:
        expected, found = compiled.fn(x, n), compiled(x, n)
        assert torch.equal(found[0], expected[0])
        assert found[1:] == expected[1:] and list(map(type, found[1:])) == list(map(type, expected[1:])), n
    assert compiled(torch.zeros(3), True)[1] is True  # a bool is no int here


def test_huge_ints_stay_eager_or_constant() -> None:
    compiled = jic.compile(lambda x, n: (x * 2, n + 1))
    x = torch.randn(3)
    for n in (1, 2, 3, 1 << 70, -(1 << 100)):
        assert compiled(x, n)[1] == n + 1


@pytest.mark.parametrize(
    "f",
    [
        lambda x, n: x.reshape(n, -1).sum(0),
        lambda x, n: x[:n] * 2,
        lambda x, n: x * [1.0, 2.0, 3.0, 4.0, 5.0][n % 5] if n else x,
        lambda x, n: sum(x for _ in range(n)),
        lambda x, n: x + 1 if n > 2 else x - 1,
        lambda x, n: x * float(f"{n}.5"),
        lambda x, n: x * {1: 2.0}.get(n, 3.0),
        lambda x, n: torch.arange(n) + x.sum(),
    ],
    ids=["size", "slice", "list index", "trip count", "branch", "text", "key", "arange"],
)
def test_what_decides_stays_a_constant(f: Callable[..., Any]) -> None:
    compiled = jic.compile(f)
    x = torch.randn(12, dtype=torch.float64)
    for n in (1, 2, 3, 4, 6, 12):
        assert_like(compiled(x, n), f(x, n))
    assert not any(_numbers(compiled))


def test_code_without_source_sees_numbers() -> None:
    f = eval("lambda x, n: x * 2 + n if isinstance(n, float) else x * 3 - n")
    compiled = jic.compile(f)
    x = torch.randn(3)
    for n in (0.5, 1.5, 2.5, 3.5, 1, 2, 3, 4):
        assert_like(compiled(x, n), f(x, n))
    assert not any(_numbers(compiled))


def test_one_number_is_an_input_beside_one_that_is_not() -> None:
    compiled = jic.compile(lambda x, n, rate: x.reshape(n, -1).sum(0) * rate)
    x = torch.randn(12)
    for n in (1, 2, 3):
        for i in range(6):
            assert_like(compiled(x, n, i / 5), compiled.fn(x, n, i / 5))
    assert len(compiled.entries) <= 8 and _numbers(compiled)[-1] == {2}


def test_another_shape_takes_the_input_at_once() -> None:
    compiled = jic.compile(lambda x, rate: x * rate)
    for n in (3, 4, 5):
        for i in range(5):
            assert_like(compiled(torch.ones(n), i * 0.5), torch.ones(n) * i * 0.5)
    assert len(compiled.entries) == 5


def test_gradients() -> None:
    def f(w: torch.Tensor, rate: float, n: int) -> torch.Tensor:
        return (w * rate).sin().sum() * n

    compiled = jic.compile(f)
    for i in range(1, 7):
        w = torch.randn(5, dtype=torch.float64, requires_grad=True)
        (expected,) = torch.autograd.grad(f(w, i / 3, i), w)
        (found,) = torch.autograd.grad(compiled(w, i / 3, i), w)
        torch.testing.assert_close(found, expected)
    assert len(compiled.entries) == 3 and not any(e.eager for e in compiled.entries)


def test_an_optimizer_step() -> None:
    def adam(p: torch.Tensor, g: torch.Tensor, m: torch.Tensor, v: torch.Tensor, step: int, rate: float) -> None:
        m.mul_(0.9).add_(g, alpha=1 - 0.9)
        v.mul_(0.99).addcmul_(g, g, value=1 - 0.99)
        p.add_(m / (1 - 0.9**step) / ((v / (1 - 0.99**step)).sqrt() + 1e-8), alpha=-rate)

    compiled = jic.compile(adam)
    ours = [torch.randn(4, 5, dtype=torch.float64), *(torch.zeros(4, 5, dtype=torch.float64) for _ in range(2))]
    eager = [t.clone() for t in ours]
    for step in range(1, 12):
        g = torch.randn(4, 5, dtype=torch.float64)
        compiled(ours[0], g, ours[1], ours[2], step, 0.1 / step)
        adam(eager[0], g, eager[1], eager[2], step, 0.1 / step)
    for found, expected in zip(ours, eager, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-14)
    assert len(compiled.entries) == 3


_OPS: dict[str, Callable[[torch.Tensor, Any], Any]] = {
    "add": lambda x, n: x + n, "rsub": lambda x, n: n - x, "mul": lambda x, n: x * n, "div": lambda x, n: x / n,
    "rdiv": lambda x, n: n / x, "floor": lambda x, n: x // n, "mod": lambda x, n: x % n, "pow": lambda x, n: x**n,
    "rpow": lambda x, n: n**x, "gt": lambda x, n: x > n, "eq": lambda x, n: n == x, "clamp": lambda x, n: x.clamp(-1, n),
    "min": lambda x, n: x.clamp_min(n), "where": lambda x, n: torch.where(x > 0, x, n), "mul_": lambda x, n: x.clone().mul_(n),
    "masked_fill": lambda x, n: x.masked_fill(x > 0, n), "fill": lambda x, n: torch.full_like(x, n),
    "tensor": lambda x, n: torch.tensor(n) * x, "alpha": lambda x, n: torch.add(x, x, alpha=n),
    "addcmul": lambda x, n: torch.addcmul(x, x, x, value=n), "softmax": lambda x, n: torch.softmax(x / n, -1),
    "leaky": lambda x, n: torch.nn.functional.leaky_relu(x, n), "python": lambda x, n: x * (n * 2 - 1) / (n * n + 1),
    "math": lambda x, n: x * math.sqrt(abs(n)), "item": lambda x, n: x.flatten()[0] * n,
}  # fmt: skip
_DTYPES = (
    torch.float32,
    torch.float64,
    torch.bfloat16,
    torch.float16,
    torch.int64,
    torch.int32,
    torch.int8,
    torch.uint8,
)


@pytest.mark.parametrize("seed", range(12))
def test_random_ops_dtypes_and_values(seed: int) -> None:
    """A number input gives what the number gives: dtype, value, or exception."""
    choice = random.Random(seed)
    torch.manual_seed(seed)
    name, dtype = choice.choice(list(_OPS)), choice.choice(_DTYPES)
    f = _OPS[name]
    x = (torch.randn(choice.choice([(5,), (2, 3), ()])) * 3).to(dtype)
    ints = [2, 3, 5, -1, 0, 7, 200, -300, 70000, 1 << 40, (1 << 63) - 1]
    floats = [0.5, 0.25, 1.5, -2.0, 0.0, -0.0, math.inf, -math.inf, math.nan, 1e30, 3.7]
    compiled = jic.compile(f)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for number in choice.choice([ints, floats]):
            if not compiled.entries or compiled.entries[-1].numbers or len(compiled.entries) < 3:
                _same(f, compiled, x, number)


def _same(f: Callable[..., Any], compiled: Callable[..., Any], x: torch.Tensor, number: Any) -> None:
    try:
        expected = f(x, number)
    except (RuntimeError, ZeroDivisionError, OverflowError) as error:
        if x.dtype.is_floating_point or compiled.entries and compiled.entries[-1].numbers:  # type: ignore[attr-defined]
            with pytest.raises(type(error)):
                compiled(x, number)
        return
    tolerance = {torch.float32: 1e-5, torch.float64: 1e-12, torch.bfloat16: 2e-2, torch.float16: 4e-3}
    limit = tolerance.get(expected.dtype, 0.0)
    torch.testing.assert_close(compiled(x, number), expected, rtol=limit, atol=limit, equal_nan=True)


@pytest.mark.parametrize("kind", ["dict", "sequence", "cell"])
def test_a_captured_number_is_read_at_each_call(kind: Any) -> None:
    """As for an attribute, a global or a variable of an enclosing function: `InputSource` says where it lives."""
    x = torch.randn(5)
    traced = trace(lambda x, rate: (x * rate, rate), (x, 0.5), {}, {1: Number(float)})
    cell = types.CellType(0.5)
    container: Any = {"dict": {"rate": 0.5}, "sequence": [None, 0.5], "cell": cell}[kind]
    key = {"dict": "rate", "sequence": 1, "cell": None}[kind]
    guard = Guard(kind, container, None, {key: 0.5})
    source = InputSource("captured", "rate", guard=guard, key=key, number=Number(float))
    inputs = [source if s.number is not None else s for s in traced.inputs]
    traced = replace(traced, inputs=inputs, guards=[guard])
    program = Program(build(traced, jic.JitConfig(), None).artifact)
    dispatcher = Dispatcher(lambda args, kwargs: None)
    dispatcher.add(calls.variant_of(traced, calls.Request(lambda x: None, (x,), {}), program, None))

    def put(value: Any) -> None:
        if kind == "cell":
            cell.cell_contents = value
        else:
            container[key] = value

    for rate in (0.25, -3.0, math.inf):
        put(rate)
        found = dispatcher(x)
        assert_like(found[0], x * rate)
        assert found[1] is rate
    put(2)  # another type
    assert dispatcher(x) is None
    if kind != "cell":
        container.clear()
        assert dispatcher(x) is None
