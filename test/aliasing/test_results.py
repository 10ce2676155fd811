"""What a compiled call's result shares: memory with other results and arguments, objects with arguments and with itself."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from outcomes import Outcome

import jic

UNCACHED = jic.JitConfig(enable_caching=False)
WEIGHT = torch.arange(12.0).reshape(3, 4)
HELD: list[Any] = [torch.ones(2), {"a": torch.zeros(3)}]


def tensors() -> list[Any]:
    return [torch.arange(12.0).reshape(3, 4) / 8, torch.ones(3, 4), torch.tensor(1.0)]


def agree(function: Callable[..., Any], make: Callable[[], list[Any]] = tensors, compiled: bool = True) -> None:
    """`function` compiled gives what eager gives, for two values of its last argument, and the caller's writes show alike."""
    ours = jic.compile(function, config=UNCACHED)
    for c in (1.0, -1.0):
        for kind in range(4):
            results = []
            for run in (function, ours):
                WEIGHT.copy_(torch.arange(12.0).reshape(3, 4))
                HELD[0].fill_(1)
                HELD[1]["a"].zero_()
                args = [*make()[:-1], torch.tensor(c)]
                with warnings.catch_warnings():
                    warnings.simplefilter("error" if compiled else "ignore")
                    results.append(Outcome(run, args, [WEIGHT, HELD], [(i, kind) for i in range(12)]))
            assert not (why := results[0].difference(results[1])), why


def views(x, y, c):
    a = x + 1
    v = a[0]
    return a, v, a[1:], v[::2], a.t(), a.view(-1), a


def parts_of_hidden_tensors(x, y, c):
    return (x + 1).chunk(2, -1), (x * 2)[:, 1], (y * 3).expand(2, 3, 4), (x - y).unbind(0)


def layouts(x, y, c):
    return (x + 1).t(), x.t() * 2, (x @ y.mT).t(), x.t().contiguous(), (x * 2).transpose(0, 1)[1:]


def arguments(x, y, c):
    x[0] += 1
    return y, x, x[1:], x.contiguous(), x.to(torch.float32), x.reshape(3, 4), x.detach(), WEIGHT, WEIGHT[0]


def argument_out_of_a_loop(x, y, c):
    for i in range(3):
        x[i] += 1
    return x


def branch(x, y, c):
    if c > 0:
        x = x * 2
    return x, y if c > 0 else x, x


def branch_of_locals(x, y, c):
    a, b = x + 1, y * 3
    first = a if c > 0 else b
    second = a if x.sum() > 0 else x
    return first, second, a


def zero_trips(x, y, c):
    h = previous = x
    for _ in range(int(c) + 1):
        previous = h
        h = torch.tanh(h)
    return previous, h


def while_loop(x, y, c):
    h = x
    while h.abs().max() < 5 * c:
        h = h * 2 + 1
    return h, x


def both_from_one_step(x, y, c):
    h = last = y
    for _ in range(3):
        h = torch.sin(h) + x
        last = h
    return h, last


def view_by_a_branch(x, y, c):
    return x[0] if c > 0 else x[1]


def view_of_what_a_branch_writes(x, y, c):
    if c > 0:
        x.tril_()
        v = x[:, 1]
    else:
        v = y[:, 1] * 2
    return v, x


def containers(x, y, c):
    made = [x + 1]
    pair = (made, y)
    return made, pair, {"again": made, "pair": pair}, [], HELD, HELD[1]


@pytest.mark.parametrize(
    "function",
    [
        views,
        parts_of_hidden_tensors,
        layouts,
        arguments,
        argument_out_of_a_loop,
        branch,
        branch_of_locals,
        zero_trips,
        while_loop,
        both_from_one_step,
        view_by_a_branch,
        view_of_what_a_branch_writes,
        containers,
    ],
)
def test_like_eager(function: Callable[..., Any]) -> None:
    agree(function)


def test_containers_of_the_arguments_are_returned() -> None:
    def function(items, table, c):
        return items, table, table["l"], items[0], [items, items]

    agree(function, lambda: [[torch.ones(3)], {"k": torch.ones(2), "l": (torch.zeros(1), [torch.ones(1)])}, c_of()])


def c_of() -> torch.Tensor:
    return torch.tensor(1.0)


