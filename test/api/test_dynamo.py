"""`torch.compile` around jic, and jic around `torch.compile`."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import nn

import jic

Step = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    torch._dynamo.reset()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
    torch._dynamo.reset()


def _net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 4))


def _step(net: Any, loss_of: Any, optimizer: torch.optim.Optimizer) -> Step:
    def step(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        optimizer.zero_grad()
        loss = loss_of(net(x), y)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step


def _loss(found: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    return (found - wanted).square().mean()


def _train(
    wrap: Callable[[Step], Step], optimizer: str, inner: str = ""
) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    net = _net()
    made = {
        "sgd": lambda p: torch.optim.SGD(p, 0.1, momentum=0.9),
        "adam": lambda p: torch.optim.AdamW(p, 1e-2),
    }[optimizer](net.parameters())
    module = jic.compile(net) if inner == "module" else net
    step = wrap(_step(module, jic.compile(_loss) if inner == "function" else _loss, made))
    torch.manual_seed(1)
    losses = [step(torch.randn(6, 8), torch.randn(6, 4)) for _ in range(5)]
    return losses, [p.detach() for p in net.parameters()]


@pytest.mark.parametrize(
    ("backend", "optimizer", "inner"),
    [
        ("jic", "sgd", ""),
        ("jic", "adam", ""),
        ("jic", "sgd", "module"),
        ("jic", "sgd", "function"),
        ("eager", "sgd", "module"),
    ]
    + [("aot_eager", "sgd", "function")],
)
def test_a_training_step(backend: str, optimizer: str, inner: str) -> None:
    expected = _train(lambda step: step, optimizer)
    found = _train(lambda step: torch.compile(step, backend=backend), optimizer, inner)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


def test_a_jic_module_is_compiled_by_jic_inside_torch_compile() -> None:
    net = _net()
    compiled = jic.compile(net)
    outer = torch.compile(lambda x: compiled(x) * 2, backend="eager")
    x = torch.randn(6, 8)
    for _ in range(2):
        torch.testing.assert_close(outer(x), net(x) * 2)
    assert [e.eager for e in compiled.compiled.entries] == [False]


def test_torch_compile_of_what_jic_compiled() -> None:
    net, x = _net(), torch.randn(6, 8)
    for compiled in (
        torch.compile(jic.compile(net), backend="jic"),
        torch.compile(jic.compile(net.forward), backend="jic"),
    ):
        for _ in range(2):
            torch.testing.assert_close(compiled(x), net(x))


def test_a_compiled_method_inside_torch_compile() -> None:
    class Owner:
        factor = 2.0

        @jic.compile
        def method(self, x: torch.Tensor) -> torch.Tensor:
            return x * self.factor

    owner, x = Owner(), torch.randn(5)
    outer = torch.compile(lambda x: owner.method(x) + 1, backend="jic")
    for _ in range(2):
        torch.testing.assert_close(outer(x), x * 2 + 1)


@pytest.mark.parametrize("kind", ["function", "module"])
def test_torch_compile_inside_jic(kind: str) -> None:
    net, x = _net(), torch.randn(6, 8)
    inner = torch.compile(net if kind == "module" else lambda x: net(x), backend="eager")
    outer = jic.compile(lambda x: inner(x) * 2)
    for _ in range(2):
        torch.testing.assert_close(outer(x), net(x) * 2)
    (outer(x).sum()).backward()
    assert net[0].weight.grad is not None and not any(e.eager for e in outer.entries)
