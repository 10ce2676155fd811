"""What has a gradient and what has none is as in eager: no_grad inside a function, numbers, derivatives by hand."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, is_grad_enabled

import jic

UNCACHED = jic.JitConfig(enable_caching=False)


class Rounded(torch.autograd.Function):
    """Rounds; its gradient is that of the identity."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return torch.round(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient


@torch.no_grad()
def without(x: Tensor) -> Tensor:
    return x * 3


def no_grad_part(x):
    with torch.no_grad():
        y = x * 2
    return y * x


def no_grad_function(x):
    return without(x) * x


def no_grad_whole(x):
    return without(x)


def no_grad_in_a_loop(x):
    for _ in range(5):
        with torch.no_grad():
            y = x * 2
        x = torch.sin(x) * y
    return x


def no_grad_around_a_loop(x):
    with torch.no_grad():
        h = x * 0
        for t in range(x.shape[0]):
            h = torch.tanh(h + x[t])
    for _ in range(4):
        x = x * h
    return x


def no_grad_around_a_loop_without_steps(x):
    with torch.no_grad():
        h = x
        for _ in range(0):
            h = h * 2
    return h * x


def no_grad_in_a_branch(x):
    if x.sum() > 0:
        with torch.no_grad():
            y = x + 1
    else:
        y = x
    return y * x


def no_grad_view(x):
    with torch.no_grad():
        a, b = x.split([1, 2])
        c = x[1]
    return torch.cat([a, b]) * x * c


def set_by_call(x):
    before = torch.is_grad_enabled()
    torch.set_grad_enabled(False)
    y = x * 2
    torch.set_grad_enabled(before)
    return y * x


def switched_on_inside(x):
    with torch.no_grad():
        with torch.enable_grad():
            y = x * 2
        z = x * 3
    return y * z


def buffer_made_inside(x):
    with torch.no_grad():
        buffer = torch.zeros(3)
        for t in range(3):
            buffer[t] = x[t] * 2
        buffer += x
        buffer.mul_(x)
    return buffer * x


def given_as_out(x):
    with torch.no_grad():
        buffer = torch.zeros(3)
        torch.mul(x, 2, out=buffer)
    return buffer * x


def mode_is_read_by_its_name(x):
    return x * x if is_grad_enabled() else x


def list_made_inside(x):
    with torch.no_grad():
        outs = []
        for t in range(3):
            outs.append(x[t] * 2)
        y = torch.stack(outs)
    return y * x


def mode_is_read(x):
    return x * x if torch.is_grad_enabled() else x


def input_is_asked(x):
    return x * 2 if x.requires_grad else x * 3


def detached(x):
    for _ in range(3):
        x = torch.sin(x) * x.detach()
    return x


def item(x):
    return x * x.sum().item()


def number_in_a_loop(x):
    s = float(x.sum())
    for _ in range(3):
        s = s * 0.5
    return x * s


def sum_of_numbers(x):
    total = 0.0
    for i in range(x.shape[0]):
        total += float(x[i])
    return x * total


def number_as_a_bound(x):
    return torch.clamp(x, min=x.mean().item())


def number_in_a_buffer(x):
    y = torch.zeros(3)
    for i in range(3):
        y[i] = x[i].item()
    return y * x


def number_in_a_tensor(x):
    return torch.tensor(x.sum().item()) * torch.full((3,), x[0].item()) * x


def number_in_a_while(x):
    n = 0
    while n < 3:
        n += 1
        x = x * x.max().item()
    return x


COMPILED = [
    no_grad_part, no_grad_function, no_grad_whole, no_grad_in_a_loop, no_grad_around_a_loop,
    no_grad_around_a_loop_without_steps, no_grad_in_a_branch, no_grad_view, set_by_call, switched_on_inside,
    buffer_made_inside, given_as_out, mode_is_read_by_its_name,
    list_made_inside, mode_is_read, input_is_asked, detached, item, number_in_a_loop, sum_of_numbers,
    number_as_a_bound, number_in_a_buffer, number_in_a_tensor, number_in_a_while,
]  # fmt: skip


