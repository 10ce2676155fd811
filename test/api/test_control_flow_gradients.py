"""Gradients through loops, branches and run-time slices equal eager's, in float64."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from support.interpret import interpret
from torch import Tensor

import jic
from jic import dialects
from jic.api import gradients as api_gradients
from jic.errors import LoweringError
from jic.frontend import trace
from jic.frontend.control import structured
from jic.frontend.control.backward import NotDifferentiable, backward_graph, why_not
from jic.frontend.control.markers import ops
from jic.frontend.control.partition import partition
from jic.frontend.importer import import_graph
from jic.frontend.trace import traced_of


def loop(trips: int | Tensor, inits: Sequence[Tensor], body: Callable[..., Sequence[Tensor]]) -> list[Tensor]:
    count = torch.full((), trips, dtype=torch.int64) if isinstance(trips, int) else trips
    index, *carried = ops.loop_begin(count, inits)
    return ops.loop_end(list(body(index, *carried)))


def if_(condition: Tensor, then: Callable[[], Any], otherwise: Callable[[], Any]) -> list[Tensor]:
    ops.if_begin(condition)
    first = list(then())
    ops.if_else(first)
    return ops.if_end(list(otherwise()), first)


def row(x: Tensor, index: Tensor, dim: int = 0) -> Tensor:
    return ops.dynamic_slice(x, index, dim, 1).squeeze(dim)


def put(x: Tensor, value: Tensor, index: Tensor, dim: int = 0) -> Tensor:
    return ops.dynamic_update(x, value.unsqueeze(dim), index, dim)


def random(*shape: int) -> Tensor:
    return torch.randn(shape, dtype=torch.float64)


def gradients(outputs: Sequence[Tensor], leaves: Sequence[Tensor], weights: Sequence[Tensor]) -> list[Tensor]:
    pairs = [(o, w) for o, w in zip(outputs, weights, strict=True) if o.requires_grad]
    wanted = [x for x in leaves if x.requires_grad]
    found = torch.autograd.grad([o for o, _ in pairs], wanted, [w for _, w in pairs], allow_unused=True)
    return [torch.zeros_like(x) if g is None else g for x, g in zip(wanted, found, strict=True)]


def agree(
    marked: Callable[..., Any], plain: Callable[..., Any], *args: Tensor, steps: Sequence[int] = (0, 1, 2, 3)
) -> str:
    """The backward of `marked`, whole and taken apart, with and without checkpoints, gives `plain`'s gradients. Returns IR."""
    traced = trace(marked, args)
    needed = [args[s.index].is_floating_point() for s in traced.inputs]
    leaves = [a.clone().requires_grad_(a.is_floating_point()) for a in args]
    expected = plain(*leaves)
    expected = list(expected) if isinstance(expected, tuple) else [expected]
    # Distinct graph results only: a value that is returned twice is one of them.
    results: dict[int, Tensor] = {}
    for source, value in zip(traced.outputs, expected, strict=True):
        if source.kind == "choice":  # a new tensor or another: the graph has the values in either case
            results[source.choices[0].index] = value
        elif source.kind != "input":
            assert source.kind == "result"
            results[source.index] = value
    count = len(traced.graph_module.graph.output_node().args[0])  # type: ignore[arg-type]
    if len(results) < count:  # the numbers by which choices are made
        with torch.no_grad():
            numbers = structured.run(traced.graph_module, [leaves[s.index].detach() for s in traced.inputs])
        results |= {i: numbers[i] for i in range(count) if i not in results}
    outputs = [results[i] for i in range(count)]
    weights = [random(*o.shape) if o.is_floating_point() else torch.zeros_like(o) for o in outputs]
    inputs = [leaves[s.index] for s in traced.inputs]
    wanted = gradients(outputs, inputs, weights)

    again = [x.detach().clone().requires_grad_(x.requires_grad) for x in inputs]
    through_loops = structured.run(traced.graph_module, again)
    torch.testing.assert_close(list(through_loops), outputs)
    torch.testing.assert_close(gradients(through_loops, again, weights), wanted)

    text = ""
    tensors = [*inputs, *(w for w in weights if w.is_floating_point())]
    for k in steps:
        graph, present = backward_graph(traced.graph_module, needed, k)
        derived = traced_of(graph, [f"t{i}" for i in range(len(tensors))])
        module = import_graph(derived, dialects.context())
        assert module.operation.verify()
        given_ = [tensors[s.index].detach() for s in derived.inputs]
        for found in (structured.run(derived.graph_module, given_), interpret(module, *given_)):
            values = iter(found)
            ours = [next(values) if p else torch.zeros_like(x) for x, p in zip(inputs, present, strict=True)]
            torch.testing.assert_close([o for o, n in zip(ours, needed, strict=True) if n], wanted)
        text = text or str(module)
        joint, present = backward_graph(traced.graph_module, needed, k, joint=True)
        parts = partition(joint, len(inputs), sum(present))
        forward = structured.run(parts.forward, [x.detach() for x in inputs])
        torch.testing.assert_close(list(forward[: len(outputs)]), [o.detach() for o in outputs])
        given_ = [t.detach() for t in tensors] + list(forward[len(outputs) :])
        values = iter(structured.run(parts.backward, given_))
        ours = [next(values) if p else torch.zeros_like(x) for x, p in zip(inputs, present, strict=True)]
        torch.testing.assert_close([o for o, n in zip(ours, needed, strict=True) if n], wanted)
    return text


