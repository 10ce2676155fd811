"""Markers of captured graphs: import as regions, in-place ops in them, dead code, fingerprints."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from support.interpret import interpret
from torch import Tensor
from torch_mlir import ir

from jic import dialects
from jic.errors import CaptureError
from jic.frontend import trace
from jic.frontend.control import structured
from jic.frontend.control.markers import ops
from jic.frontend.importer import import_graph, import_torch


def scalar(value: int) -> Tensor:
    return torch.full((), value, dtype=torch.int64)


def loop(trips: int | Tensor, inits: Sequence[Tensor], body: Callable[..., Sequence[Tensor]]) -> list[Tensor]:
    index, *carried = ops.loop_begin(scalar(trips) if isinstance(trips, int) else trips, inits)
    return ops.loop_end(list(body(index, *carried)))


def while_(inits: Sequence[Tensor], condition: Callable[..., Tensor], body: Callable[..., Any]) -> list[Tensor]:
    carried = ops.while_begin(inits)
    carried = ops.while_cond(condition(*carried), carried)
    return ops.while_end(list(body(*carried)))


def if_(condition: Tensor, then: Callable[[], Any], otherwise: Callable[[], Any]) -> list[Tensor]:
    ops.if_begin(condition)
    first = list(then())
    ops.if_else(first)
    return ops.if_end(list(otherwise()), first)


def text(fn: Callable[..., Any], *args: Any) -> str:
    return str(import_graph(trace(fn, args), dialects.context()))


def agree(marked: Callable[..., Any], plain: Callable[..., Any], *args: Tensor) -> str:
    """Trace `marked`; the reference interpreter and `structured.run` give what `plain` gives, writes too. Returns the IR."""
    traced = trace(marked, args)
    module = import_graph(traced, dialects.context())
    assert module.operation.verify()
    with dialects.context():
        again = str(ir.Module.parse(str(module)))
    expected_args = [a.clone() for a in args]
    expected = plain(*expected_args)
    expected = list(expected) if isinstance(expected, tuple) else [expected]
    inputs = [args[s.index] for s in traced.inputs]
    found = interpret(module, *inputs)
    for results in (found, structured.run(traced.graph_module, inputs)):
        for source, value in zip(traced.outputs, expected, strict=True):
            if source.kind == "result":
                torch.testing.assert_close(results[source.index], value)
        for i, r in traced.mutations:
            torch.testing.assert_close(results[r], expected_args[traced.inputs[i].index])
    written = {traced.inputs[i].index for i, _ in traced.mutations}
    for i, (before, after) in enumerate(zip(args, expected_args, strict=True)):
        assert i in written or torch.equal(before, after)
    assert str(module) == again
    return again


def test_a_recurrence() -> None:
    def marked(x, h, w):
        out = torch.zeros(4, 5, 3)

        def body(t, h, out):
            h = torch.tanh(ops.dynamic_slice(x, t, 1, 1).squeeze(1) + h @ w)
            return h, ops.dynamic_update(out, h.unsqueeze(1), t, 1)

        return tuple(loop(5, [h, out], body))

    def plain(x, h, w):
        out = torch.zeros(4, 5, 3)
        for t in range(5):
            h = torch.tanh(x[:, t] + h @ w)
            out[:, t] = h
        return h, out

    args = torch.randn(4, 5, 3), torch.randn(4, 3), torch.randn(3, 3)
    found = agree(marked, plain, *args)
    assert found.count("jic.loop") == 1 and "aten_call" not in found
    torch_text = str(import_torch(trace(marked, args), dialects.context()))
    assert "torch.prim.Loop" in torch_text and "torch.prim.Loop.condition" in torch_text


def test_nested_constructs() -> None:
    def marked(x):
        def body(t, x, total):
            (y,) = if_(x.sum() > 0, lambda: [x * 0.5], lambda: [x + 1 + total])
            (z,) = while_([y], lambda y: y.abs().sum() < 10, lambda y: [y * 2 + 0.125])

            def inner(j, total):
                return [total + j * t]

            (total,) = loop(3, [total], inner)
            return z, total

        return tuple(loop(4, [x, torch.zeros((), dtype=torch.int64)], body))

    def plain(x):
        total = torch.zeros((), dtype=torch.int64)
        for t in range(4):
            y = x * 0.5 if x.sum() > 0 else x + 1 + total
            while y.abs().sum() < 10:
                y = y * 2 + 0.125
            for j in range(3):
                total = total + j * t
            x = y
        return x, total

    for _ in range(3):
        agree(marked, plain, torch.randn(3))


def test_zero_and_run_time_trip_counts() -> None:
    def marked(x, n):
        return loop(n, [x], lambda i, x: [x * 2 + i])[0]

    def plain(x, n):
        for i in range(int(n)):
            x = x * 2 + i
        return x

    for n in (0, 1, 5):
        agree(marked, plain, torch.randn(3), torch.tensor(n))


def test_values_of_one_branch_only() -> None:
    def marked(x):
        ops.if_begin(x.sum() > 0)
        a, b = x * 2, x.to(torch.int64)
        ops.if_else([a, b, None])
        a, b, c = ops.if_end([x, None, x > 1], [a, b, None])
        return a, b, c

    positive, negative = torch.ones(3), -torch.ones(3)
    agree(marked, lambda x: (x * 2, x.to(torch.int64), torch.zeros(3, dtype=torch.bool)), positive)
    agree(marked, lambda x: (x, torch.zeros(3, dtype=torch.int64), x > 1), negative)


def test_constants_in_regions_are_shared() -> None:
    table = [1.0, 2.0, 4.0]

    def marked(x):
        ops.if_begin(x.sum() > 0)
        y = x * torch.tensor(table)
        ops.if_else([y])
        (y,) = ops.if_end([x + torch.tensor(table)], [y])
        return y * torch.tensor(table)

    def plain(x):
        t = torch.tensor(table)
        return (x * t if x.sum() > 0 else x + t) * t

    for sign in (1.0, -1.0):
        agree(marked, plain, torch.full((3,), sign))


def test_lists_are_taken_apart_where_they_are_made() -> None:
    def marked(x):
        a, b = x.split(2)
        return loop(3, [a], lambda i, a: [a + b])[0]

    agree(marked, lambda x: x[:2] + 3 * x[2:], torch.randn(4))


def test_bail() -> None:
    def marked(x):
        ops.bail(x.sum() > 100, "too much")
        return x + 1

    found = agree(marked, lambda x: x + 1, torch.randn(3))
    assert '"jic.bail"' in found and 'message = "too much"' in found
    with pytest.raises(structured.Bailout, match="too much"):
        structured.run(trace(marked, (torch.ones(3),)).graph_module, [torch.full((3,), 99.0)])


# In-place ops in regions.


def test_in_place_on_a_carried_value() -> None:
    def marked(x):
        def body(i, y):
            y.add_(1).mul_(2)
            ops.dynamic_update_(y, x[:1], i, 0)
            return [y]

        return loop(3, [x * 1], body)[0]

    def plain(x):
        y = x * 1
        for i in range(3):
            y.add_(1).mul_(2)
            y[i] = x[0]
        return y

    agree(marked, plain, torch.randn(4, 2))


def test_in_place_through_views_of_a_carried_value() -> None:
    def marked(x):
        def body(i, y):
            v = y[:, 1:3]
            row = ops.dynamic_slice(y, i, 0, 1).squeeze(0)
            v.mul_(2)
            row += 1
            v[0].t().copy_(row[1:3])
            return [y + v.sum()]

        return loop(3, [x * 1], body)[0]

    def plain(x):
        y = x * 1
        for i in range(3):
            v, row = y[:, 1:3], y[i]
            v.mul_(2)
            row += 1
            v[0].copy_(row[1:3])
            y = y + v.sum()
        return y

    agree(marked, plain, torch.randn(4, 5))


def test_a_written_argument_is_copied_back() -> None:
    def marked(x):
        (y,) = loop(3, [x], lambda i, y: [y * 2 + i])
        x.copy_(y)
        return x.sum()

    def plain(x):
        for i in range(3):
            x.mul_(2).add_(i)
        return x.sum()

    agree(marked, plain, torch.randn(4))


@pytest.mark.parametrize("kind", ["loop", "if", "view"])
def test_writes_to_tensors_from_outside_a_region_are_refused(kind: str) -> None:
    def marked(x):
        y = x * 2
        if kind == "if":
            if_(x.sum() > 0, lambda: [y.add_(1)], lambda: [y])
        else:
            loop(3, [x], lambda i, x: [x + (y.add_(1) if kind == "loop" else ops.dynamic_slice(y, i, 0, 1).add_(1))])
        return y

    with pytest.raises(CaptureError, match="outside the loop or branch"):
        trace(marked, (torch.randn(3),))


def test_writes_through_run_time_slices() -> None:
    def marked(x, i):
        y = x * 1
        row = ops.dynamic_slice(y, i, 1, 1).squeeze(1)
        row.add_(1)
        flat = y.view(-1)
        flat[2:5] = 7
        a, b = y.unbind(1)[:2]
        b.copy_(a)
        y.diagonal().zero_()
        return y, row * 1, flat, a * 2, b

    def plain(x, i):
        y = x * 1
        row = y[:, int(i)]
        row.add_(1)
        flat = y.view(-1)
        flat[2:5] = 7
        a, b = y.unbind(1)[:2]
        b.copy_(a)
        y.diagonal().zero_()
        return y, row * 1, flat, a * 2, b

    for i in range(3):
        agree(marked, plain, torch.randn(4, 3), torch.tensor(i))


def test_indices_of_views_keep_their_values() -> None:
    def marked(x, i):
        y, j = x * 1, i + 0
        row = ops.dynamic_slice(y, j, 0, 1)
        j.add_(1)
        row.zero_()
        y.mul_(2)
        return y, row + j

    def plain(x, i):
        y = x * 1
        y[int(i)] = 0
        y.mul_(2)
        return y, y[int(i)][None] + i + 1

    agree(marked, plain, torch.randn(4, 3), torch.tensor(1))


# Dead code.


def test_dead_constructs_and_carried_values_go() -> None:
    def marked(x, w):
        loop(3, [x], lambda i, x: [x * w])
        if_(x.sum() > 0, lambda: [x], lambda: [x + 1])
        used, *_ = loop(3, [x, x, x * 3, x], lambda i, a, b, c, d: [a + c, b * w, c, d + b])
        return used

    found = agree(marked, lambda x, w: x + x * 9, torch.randn(3), torch.randn(3))
    assert found.count("jic.loop") == 1 and "jic.if" not in found
    assert "tensor<i64>, tensor<3xf32>) -> tensor<3xf32>" in found  # one carried value is left
    assert [s.name for s in trace(marked, (torch.randn(3), torch.randn(3))).inputs] == ["args[0]"]


def test_effects_keep_what_is_around_them() -> None:
    def marked(x):
        def body(i, x):
            ops.if_begin(x.sum() > 0)
            torch.rand(3)
            ops.if_else([])
            ops.if_end([], [])
            return [x + 1]

        loop(3, [x], body)
        return x * 2

    found = text(marked, torch.randn(3))
    assert "aten.rand" in found and found.count("jic.if") == 1 and found.count("jic.loop") == 1


def test_dead_results_of_ifs_and_whiles() -> None:
    def marked(x):
        a, _ = if_(x.sum() > 0, lambda: [x, x.exp()], lambda: [x + 1, x.sin()])
        b, _ = while_([a, x], lambda a, d: a.sum() < 10, lambda a, d: [a.abs() + 1, d.cos()])
        return b

    def plain(x):
        a = x if x.sum() > 0 else x + 1
        while a.sum() < 10:
            a = a.abs() + 1
        return a

    found = agree(marked, plain, torch.randn(3))
    assert not any(op in found for op in ("jic.exp", "jic.sin", "jic.cos"))


def test_fingerprints_tell_control_flow_apart() -> None:
    def of(trips: int, step: Callable[[Tensor], Tensor]) -> str:
        return trace(lambda x: loop(trips, [x], lambda i, x: [step(x)])[0], (torch.ones(3),)).fingerprint

    assert of(3, torch.sin) == of(3, torch.sin)
    assert len({of(3, torch.sin), of(4, torch.sin), of(3, torch.cos)}) == 3

    def body_first(x):
        y = x.sin()
        return loop(3, [y], lambda i, x: [x])[0]

    def in_body(x):
        return loop(3, [x], lambda i, x: [x.sin()])[0]

    assert trace(body_first, (torch.ones(3),)).fingerprint != trace(in_body, (torch.ones(3),)).fingerprint