def rounded(x):
    return Rounded.apply(x) * x


def rounded_in_a_loop(x):
    for _ in range(4):
        x = Rounded.apply(x * 0.7) + x
    return x


def written_outside_what_is_tracked(x):
    y = x * 2
    with torch.no_grad():
        y.mul_(3)
    return y * x


def inference_mode(x):
    with torch.inference_mode():
        y = x * 2
    return y.sum() * 1


def computed_is_asked(x):
    y = x * 2
    return y * 2 if y.requires_grad else y * 3


def grad_fn_is_asked(x):
    y = x * 2
    return y * 2 if y.grad_fn is not None else y * 3


def derivative_inside(x):
    with torch.enable_grad():
        (g,) = torch.autograd.grad((x * x).sum(), [x], create_graph=True)
    return g * x


EAGER = {
    rounded: "torch.autograd.Function",
    rounded_in_a_loop: "torch.autograd.Function",
    written_outside_what_is_tracked: "written to in place where gradients are switched off",
    inference_mode: "inference_mode",
    computed_is_asked: "requires_grad",
    grad_fn_is_asked: "grad_fn",
    derivative_inside: "does not require grad",
}


def outcome(call: Callable[[Tensor], Tensor], x: Tensor) -> tuple[Tensor, Tensor | None]:
    x = x.clone().requires_grad_()
    y = call(x)
    return y.detach(), torch.autograd.grad(y.sum(), [x])[0] if y.requires_grad else None


def compare(fn: Callable[[Tensor], Tensor]) -> Any:
    """Results and gradients of three calls on several inputs are eager's. Returns the compiled callable."""
    compiled = jic.compile(fn, config=UNCACHED)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for x in (torch.tensor([0.3, 0.8, 1.6]), torch.tensor([-1.2, 0.4, -0.1])):
            expected = outcome(fn, x)
            for _ in range(3):
                torch.testing.assert_close(outcome(compiled, x), expected)
    return compiled


@pytest.mark.parametrize("fn", COMPILED, ids=lambda f: f.__name__)
def test_compiled(fn: Callable[[Tensor], Tensor]) -> None:
    assert not any(entry.eager for entry in compare(fn).entries)


@pytest.mark.parametrize("fn", EAGER, ids=lambda f: f.__name__)
def test_run_eagerly(fn: Callable[[Tensor], Tensor]) -> None:
    compiled = compare(fn)
    (entry,) = compiled.entries
    assert entry.eager and EAGER[fn] in entry.reasons[-1].why


@pytest.mark.parametrize("fn", [rounded, written_outside_what_is_tracked, computed_is_asked, no_grad_part])
def test_without_gradients_all_is_compiled(fn: Callable[[Tensor], Tensor]) -> None:
    compiled = jic.compile(fn, config=UNCACHED)
    x = torch.tensor([0.3, 0.8, 1.6])
    with torch.no_grad():
        torch.testing.assert_close(compiled(x), fn(x))
        torch.testing.assert_close(compiled(x.requires_grad_()), fn(x))
    assert not any(entry.eager for entry in compiled.entries)


def test_the_mode_decides_where_nothing_needs_gradients() -> None:
    compiled = jic.compile(mode_is_read, config=UNCACHED)
    x = torch.tensor([0.3, 0.8, 1.6])
    with pytest.warns(UserWarning, match="is_grad_enabled"):
        torch.testing.assert_close(compiled(x), x * x)
    with torch.no_grad():
        torch.testing.assert_close(compiled(x), x)
    torch.testing.assert_close(compiled(x), x * x)


def test_torch_is_as_before() -> None:
    before = torch.is_grad_enabled, torch.autograd.Function.__dict__["apply"]
    for fn in (rounded, no_grad_part):
        compare(fn)
    assert (torch.is_grad_enabled, torch.autograd.Function.__dict__["apply"]) == before
    x = torch.tensor([0.3]).requires_grad_()
    Rounded.apply(x).backward()
    assert x.grad is not None and x.grad.item() == 1