def test_recurrent_cell_with_outputs() -> None:
    def marked(x, h, w, u, b):
        def body(t, h, out):
            h = torch.tanh(F.linear(row(x, t, 1), w, b) + h @ u)
            return h, put(out, h, t, 1)

        return tuple(loop(6, [h, x.new_zeros(2, 6, 3)], body))

    def plain(x, h, w, u, b):
        out = []
        for t in range(6):
            h = torch.tanh(F.linear(x[:, t], w, b) + h @ u)
            out.append(h)
        return h, torch.stack(out, 1)

    text = agree(marked, plain, random(2, 6, 4), random(2, 3), random(3, 4), random(3, 3), random(3))
    # One loop that saves, one that goes back, one that adds up the gradients of what all steps share.
    assert text.count('"jic.loop"') == 3 and "aten_call" not in text


def test_lstm_cell() -> None:
    def step(x, h, c, w, u):
        i, f, g, o = (x @ w + h @ u).chunk(4, 1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        return o.sigmoid() * c.tanh(), c

    def marked(x, h, c, w, u):
        return tuple(loop(4, [h, c], lambda t, h, c: step(row(x, t), h, c, w, u)))

    def plain(x, h, c, w, u):
        for t in range(4):
            h, c = step(x[t], h, c, w, u)
        return h, c

    agree(marked, plain, random(4, 2, 3), random(2, 5), random(2, 5), random(3, 20), random(5, 20))


def test_unused_and_unchanged_carried_values() -> None:
    def marked(x, w):
        a, _, c, _ = loop(3, [x, x * 2, w, x.sin()], lambda i, a, b, c, d: [a * c + d, b * a, c, d])
        return a * c

    def plain(x, w):
        a, d = x, x.sin()
        for _ in range(3):
            a = a * w + d
        return a * w

    agree(marked, plain, random(3), random(3))


def test_integers_and_bools_are_carried() -> None:
    def marked(x, n):
        def body(i, x, n, flag):
            return [x * n + i, n + 1, flag.logical_not()]

        return tuple(loop(4, [x, n, n > 5], body))

    def plain(x, n):
        flag = n > 5
        for i in range(4):
            x, n, flag = x * n + i, n + 1, flag.logical_not()
        return x, n, flag

    agree(marked, plain, random(3), torch.tensor(2))


def test_an_input_is_used_many_times() -> None:
    def marked(x):
        (y,) = loop(3, [x], lambda i, y: [y * x + row(x, i)])
        (z,) = loop(2, [y * x], lambda i, z: [z.sin() + y + x.sum()])
        return y, z, x * 2

    def plain(x):
        y = x
        for i in range(3):
            y = y * x + x[i]
        z = y * x
        for _ in range(2):
            z = z.sin() + y + x.sum()
        return y, z, x * 2

    agree(marked, plain, random(3))


@pytest.mark.parametrize("trips", [0, 1, 2])
def test_few_trips(trips: int) -> None:
    def marked(x, w):
        return loop(trips, [x, w], lambda i, x, w: [x * w, w.cos()])[0]

    def plain(x, w):
        for _ in range(trips):
            x, w = x * w, w.cos()
        return x

    agree(marked, plain, random(3), random(3))


def test_nested_loops() -> None:
    def marked(x, w):
        def outer(i, h, total):
            def inner(j, h, total):
                h = torch.tanh(h * row(w, j) + row(x, i))
                return h, total + h.sum() * j

            h, total = loop(3, [h, total], inner)
            return h + 1, total * 2

        return tuple(loop(4, [x[0], x.new_zeros(())], outer))

    def plain(x, w):
        h, total = x[0], x.new_zeros(())
        for i in range(4):
            for j in range(3):
                h = torch.tanh(h * w[j] + x[i])
                total = total + h.sum() * j
            h, total = h + 1, total * 2
        return h, total

    agree(marked, plain, random(4, 2), random(3, 2))


def test_reads_and_writes_of_a_carried_table() -> None:
    def marked(x, w):
        def body(i, table):
            value = row(table, i) * w + row(table, i + 1).sin() + row(x, i)
            table = put(table, value, i + 1)
            return [put(table, row(table, i) + value, i)]

        return loop(3, [x], body)[0]

    def plain(x, w):
        table = list(x.unbind())
        for i in range(3):
            value = table[i] * w + table[i + 1].sin() + x[i]
            table[i + 1] = value
            table[i] = table[i] + value
        return torch.stack(table)

    agree(marked, plain, random(4, 2), random(2))


def test_in_place_writes_in_a_loop() -> None:
    def marked(x, w):
        def body(i, y):
            y.mul_(w)
            part = ops.dynamic_slice(y, i, 1, 2)
            part.add_(x[:, :2]).sin_()
            y[0] = w * 2
            return [y]

        return loop(3, [x * 1], body)[0]

    def plain(x, w):
        y = x * 1
        for i in range(3):
            y = y * w
            part = (y[:, i : i + 2] + x[:, :2]).sin()
            y = torch.cat([y[:, :i], part, y[:, i + 2 :]], 1)
            y = torch.cat([(w * 2)[None], y[1:]])
        return y

    agree(marked, plain, random(3, 4), random(4))


def test_starts_out_of_range_are_clamped() -> None:
    def marked(x, y):
        def body(i, y):
            return [ops.dynamic_update(y, ops.dynamic_slice(x, i * 2 - 1, 0, 2) * 3, i * 3 - 2, 0)]

        return loop(4, [y], body)[0]

    def plain(x, y):
        for i in range(4):
            a, b = max(0, min(i * 2 - 1, 2)), max(0, min(i * 3 - 2, 3))
            y = torch.cat([y[:b], x[a : a + 2] * 3, y[b + 2 :]])
        return y

    agree(marked, plain, random(4, 2), random(5, 2))


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_branches(sign: float) -> None:
    def marked(x, w):
        a, b = if_(x.sum() > 0, lambda: [x * w, w], lambda: [x.exp(), x * 2])
        return a, b, w * 1

    def plain(x, w):
        a, b = (x * w, w) if x.sum() > 0 else (x.exp(), x * 2)
        return a, b * 1, w * 1

    agree(marked, plain, sign * random(3).abs(), random(3))


def test_branches_in_loops_and_loops_in_branches() -> None:
    def marked(x, w):
        def body(i, h):
            def then():
                return loop(2, [h], lambda j, h: [h * row(w, j)])

            return if_((h.sum() > 0) ^ (i == 1), then, lambda: [h.sin() + row(x, i)])

        return loop(4, [x[0]], body)[0]

    def plain(x, w):
        h = x[0]
        for i in range(4):
            if (h.sum() > 0) ^ (i == 1):
                for j in range(2):
                    h = h * w[j]
            else:
                h = h.sin() + x[i]
        return h

    for _ in range(3):
        agree(marked, plain, random(4, 2), random(2, 2))


def test_a_value_of_one_branch_only() -> None:
    def marked(x):
        ops.if_begin(x.sum() > 0)
        a, b = x * 2, x.sin()
        ops.if_else([a, b])
        a, b = ops.if_end([x.cos(), None], [a, b])
        return if_(x.sum() > 0, lambda: [a * b], lambda: [a])[0]

    agree(marked, lambda x: x * 2 * x.sin() if x.sum() > 0 else x.cos(), random(3).abs())
    agree(marked, lambda x: x * 2 * x.sin() if x.sum() > 0 else x.cos(), -random(3).abs())


def test_detached_values_get_no_gradient() -> None:
    def marked(x, w):
        return loop(3, [x], lambda i, x: [x * w + x.detach() * 2])[0]

    def plain(x, w):
        for _ in range(3):
            x = x * w + x.detach() * 2
        return x

    agree(marked, plain, random(3), random(3))


def test_composites_in_a_step() -> None:
    def step(h, w, table):
        h = F.layer_norm(F.linear(h, w), (4,))
        return h + F.softmax(h, -1) * F.gelu(h) + F.embedding(torch.tensor([0, 2, 2]), table)

    def marked(h, w, table):
        return loop(3, [h], lambda i, h: [step(h, w, table)])[0]

    def plain(h, w, table):
        for _ in range(3):
            h = step(h, w, table)
        return h

    agree(marked, plain, random(3, 4), random(4, 4), random(3, 4))


def test_a_run_time_slice_without_a_loop() -> None:
    def marked(x, i):
        return put(x, row(x, i).sin(), i + 1)

    agree(marked, lambda x, i: torch.stack([x[0], x[1], x[1].sin()]), random(3, 2), torch.tensor(1))


def test_data_dependent_steps_are_refused_and_run_eagerly() -> None:
    def while_(x):
        (x,) = ops.while_begin([x])
        (x,) = ops.while_cond(x.abs().sum() < 50, [x])
        return ops.while_end([x * 1.5])[0]

    def trips(x, n):
        return loop(n, [x], lambda i, x: [x * 1.5])[0]

    for fn, args in ((while_, (random(3),)), (trips, (random(3), torch.tensor(4)))):
        traced = trace(fn, args)
        assert "depends on data" in why_not(traced.graph_module)[0]
        with pytest.raises(NotDifferentiable, match="depends on data"):
            backward_graph(traced.graph_module, [a.is_floating_point() for a in args])
    x = random(3).requires_grad_()
    y, _ = structured.run(trace(while_, (x,)).graph_module, [x])  # the other says whether y is x
    (gradient,) = torch.autograd.grad(y.sum(), [x])
    torch.testing.assert_close(gradient, (y / x).detach())


def test_a_while_without_gradients_does_not_matter() -> None:
    def marked(x, n):
        (n,) = ops.while_begin([n])
        (n,) = ops.while_cond(n < 10, [n])
        (n,) = ops.while_end([n * 2])
        return x * n

    def plain(x, n):
        while n < 10:
            n = n * 2
        return x * n

    agree(marked, plain, random(3), torch.tensor(3))


OPERATIONS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "add": lambda a, b: a + b,
    "mul": lambda a, b: a * b * 0.5,
    "sin": lambda a, b: a.sin(),
    "matmul": lambda a, b: (a @ b).tanh(),
    "flip": lambda a, b: a.flip(0) - b.T,
    "first": lambda a, b: a,
    "norm": lambda a, b: a / (1 + b.square().sum()),
    "where": lambda a, b: torch.where(a > b, a, b * 2),
}
Expression = tuple[str, int, int]
EXPRESSIONS = st.tuples(st.sampled_from(sorted(OPERATIONS)), st.integers(0, 5), st.integers(0, 5))


