"""Gradients through compiled calls equal eager's."""

from __future__ import annotations

import warnings

import pytest
import torch
import torch.nn.functional as F
from checking import assert_like
from torch import nn

import jic


def test_gradients_of_arguments_and_parameters() -> None:
    net = nn.Sequential(nn.Linear(7, 16), nn.GELU(), nn.LayerNorm(16), nn.Linear(16, 3))
    compiled = jic.compile(net)
    x = torch.randn(5, 7, requires_grad=True)
    eager = torch.autograd.grad(net(x).square().sum(), [x, *net.parameters()])
    ours = torch.autograd.grad(compiled(x).square().sum(), [x, *net.parameters()])
    assert_like(ours, eager, factor=20)


def test_training_steps_follow_eager() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))
    other = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))
    other.load_state_dict(net.state_dict())
    compiled = jic.compile(net)
    x, y = torch.randn(32, 4), torch.randn(32, 1)
    for module, call in ((net, compiled), (other, other)):
        optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
        for _ in range(5):
            optimizer.zero_grad()
            F.mse_loss(call(x), y).backward()
            optimizer.step()
    assert_like(dict(net.named_parameters()), dict(other.named_parameters()), factor=20)


def test_several_results_some_not_differentiable() -> None:
    compiled = jic.compile(lambda x: (x.exp(), x.argmax(), x, x.t()))
    x = torch.randn(3, 4, requires_grad=True)
    a, index, same, transposed = compiled(x)
    assert same is x and not index.requires_grad
    (gradient,) = torch.autograd.grad(a.sum() + transposed.sum(), [x])
    assert_like(gradient.detach(), (x.exp() + 1).detach())


def test_no_gradients_where_none_are_wanted() -> None:
    compiled = jic.compile(nn.Linear(3, 3))
    with torch.no_grad():
        assert not compiled(torch.randn(2, 3)).requires_grad
    assert compiled(torch.randn(2, 3)).requires_grad
    with torch.inference_mode():
        assert not compiled(torch.randn(2, 3)).requires_grad


def test_random_and_mutating_calls_with_gradients_run_eagerly() -> None:
    net = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5)).train()
    compiled = jic.compile(net)
    x = torch.randn(3, 4)
    with pytest.warns(UserWarning, match="eagerly"):
        compiled(x)
    torch.manual_seed(1)
    expected = torch.autograd.grad(net(x).sum(), list(net.parameters()))
    torch.manual_seed(1)
    assert_like(torch.autograd.grad(compiled(x).sum(), list(net.parameters())), expected)


def test_second_derivatives_are_refused() -> None:
    compiled = jic.compile(lambda x: x**3)
    x = torch.randn(3, requires_grad=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        (first,) = torch.autograd.grad(compiled(x).sum(), [x], create_graph=True)
        with pytest.raises(RuntimeError):
            first.sum().backward()