@pytest.mark.parametrize(
    "change",
    [
        lambda t, u: t.unsqueeze_(0),
        lambda t, u: t.t_(),
        lambda t, u: t.squeeze_(),
        lambda t, u: t.transpose_(0, 1),
        lambda t, u: t.swapdims_(0, 1),
        lambda t, u: t.set_(u),
        lambda t, u: t.resize_(2, 2),
        lambda t, u: t.as_strided_((2, 2), (1, 2)),
        lambda t, u: torch.add(t, 1, out=u),
        lambda t, u: torch.sum(t, 0, out=u),
        lambda t, u: t.detach_(),
        lambda t, u: setattr(t, "data", u),
        lambda t, u: t.requires_grad_(True),
        lambda t, u: t.data.add_(1),
    ],
)
@pytest.mark.parametrize("where", ["argument", "captured", "local", "view"])
def test_changes_of_what_a_tensor_is(change: Callable[..., Any], where: str) -> None:
    def function(x, y, c):
        t = {"argument": x, "captured": WEIGHT, "local": x + 1, "view": x[:2]}[where]
        u = {"argument": y, "captured": y, "local": y * 2, "view": y}[where]
        change(t, u)
        return t, u, t * 2

    ours = jic.compile(function, config=UNCACHED)
    outcomes = []
    for run in (function, ours):
        global WEIGHT
        WEIGHT = torch.arange(12.0).reshape(3, 4)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            outcomes.append(Outcome(run, tensors(), [WEIGHT], [(0, 0), (2, 1), (3, 0)]))
    assert not (why := outcomes[0].difference(outcomes[1])), why