@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],  # to make a failing case small takes longer than to read it
)
@given(
    inner=st.lists(EXPRESSIONS, min_size=2, max_size=2),
    outer=st.lists(EXPRESSIONS, min_size=3, max_size=3),
    trips=st.tuples(st.integers(0, 3), st.integers(1, 3)),
    branch=st.booleans(),
    k=st.integers(0, 2),
)
def test_random_loops(inner, outer, trips, branch, k) -> None:
    def evaluate(expression: Expression, values: Sequence[Tensor]) -> Tensor:
        name, i, j = expression
        return OPERATIONS[name](values[i % len(values)], values[j % len(values)])

    def marked(x, w, rows):
        def body(i, a, b, c):
            (a, b) = loop(trips[1], [a, b], lambda j, a, b: [evaluate(e, [a, b, c, w, row(rows, j)]) for e in inner])
            new = [evaluate(e, [a, b, c, x, w, row(rows, i)]) for e in outer]
            if branch:
                (new[0],) = if_(new[0].sum() > 0, lambda: [new[1] * w], lambda: [new[0].cos() + row(rows, i)])
            return new

        return tuple(t * 1 for t in loop(trips[0], [x * 1, w * 1, x + w], body))  # new tensors, whatever they came from

    def plain(x, w, rows):
        a, b, c = x * 1, w * 1, x + w
        for i in range(trips[0]):
            for j in range(trips[1]):
                a, b = (evaluate(e, [a, b, c, w, rows[j]]) for e in inner)
            a, b, c = (evaluate(e, [a, b, c, x, w, rows[i]]) for e in outer)
            if branch:
                a = b * w if a.sum() > 0 else a.cos() + rows[i]
        return a * 1, b * 1, c * 1

    torch.manual_seed(0)
    agree(marked, plain, random(3, 3), random(3, 3), random(3, 3, 3), steps=[k])


