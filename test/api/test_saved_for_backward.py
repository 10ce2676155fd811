"""What a forward saves for its compiled backward: the gradients are eager's, and nothing that was saved is computed again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import jic
from jic.api import gradients
from jic.frontend import trace
from jic.frontend.control import structured
from jic.frontend.control.backward import backward_graph
from jic.frontend.control.partition import Parts, partition

UNCACHED = jic.JitConfig(enable_caching=False)
WIDTH = 40  # products that are this long are saved


def random(*shape: int) -> Tensor:
    return torch.randn(shape, dtype=torch.float64)


def grads(fn: Callable[..., Any], args: tuple[Tensor, ...], weights: list[Tensor] | None = None) -> tuple[Any, Any]:
    """The results, and the gradients of all arguments and parameters for weighted sums of the results."""
    leaves = [a.clone().requires_grad_(a.is_floating_point()) for a in args]
    found = fn(*leaves)
    results = list(found) if isinstance(found, tuple) else [found]
    torch.manual_seed(1)
    loss = sum(((r * torch.randn(r.shape, dtype=r.dtype)).sum() for r in results if r.requires_grad), torch.zeros(()))
    module = getattr(fn, "module", fn)
    parameters = list(module.parameters()) if isinstance(module, nn.Module) else []
    wanted = [x for x in (*leaves, *parameters) if x.requires_grad]
    return [r.detach() for r in results], torch.autograd.grad(loss, wanted, allow_unused=True)


def agrees(fn: Callable[..., Any], *args: Tensor, config: jic.JitConfig = UNCACHED) -> Any:
    """Three calls: the first recomputes, the others save. Returns the compiled callable."""
    compiled = jic.compile(fn, config=config)
    expected = grads(fn, args)
    for _ in range(3):
        torch.testing.assert_close(grads(compiled, args), expected)
    return compiled


def parts_of(fn: Callable[..., Any], *args: Tensor, k: int = 0) -> Parts:
    traced = trace(fn, args)
    needed = [args[s.index].is_floating_point() for s in traced.inputs]
    joint, present = backward_graph(traced.graph_module, needed, k, joint=True)
    return partition(joint, len(needed), sum(present))


def products(graph: Any) -> int:
    targets = (torch.ops.aten.mm.default, torch.ops.aten.addmm.default)
    return sum(n.target in targets for n in graph.graph.nodes)


def recurrent(x: Tensor, h: Tensor, w: Tensor, u: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    outs = []
    for t in range(x.shape[1]):
        h = torch.tanh(F.linear(x[:, t], w, b) + h @ u)
        outs.append(h)
    return torch.stack(outs, 1), h


def recurrent_arguments() -> tuple[Tensor, ...]:
    return random(3, 5, WIDTH), random(3, WIDTH), random(WIDTH, WIDTH) / 6, random(WIDTH, WIDTH) / 6, random(WIDTH)


def test_parts_give_results_and_gradients() -> None:
    args = recurrent_arguments()
    parts = parts_of(recurrent, *args)
    found = structured.run(parts.forward, args)
    results, saved = found[:2], found[2:]
    torch.testing.assert_close(tuple(results), recurrent(*args))
    assert len(saved) == parts.saved > 0
    leaves = [a.clone().requires_grad_() for a in args]
    weights = [random(*r.shape) for r in results]
    expected = torch.autograd.grad(recurrent(*leaves), leaves, weights)
    ours = structured.run(parts.backward, [*args, *weights, *saved])
    torch.testing.assert_close(tuple(ours), expected)


def test_products_are_not_computed_again() -> None:
    args = recurrent_arguments()
    saving, checkpointed = parts_of(recurrent, *args), parts_of(recurrent, *args, k=2)
    # a step's two forward; backward one for each operand of both
    assert (products(saving.forward), products(saving.backward)) == (2, 4)
    assert products(checkpointed.backward) > 4


def test_short_products_are_recomputed() -> None:
    args = random(2, 4, 3), random(2, 3), random(3, 3), random(3, 3), random(3)
    assert parts_of(recurrent, *args).saved < parts_of(recurrent, *recurrent_arguments()).saved
    agrees(recurrent, *args)


@pytest.mark.parametrize("k", [0, 1, 3])
def test_a_recurrence(k: int) -> None:
    config = jic.JitConfig(enable_caching=False, checkpoint_steps=k)
    agrees(recurrent, *recurrent_arguments(), config=config)


@pytest.mark.parametrize("kind", [nn.RNN, nn.GRU, nn.LSTM])
@pytest.mark.parametrize("batch_first", [False, True])
def test_recurrent_modules(kind: type, batch_first: bool) -> None:
    module = kind(33, WIDTH, num_layers=2, batch_first=batch_first, bidirectional=True).double()

    class Flat(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = module

        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            y, state = self.inner(x)
            return y, state[0] + state[1] if isinstance(state, tuple) else state

    agrees(Flat(), random(3, 7, 33))


def test_products_under_branches_and_in_inner_loops() -> None:
    def fn(x: Tensor, h: Tensor, w: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
        total = h.sum()
        for t in range(x.shape[0]):
            h = torch.tanh(x[t] + h @ w)
            if h.sum() > 0:
                h = torch.sin(h @ u)
            for _ in range(2):
                h = torch.tanh(h @ u + h)
            total = total + (h @ w).mean()
        return h, total

    for _ in range(3):
        agrees(fn, random(4, 3, WIDTH), random(3, WIDTH), random(WIDTH, WIDTH) / 6, random(WIDTH, WIDTH) / 6)


def test_batched_products() -> None:
    def fn(x: Tensor, h: Tensor, w: Tensor) -> Tensor:
        for t in range(3):
            h = torch.baddbmm(x[t], h, w).tanh() + torch.bmm(h, w).sin()
        return h

    agrees(fn, random(3, 2, 3, WIDTH), random(2, 3, WIDTH), random(2, WIDTH, WIDTH) / 6)


def test_work_before_and_after_a_loop() -> None:
    def fn(x: Tensor, w: Tensor, v: Tensor) -> Tensor:
        gates = F.layer_norm(torch.relu(x @ w), (WIDTH,)).exp()
        h = gates[0]
        for t in range(gates.shape[0]):
            h = torch.tanh(gates[t] * h + v)
        return torch.log_softmax(h @ w, -1) * gates.mean()

    agrees(fn, random(4, 3, WIDTH), random(WIDTH, WIDTH) / 6, random(WIDTH))


def test_results_may_be_written_to_before_the_backward() -> None:
    def fn(x: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
        y = x @ w
        h = y[0] * 0
        for t in range(4):
            h = torch.tanh(h * y[t])
        return y, h

    compiled = jic.compile(fn, config=UNCACHED)
    found = []
    for call in (compiled, compiled, compiled, lambda x, w: tuple(r * 1 for r in fn(x, w))):
        torch.manual_seed(0)
        x, w = random(4, WIDTH).requires_grad_(), random(WIDTH, WIDTH).requires_grad_()
        y, h = call(x, w)
        y += 1
        h *= 2
        found.append(torch.autograd.grad((y * y).sum() + h.sum(), [x, w]))
    for ours in found[:3]:
        torch.testing.assert_close(ours, found[3])


def test_a_graph_may_be_gone_through_twice() -> None:
    args = recurrent_arguments()
    compiled = agrees(recurrent, *args)
    leaves = [a.clone().requires_grad_() for a in args]
    y, _ = compiled(*leaves)
    first = torch.autograd.grad(y.sum(), leaves, retain_graph=True)
    torch.testing.assert_close(torch.autograd.grad(y.sum(), leaves), first)


def test_a_changed_input_is_noticed() -> None:
    args = recurrent_arguments()
    compiled = agrees(recurrent, *args)
    leaves = [a.clone().requires_grad_() for a in args]
    y, _ = compiled(*leaves)
    with torch.no_grad():
        leaves[2].add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_the_saving_forward_gives_up_where_the_plain_one_does() -> None:
    def fn(x: Tensor, at: Tensor) -> Tensor:
        h = x[0]
        for t in range(3):
            h = torch.tanh(h + x[int(at[t])])
        return h

    compiled = jic.compile(fn, config=UNCACHED)
    for index in ([0, 1, 2], [2, 0, 1]):
        torch.testing.assert_close(
            grads(compiled, (random(3, 4) * 0 + 1, torch.tensor(index))),
            grads(fn, (random(3, 4) * 0 + 1, torch.tensor(index))),
        )
    for call in (fn, compiled):
        with pytest.raises(IndexError):
            call(random(3, 4).requires_grad_(), torch.tensor([0, 1, 3]))


def test_what_needs_gradients_decides_what_is_saved() -> None:
    compiled = jic.compile(recurrent, config=UNCACHED)
    args = recurrent_arguments()
    for needs in ([True] * 5, [False, True, False, False, False], [False, False, False, True, True], [True] * 5):
        found = []
        for call in (compiled, recurrent):
            leaves = [a.clone().requires_grad_(n) for a, n in zip(args, needs, strict=True)]
            y, _ = call(*leaves)
            found.append(torch.autograd.grad(y.square().sum(), [x for x in leaves if x.requires_grad]))
        torch.testing.assert_close(*found)


def test_a_forward_alone_saves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = jic.compile(recurrent, config=UNCACHED)
    leaves = [a.requires_grad_() for a in recurrent_arguments()]
    monkeypatch.setattr(gradients, "partition", None)  # would fail
    for _ in range(2):
        compiled(*leaves)