@pytest.mark.parametrize(
    "change",
    [
        lambda x: x.expand(2, 3, 4).add_(1),
        lambda x: x[1:].add_(x[:-1]),
        lambda x: x[1:].copy_(x[:-1]),
        lambda x: (x + 1).expand(2, 3, 4).mul_(2),
        lambda x: torch.add(x[1:], x[:-1], out=x[1:]),
    ],
)
def test_writes_to_what_is_also_read_raise(change: Callable[..., Any]) -> None:
    ours = jic.compile(lambda x: change(x), config=UNCACHED)
    for run in (change, ours):
        with pytest.raises(RuntimeError, match="single memory location"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            run(torch.arange(12.0).reshape(3, 4))


def test_arguments_that_overlap_raise() -> None:
    def function(x, y):
        x += y
        return x

    ours = jic.compile(function, config=UNCACHED)
    ours(torch.ones(3), torch.ones(3))
    memory = torch.arange(4.0)
    with pytest.raises(RuntimeError, match="single memory location"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ours(memory[1:], memory[:-1])
    assert torch.equal(ours(memory[:2], memory[2:]), torch.tensor([2.0, 4.0]))


def test_interleaved_writes_compile() -> None:
    def function(x, y, c):
        x[::2] += x[1::2].sum()
        x[:, :2] += x[:, 2:]
        return x

    agree(function)


def test_strides_of_channels_last() -> None:
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.BatchNorm2d(8), torch.nn.ReLU()).eval()
    x = torch.randn(2, 3, 9, 7).to(memory_format=torch.channels_last)
    functions: list[Callable[..., Any]] = [
        net,
        lambda x: torch.roll(x, 1, 0),
        lambda x: torch.nn.functional.pad(x, (1, 1)),
        lambda x: x.flip(2) + 1,
        lambda x: torch.roll(x, 1, 0).as_strided((20,), (3,), 1),
        lambda x: (x * 2).as_strided((5, 4), (2, 9), 3),
        lambda x: x.relu().permute(0, 2, 3, 1).view(-1),
        lambda x: x.mean(1),
        lambda x: x[:, 1:].clone(),
        lambda x: x[:, 1:] * 2,
        lambda x: x.double(),
        lambda x: torch.cat([x, x], 1),
    ]
    for function in functions:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected, found = function(x), jic.compile(function, config=UNCACHED)(x)
        assert found.stride() == expected.stride()
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_overlapping_writes_through_as_strided() -> None:
    def function(x, y, c):
        a = x * 2
        a.as_strided((3, 2), (2, 1), 1).add_(5)
        x.as_strided((2, 2), (3, 1)).copy_(y[:2, :2])
        return a, x, a.as_strided((4,), (3,))

    agree(function)


def test_gradients_through_shared_results() -> None:
    def function(x, w):
        a = torch.tanh(x @ w)
        return a, a[0], a.t(), a.detach(), (x * 2)[1:], x.view(-1), x.detach()

    compiled = jic.compile(function, config=UNCACHED)
    grads = []
    for run in (function, compiled):
        torch.manual_seed(0)
        x, w = torch.randn(3, 4, requires_grad=True), torch.randn(4, 5, requires_grad=True)
        results = run(x, w)
        assert [r.requires_grad for r in results] == [True, True, True, False, True, True, False]
        assert [r.is_leaf for r in results] == [False, False, False, True, False, False, True]
        assert len({r.untyped_storage()._cdata for r in results}) == 3
        sum((i + 1) * r.square().sum() for i, r in enumerate(results)).backward()
        grads.append((x.grad, w.grad))
    torch.testing.assert_close(grads[0], grads[1])


def test_a_write_after_a_graph_break_shows_in_the_base() -> None:
    def function(x):
        a = x + 1
        v = a[0]
        print(end="")
        v += 10
        return a, (x * 2)[:, 1].as_strided((2, 2), (4, 1))

    torch._dynamo.reset()
    x = torch.arange(12.0).reshape(3, 4)
    found, expected = torch.compile(function, backend="jic")(x), function(x)
    for ours, eager in zip(found, expected, strict=True):
        assert torch.equal(ours, eager)


def test_other_aliases_between_the_same_kinds_of_arguments() -> None:
    """A result belongs to the argument that it comes from, also where arguments shared memory when the call was compiled."""

    def function(x, y):
        return y[0], x[1:], y

    compiled = jic.compile(function, config=UNCACHED)
    memory = torch.arange(24.0)
    for x, y in ((memory[:12].view(3, 4), memory[4:16].view(3, 4)), (torch.ones(3, 4), torch.zeros(3, 4))):
        for ours, eager in zip(compiled(x, y), function(x, y), strict=True):
            assert ours.data_ptr() == eager.data_ptr() and torch.equal(ours, eager)


@pytest.mark.parametrize("same", ["g.type_as(x)", "g.contiguous()", "g.to(x.dtype)", "g.positive()", "g.flatten(0, 0)"])
@pytest.mark.parametrize("write", ["torch.add(g, 1, out=v)", "torch.mul(x, 3, out=v)", "v.add_(g)", "v[1:] *= 2"])
def test_writes_to_what_an_op_returns_unchanged(same: str, write: str) -> None:
    space: dict[str, Any] = {"torch": torch}
    exec(f"def function(x, g):\n    g[0] = 5\n    v = {same}\n    {write}\n    return v\n", space)
    compiled = jic.compile(space["function"])
    x, g = torch.rand(3, 4), torch.rand(3, 4)
    h = g.clone()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = compiled(x, g)
    assert torch.equal(found, space["function"](x, h)) and torch.equal(g, h) and found is g


def transposed_in_a_loop(x):
    for i in range(3):
        a = x * i
        v = a.t()
    return a, v[1:]


def rows_by_a_branch(x):
    if x.sum() > 0:
        a = x * 2
        v = a[0]
    else:
        a = x * 3
        v = a[1]
    return a, v


def overlapping_by_a_branch(x):
    v = x * 2
    if x.sum() > 0:
        v = (x * 3).unfold(0, 2, 1)[0].t()
    return v, x.sum()


def expanded_in_a_loop(x):
    for i in range(3):
        v = (x[0, 0] * i).expand(3, 2)
    return v, v


@pytest.mark.parametrize("function", [overlapping_by_a_branch, expanded_in_a_loop])
def test_results_of_a_region_that_show_elements_more_than_once(function: Callable[..., Any]) -> None:
    compiled = jic.compile(function)
    x = torch.rand(2, 2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found, expected = compiled(x)[0], function(x)[0]
    assert torch.equal(found, expected) and found.stride() == expected.stride()


@pytest.mark.parametrize("function", [transposed_in_a_loop, rows_by_a_branch])
def test_results_of_a_region_that_share_memory(function: Callable[..., Any]) -> None:
    compiled = jic.compile(function)
    for x in (torch.rand(3, 4), -torch.rand(3, 4)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            first, second = compiled(x)
        second.fill_(7)
        eager, other = function(x)
        other.fill_(7)
        assert torch.equal(first, eager)