# Through jic.compile, from Python.


def compiled_agrees(fn: Callable[..., Any], *args: Tensor, config: jic.JitConfig | None = None, calls: int = 2) -> Any:
    """Gradients through `jic.compile(fn)` are eager's. Returns the compiled callable."""
    compiled = jic.compile(fn, config=config or jic.JitConfig(enable_caching=False))
    parameters = list(fn.parameters()) if isinstance(fn, torch.nn.Module) else []
    for _ in range(calls):
        found = []
        for call in (compiled, fn):
            leaves = [a.clone().requires_grad_(a.is_floating_point()) for a in args]
            outputs = call(*leaves)
            outputs = list(outputs) if isinstance(outputs, tuple) else [outputs]
            torch.manual_seed(0)
            weights = [random(*o.shape).to(o.dtype) for o in outputs]
            found.append((outputs, gradients(outputs, [*leaves, *parameters], weights)))
        torch.testing.assert_close(found[0], found[1])
    return compiled


def entry_of(compiled: Any) -> Any:
    (entry,) = getattr(compiled, "compiled", compiled).entries
    assert not entry.eager, entry.reasons
    return entry


class Recurrent(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.cell = torch.nn.GRUCell(3, 4)
        self.out = torch.nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        h = x.new_zeros(x.shape[0], 4)
        outs = []
        for t in range(x.shape[1]):
            h = self.cell(x[:, t], h)
            outs.append(self.out(h))
        return torch.stack(outs, 1)


def test_a_recurrent_module() -> None:
    compiled = compiled_agrees(Recurrent().double(), random(2, 5, 3))
    assert not entry_of(compiled).reasons
    assert '"jic.loop"' in compiled.compiled.ir("jic")


@pytest.mark.parametrize("k", [1, 3])
def test_checkpoints(k: int) -> None:
    compiled_agrees(
        Recurrent().double(), random(2, 7, 3), config=jic.JitConfig(enable_caching=False, checkpoint_steps=k)
    )


def test_training_follows_eager() -> None:
    torch.manual_seed(0)
    ours, theirs = Recurrent().double(), Recurrent().double()
    theirs.load_state_dict(ours.state_dict())
    compiled, x, y = jic.compile(ours), random(3, 4, 3), random(3, 4, 2)
    for net, call in ((ours, compiled), (theirs, theirs)):
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
        for _ in range(4):
            optimizer.zero_grad()
            F.mse_loss(call(x), y).backward()
            optimizer.step()
    torch.testing.assert_close(ours.state_dict(), theirs.state_dict())


def test_writes_and_branches_in_python() -> None:
    def fn(x: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
        out = torch.zeros_like(x)
        total = x[0].sum()
        for i in range(x.shape[0]):
            h = torch.sin(x[i] * w)
            if h.sum() > 0:
                h = h * w
            else:
                total = total + h.mean()
            out[i] = h
            out[i, 1:] *= 2
        return out, total

    for _ in range(3):
        entry_of(compiled_agrees(fn, random(4, 3), random(3)))


def test_nested_python_loops() -> None:
    def fn(x: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
        h, total = x[0], x.new_zeros(())
        for i in range(4):
            for j in range(3):
                h = torch.tanh(h * w[j] + x[i])
                total = total + h.sum() * j
        return h, total

    entry = entry_of(compiled_agrees(fn, random(4, 2), random(3, 2)))
    assert not any(r.op == "backward" for r in entry.reasons)


def test_a_table_that_is_read_and_written() -> None:
    def fn(x: Tensor, w: Tensor) -> Tensor:
        table = x.clone()
        for i in range(1, 5):
            # Without the clone eager refuses: the backward needs what the next step overwrites.
            table[i] = torch.logaddexp(table[i - 1].clone(), table[i].clone()) * w
        return table

    entry = entry_of(compiled_agrees(fn, random(5, 3), random(3)))
    assert not any(r.op == "backward" for r in entry.reasons)


def test_a_while_is_differentiated_step_by_step() -> None:
    def fn(x: Tensor, w: Tensor) -> Tensor:
        while x.norm() < 10:
            x = x * 1.5 + w
        return x

    entry = entry_of(compiled_agrees(fn, random(3), random(3)))
    assert any(r.op == "backward" and "eagerly" in r.why for r in entry.reasons)


def test_no_grad_calls_use_the_plain_program() -> None:
    def fn(x: Tensor) -> Tensor:
        for i in range(4):
            x = torch.sin(x) + i
        return x

    compiled = jic.compile(fn, config=jic.JitConfig(enable_caching=False))
    x = random(3).requires_grad_()
    with torch.no_grad():
        assert not compiled(x).requires_grad
    assert not compiled(x.detach()).requires_grad
    assert len(compiled.entries) == 1
    assert compiled(x).requires_grad and len(compiled.entries) == 2


def test_a_backward_that_cannot_be_compiled_is_eager_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> Any:
        raise LoweringError("no template")

    def fn(x: Tensor) -> Tensor:
        for _ in range(4):
            x = torch.sin(x)
        return x

    compiled = jic.compile(fn, config=jic.JitConfig(enable_caching=False))
    x = random(3).requires_grad_()
    y = compiled(x)
    monkeypatch.setattr(api_gradients, "build", fail)
    with pytest.warns(UserWarning, match="no template"):
        (found,) = torch.autograd.grad(y.sum(), [x])
    torch.testing.assert_close(found, torch.autograd.grad(fn(x).sum(), [x])[0])
    assert any("no template" in r.why for r in compiled.entries[0].reasons)


def test_an_input_that_needs_no_gradient() -> None:
    def fn(x: Tensor, w: Tensor) -> Tensor:
        for i in range(3):
            x = x * w + i
        return x

    compiled = jic.compile(fn, config=jic.JitConfig(enable_caching=False))
    for needs in ((True, False), (False, True)):
        args = [random(3).requires_grad_(n) for n in needs]
        leaf = args[needs.index(True)]
        found, expected = (torch.autograd.grad(f(*args).sum(), [leaf])[0] for f in (compiled, fn))
        torch.testing.assert_close(found, expected)


def test_results_require_gradients_where_eager_says_so() -> None:
    def fn(x: Tensor, w: Tensor) -> tuple[Tensor, ...]:
        count, total, ones = x.new_zeros(()), x.new_zeros(()), torch.ones_like(x)
        for i in range(3):
            count, total, ones = count + i, total + (x * w).sum(), ones * 2
        return count, total, ones, x.detach() * 2, (x > 0).to(x.dtype), w * 2

    compiled = jic.compile(fn, config=jic.JitConfig(enable_caching=False))
    for needs in ((True, False), (False, True)):
        args = [random(3).requires_grad_(n) for n in needs]
        assert [t.requires_grad for t in compiled(*args)] == [t.requires_grad for t in fn(*args)]


def test_second_derivatives_are_refused() -> None:
    def fn(x: Tensor) -> Tensor:
        for _ in range(3):
            x = x * x
        return x

    compiled = jic.compile(fn, config=jic.JitConfig(enable_caching=False))
    x = random(3).requires_grad_()
    (first,) = torch.autograd.grad(compiled(x).sum(), [x], create_graph=True)
    with pytest.raises(RuntimeError):
        first.sum().backward()


def test_dropout_in_a_loop_runs_eagerly() -> None:
    def fn(x: Tensor) -> Tensor:
        for _ in range(3):
            x = F.dropout(x, 0.5)
        return x

    x = random(8).requires_grad_()
    with pytest.warns(UserWarning, match="random"):
        jic.compile(fn, config=jic.JitConfig(enable_caching=False))(x)
