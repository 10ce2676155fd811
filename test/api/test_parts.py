"""A loop that cannot be compiled runs eagerly by itself: what is before and after it is compiled."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

import jic
from jic.errors import FallbackError
from jic.frontend.control.split import split_at

UNCACHED = jic.JitConfig(enable_caching=False)
LOG: list[Any] = []


def logged_while(x):
    y = torch.tanh(x @ x) * 2
    n = 0
    while y.sum() > 1:
        LOG.append(n)
        y = y * 0.5
        n += 1
    return torch.exp(y) + n, n


def returns_from_the_loop(x, k=2):
    y = x * k
    for row in y:
        LOG.append(float(row.sum()))
        if row.sum() > 5:
            return row
    return y.cumsum(0) * k


def grows_a_list(x):
    outs = []
    h = x[0] * 2
    while h.norm() < 100:
        outs.append(h)
        h = h * 1.5 + 1
    return torch.stack(outs).sum(0) * 2, len(outs)


def grows_a_tensor(x):
    y = x * 2
    while y.shape[0] < 9 and y.sum() < 50:
        y = torch.cat([y, y[-1:] + 1])
    return y.mean(0) * 2


def views_of_one_tensor(x):
    y = x * 2
    z = y[0]
    while y.sum() < 20:
        LOG.append("z")
        z += 1
    return y * 3 + z


def one_list_of_two_names(x):
    outs = [x * 2]
    same = outs
    for row in x * 3:
        LOG.append(float(row[0]))
        outs.append(row)
    return torch.stack([t.sum() for t in same]) * 2, same is outs


def bound_in_the_loop_only(x):
    y = x * 2
    for row in y:
        LOG.append(1)
        if row.sum() > 4:
            found = row
            break
    else:
        found = y[0] * 0
    return found * 2


def perhaps_unbound(x):
    y = x * 2
    while y.sum() > 7:
        LOG.append(1)
        y = y * 0.5
        found = y
    try:
        return found + 1
    except NameError as error:
        LOG.append(type(error).__name__)
        return y + 2


def perhaps_another_tensor(x):
    y, z = x * 1, x * 2
    n = 0
    while n < 2 and (y < z).any():
        n += 1
        y = z
    while n < 4 and z.sum() > 0:
        n += 1
        LOG.append(n)
        y[1:].add_(0.5)
    return y, z * 2


def a_row_at_a_place_from_data(x):
    y = x * 2
    row = y[int(x[0, 0]) % 3]
    for i in range(3):
        LOG.append(i)
        row += i
    return y * 2 + row


def numbers_of_all_kinds(x):
    y, n, f, flag = x * 2, 1, 0.5, False
    for _ in y:
        LOG.append(n)
        n, f, flag = n + 2, f * 1.5, not flag
    z = y * n + f
    for _ in range(n):
        z = torch.sin(z)
    return (z if flag else -z), n, f, flag


def two_such_loops(x):
    y = x * 2
    for row in y:
        LOG.append(float(row[0]))
    z = torch.exp(y.sin()) + 1
    for row in z:
        LOG.append(float(row[1]))
    return z * 2


def raises_in_the_loop(x):
    y = x * 2
    for i, row in enumerate(y):
        LOG.append(i)
        if row.sum() > 3:
            raise ValueError(f"row {i}")
    return y * 2


def changes_an_argument(x):
    y = x * 2
    for row in x:
        LOG.append(1)
        row.mul_(2)
    return x + y * 2


PARTS = [
    logged_while, returns_from_the_loop, grows_a_list, grows_a_tensor, views_of_one_tensor, one_list_of_two_names,
    bound_in_the_loop_only, perhaps_unbound, perhaps_another_tensor, a_row_at_a_place_from_data, numbers_of_all_kinds,
    two_such_loops, raises_in_the_loop, changes_an_argument,
]  # fmt: skip
INPUTS = (torch.eye(3), torch.eye(3) * 3, torch.full((3, 3), 0.1))


def outcome(fn: Callable[..., Any], x: Tensor) -> Any:
    LOG.clear()
    x = x.clone()
    try:
        result = fn(x)
    except Exception as error:
        result = (type(error), str(error))
    return result, x, list(LOG)


def assert_same(found: Any, expected: Any) -> None:
    for ours, eager in zip(pytree.tree_leaves(found), pytree.tree_leaves(expected), strict=True):
        assert type(ours) is type(eager)
        if isinstance(eager, Tensor):
            torch.testing.assert_close(ours, eager)
        else:
            assert ours == pytest.approx(eager) if isinstance(eager, float) else ours == eager


def compiled_as(fn: Callable[..., Any]) -> Any:
    compiled = jic.compile(fn, config=UNCACHED)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        for x in INPUTS:
            expected = outcome(fn, x)
            for _ in range(2):
                assert_same(outcome(compiled, x), expected)
    return compiled


@pytest.mark.parametrize("fn", PARTS, ids=lambda f: f.__name__)
def test_results_effects_and_errors(fn: Callable[..., Any]) -> None:
    with torch.no_grad():
        compiled = compiled_as(fn)
    (entry,) = compiled.entries
    assert not entry.eager and entry.parts is not None
    assert "by itself" in entry.reasons[-1].why


def test_what_is_around_the_loop_is_compiled() -> None:
    compiled = compiled_as(logged_while)
    text = str(jic.explain(compiled)(torch.eye(3)))
    assert "matmul, tanh, add" in text and "exp" in text and "2 kernels" in text
    assert "runs eagerly by itself" in text and "test_parts.py" in text
    assert "jic.exp" in compiled.ir("jic")


def test_it_is_said_once() -> None:
    compiled = jic.compile(logged_while, config=UNCACHED)
    with pytest.warns(UserWarning, match="runs a loop of logged_while eagerly"):
        compiled(torch.eye(3))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        compiled(torch.eye(3))


def test_strict_refuses() -> None:
    with pytest.raises(FallbackError, match="print|append|list"):
        jic.compile(logged_while, config=UNCACHED, strict=True)(torch.eye(3))


def test_a_number_from_the_loop_compiles_once() -> None:
    compiled = jic.compile(logged_while, config=UNCACHED)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for scale in (1.0, 3.0, 0.1, 9.0):
            compiled(torch.eye(3) * scale)
    before, after = compiled.entries[0].parts.compiled
    assert len(before.entries) == len(after.entries) == 1


def test_growing_shapes_end_in_eager() -> None:
    def fn(x: Tensor, n: Tensor) -> Tensor:
        y = x * 2
        while y.shape[0] < n:
            LOG.append(1)
            y = torch.cat([y, y[-1:]])
        return y * 3

    compiled = jic.compile(fn, config=UNCACHED)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for n in range(2, 16):
            torch.testing.assert_close(compiled(torch.eye(2), torch.tensor(n)), fn(torch.eye(2), torch.tensor(n)))
    _, after = compiled.entries[0].parts.compiled
    assert sum(not e.eager for e in after.entries) == 8


def test_a_part_that_runs_eagerly_says_so() -> None:
    def fn(x: Tensor) -> Tensor:
        y = x * 2
        for row in y:
            LOG.append(float(row[0]))
        return torch.nonzero(y > 1).sum() * y

    compiled = compiled_as(fn)
    explanation = jic.explain(compiled)(torch.eye(3))
    assert not explanation.eager and any("shape" in r.why for r in explanation.fallbacks), explanation


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 3)
        self.steps = 0

    def forward(self, x: Tensor) -> Tensor:
        h = torch.relu(self.linear(x))
        for _ in range(x.shape[0]):
            LOG.append(1)
            self.steps += 1
            h = h + self.linear(h).tanh()
        return (h * 2).softmax(-1) + self.steps


def test_a_module_and_its_gradients() -> None:
    ours, theirs = Net(), Net()
    theirs.load_state_dict(ours.state_dict())
    compiled = jic.compile(ours, config=UNCACHED)
    x = torch.randn(4, 3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(3):
            found = []
            for net, call in ((ours, compiled), (theirs, theirs)):
                net.zero_grad()
                y = call(x)
                y.square().sum().backward()
                found.append([y.detach(), *(p.grad.clone() for p in net.parameters())])  # type: ignore[union-attr]
            torch.testing.assert_close(found[0], found[1])
    assert ours.steps == theirs.steps and not compiled.compiled.entries[0].eager


def inner(x: Tensor) -> Tensor:
    y = x * 2

    def use() -> Tensor:
        return y

    for row in x:
        LOG.append(float(row.sum()))
    return use() * 2


def looks_at_locals(x: Tensor) -> int:
    y = x * 2
    for row in y:
        LOG.append(float(row.sum()))
    return len(locals()) + int(y.shape[0])


def in_a_with(x: Tensor) -> Tensor:
    y = x * 2
    with torch.no_grad():
        for row in y:
            LOG.append(float(row.sum()))
    return y * 2


def nothing_else(x: Tensor) -> Tensor:
    for row in x:
        LOG.append(row)
    return x


@pytest.mark.parametrize("fn", [inner, looks_at_locals, in_a_with, nothing_else])
def test_what_cannot_be_taken_apart_runs_eagerly(fn: Callable[..., Any]) -> None:
    with torch.no_grad():
        compiled = compiled_as(fn)
    assert compiled.entries[0].eager and compiled.entries[0].parts is None


def test_lines_and_names_stay() -> None:
    line = logged_while.__code__.co_firstlineno
    split = split_at(logged_while, line + 4)
    assert split is not None and split.line == line + 3
    assert split.names == ("n", "y") and split.passed == () and split.assigned == {"n", "y"}
    for part in (split.before(), split.loop(), split.after(["n", "y"])):
        assert part.__name__ == "logged_while" and part.__code__.co_filename == __file__
        assert part.__globals__ is logged_while.__globals__
    assert split_at(logged_while, line + 1) is None
    assert copy.deepcopy(split_at(nothing_else, nothing_else.__code__.co_firstlineno + 1)) is None
