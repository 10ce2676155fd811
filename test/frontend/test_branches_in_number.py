"""Many branches on data, exits, appends in branches and exchanged buffers: right, and no more of the trace than statements."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch

import jic
from jic.frontend import trace

UNCACHED = jic.JitConfig(enable_caching=False)


class Layers(torch.nn.Module):
    def __init__(self, steps: int, width: int = 5) -> None:
        super().__init__()
        torch.manual_seed(steps)
        self.layers = torch.nn.ModuleList(torch.nn.Linear(width, width) for _ in range(steps))


class Exits(Layers):
    def forward(self, x):
        for layer in self.layers:
            x = torch.tanh(layer(x))
            if x.abs().max() < 0.3:
                return x
        return x * 2


class ExitsInPlace(Layers):
    def forward(self, x):
        for layer in self.layers:
            x = layer(x).mul_(0.9)
            x += 0.01
            if x.abs().max() < 0.3:
                return x, 1
            x.clamp_(-1, 1)
        return x, 2


class Skips(Layers):
    def forward(self, x):
        for layer in self.layers:
            if x.mean() > 0:
                x = torch.relu(layer(x))
        return x


class Breaks(Layers):
    """`first` has no value before, `x` another shape in each step, and `k` is a Python number."""

    def forward(self, x):
        k = 0
        for i, layer in enumerate(self.layers):
            first = layer(x)
            k += 1
            if first.max() > 0.8:
                break
            second = first * 2
            if second.min() < -1.5:
                continue
            x = x + second - first + k
            if i % 3 == 2 and x.mean() > 4:
                break
        else:
            k = -k
        return x, first, k


class Chains(Layers):
    def forward(self, x):
        for layer in self.layers:
            m = x.mean()
            if m > 0.5:
                x = x - layer(x)
            elif m > 0.2:
                x = x * 0.5
            elif m > 0:
                return x
            elif m > -0.5:
                x = x + layer(x).abs()
            else:
                x = -x
        return x


class Helpers(Layers):
    def part(self, layer, x, scale):
        if x.mean() > 0:
            return layer(x) * scale
        if x.max() > 0.5:
            return x * scale
        return x + 1

    def forward(self, x):
        for i, layer in enumerate(self.layers):
            x = self.part(layer, x, 0.5 + i / 10)
            if x.sum() > 30:
                return -x
        return x


class WhileExits(Layers):
    def forward(self, x):
        i = 0
        while i < len(self.layers):
            x = torch.sin(self.layers[i](x))
            i += 1
            if x.max() < 0.2:
                return x
            if x.min() > -0.1:
                break
        return x + i


class Pairs(Layers):
    """Tuples, and numbers, appended in branches of a loop that is unrolled; a dict too."""

    def forward(self, x):
        pairs, numbers, found = [], [], {}
        for i, layer in enumerate(self.layers):
            y = layer(x)
            if y.mean() > 0:
                pairs.append((y, -y))
                numbers.append(i)
                found[i] = y
            else:
                pairs.append((-y, y * 2))
                numbers.append(2 * i)
                found[i] = x
        return pairs, torch.tensor(numbers), found


class Counts(Layers):
    """Items of a list are replaced in branches."""

    def forward(self, x):
        out = [x for _ in self.layers]
        for i, layer in enumerate(self.layers):
            if layer(x).sum() > 0:
                out[i] = layer(x)
            elif i > 1:
                out[i - 1] = out[0]
        return torch.stack(out)


MODULES = (Exits, ExitsInPlace, Skips, Breaks, Chains, Helpers, WhileExits, Pairs, Counts)


def inputs() -> list[torch.Tensor]:
    return [
        torch.randn(3, 5) * scale + shift
        for scale, shift in ((1, 0), (0.1, 0), (1, 0.7), (1, -0.7), (3, 0), (0.5, 0.1))
    ]


@pytest.mark.parametrize("steps", [2, 9])
@pytest.mark.parametrize("kind", MODULES, ids=lambda k: k.__name__)
def test_unrolled_branches_are_right(kind: type[Layers], steps: int) -> None:
    module = kind(steps)
    compiled = jic.compile(module, config=UNCACHED, strict=True)
    with torch.no_grad():
        for x in inputs():
            torch.testing.assert_close(compiled(x.clone()), module(x.clone()), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", MODULES, ids=lambda k: k.__name__)
def test_the_graph_grows_with_the_steps(kind: type[Layers]) -> None:
    sizes = []
    with torch.no_grad():
        for steps in (8, 16, 32):
            sizes.append(len(trace(kind(steps), (torch.rand(3, 5),)).graph_module.graph.nodes))
    a, b, c = sizes
    assert c - b <= 2.2 * (b - a), sizes


def test_the_work_grows_with_the_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is written to the journal, and what is asked about memory, of exits with appends in both branches."""
    from jic.frontend.control import context, identity, journal

    class Everything(Layers):
        def forward(self, x):
            out = []
            for layer in self.layers:
                y = layer(x)
                if y.mean() > 0:
                    out.append(y)
                    x = torch.relu(x)
                else:
                    out.append(-y)
                x = x + 0.1
            return torch.stack(out), x

    count = {"journal": 0, "calls": 0, "links": 0}

    def counting(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            count[name] += 1
            return function(*args, **kwargs)

        return run

    monkeypatch.setattr(journal.Journal, "write", counting("journal", journal.Journal.write))
    monkeypatch.setattr(context.Context, "count_call", counting("calls", context.Context.count_call))
    monkeypatch.setattr(identity.Identities, "_link", counting("links", identity.Identities._link))
    found = []
    for steps in (8, 16, 32):
        count.update(dict.fromkeys(count, 0))
        with torch.no_grad():
            trace(Everything(steps), (torch.rand(3, 5),))
        found.append(dict(count))
    a, b, c = found
    for name in count:
        assert c[name] - b[name] <= 2.2 * (b[name] - a[name]), (name, found)


def test_more_than_a_hundred_exits_do_not_nest() -> None:
    module = Exits(120)
    with torch.no_grad():
        graph = trace(module, (torch.rand(3, 5),)).graph_module.graph
    depth = deepest = 0
    for node in graph.nodes:
        depth += {"if_begin": 1, "if_end": -1}.get(
            str(node.target).split(".")[1] if "jic" in str(node.target) else "", 0
        )
        deepest = max(deepest, depth)
    assert deepest <= 3


def test_gradients_of_early_exits() -> None:
    module = Exits(5)
    compiled = jic.compile(module, config=UNCACHED)
    for x in inputs():
        x = x.clone().requires_grad_()
        y = x.detach().clone().requires_grad_()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ours = torch.autograd.grad(compiled(x).sum(), [x, *module.parameters()], allow_unused=True)
        expected = torch.autograd.grad(module(y).sum(), [y, *module.parameters()], allow_unused=True)
        for a, b in zip(ours, expected, strict=True):
            b = torch.zeros_like(a) if b is None and a is not None else b
            torch.testing.assert_close(a if a is not None else torch.zeros_like(b), b, rtol=1e-4, atol=1e-5)


def test_many_tensors_are_written_to_in_one_branch() -> None:
    def function(x, *others):
        if x.sum() > 0:
            for i, other in enumerate(others):
                other += x * i
        return x + 1

    compiled = jic.compile(function, config=UNCACHED, strict=True)
    for x in (torch.rand(3), -torch.rand(3)):
        ours = [torch.rand(3) for _ in range(40)]
        eager = [t.clone() for t in ours]
        compiled(x, *ours)
        function(x, *eager)
        torch.testing.assert_close(ours, eager)


def test_writes_in_branches_that_nest_are_found_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from jic.frontend.control import context

    def function(x, out):
        if x[0] > 0:
            x = x + 1
            if x[1] > 1:
                x = x + 1
                if x[2] > 2:
                    x = x + 1
                    if x[3] > 3:
                        x = x + 1
                        if x[4] > 4:
                            out[0] = 1.0
        return x

    calls = 0

    def count_call(self: Any) -> None:
        nonlocal calls
        calls += 1

    monkeypatch.setattr(context.Context, "count_call", count_call)
    with torch.no_grad():
        trace(function, (torch.rand(5), torch.rand(5)))
    assert calls < 200
    monkeypatch.undo()
    compiled = jic.compile(function, config=UNCACHED, strict=True)
    for x in (torch.ones(5), torch.zeros(5), torch.tensor([1.0, 1.0, 1.0, 0.0, 0.0])):
        a, b = torch.zeros(5), torch.zeros(5)
        torch.testing.assert_close(compiled(x, a), function(x, b))
        torch.testing.assert_close(a, b)


def test_a_branch_hands_on_what_it_wrote_to() -> None:
    def function(u, v):
        if u.sum() > 0:
            u[0] = 5.0
            w = u
        else:
            v[1:] += 1
            w = v
        return w + 0, u + 0, v + 0

    compiled = jic.compile(function, config=UNCACHED, strict=True)
    for sign in (1, -1):
        u, v = torch.rand(4) * sign, torch.rand(4)
        a, b = [u.clone(), v.clone()], [u.clone(), v.clone()]
        torch.testing.assert_close(compiled(*a), function(*b))
        torch.testing.assert_close(a, b)


def test_tensors_that_branches_left_as_one_are_not_written_to_apart() -> None:
    """`a` and `b` may be one tensor after the branch: a write to one is seen through the other."""

    def function(x, c):
        if c.sum() > 0:
            a = b = x + 1
        else:
            a, b = x + 2, x + 3
        a += 1
        return b

    compiled = jic.compile(function, config=UNCACHED)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for sign in (1.0, -1.0):
            x, c = torch.rand(3), torch.tensor([sign])
            torch.testing.assert_close(compiled(x, c), function(x, c))
