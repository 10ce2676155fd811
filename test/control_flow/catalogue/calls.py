"""Loops in called functions, methods, submodules and closures; loops over Python things, which unroll."""

from __future__ import annotations

import functools

import torch
from torch import nn

from ._program import floats, module, of, program

STEPS = (of((15, 3), (3,)), of((1, 3), (3,)), of((0, 3), (3,)))
SCALE = 0.5
TABLE = torch.arange(12.0).reshape(4, 3)


def _step(x, h):
    return torch.tanh(x + h * SCALE)


def _scan(step, x, h, *, backwards=False, scale=1.0):
    outs = []
    for t in range(x.size(0)):
        h = step(x[x.size(0) - 1 - t if backwards else t], h) * scale
        outs.append(h)
    return torch.stack(outs), h


@program(*STEPS, loops=1)
def step_in_a_function(x, h):
    for t in range(x.size(0)):
        h = _step(x[t], h)
    return h


@program(of((15, 3), (3,)), of((1, 3), (3,)), loops=2)
def loop_in_a_function(x, h):
    forwards, _ = _scan(_step, x, h)
    backwards, _ = _scan(_step, x, h, backwards=True)
    return torch.cat([forwards, backwards.flip(0)], -1)


@program(of((15, 3), (3,)), loops=1)
def step_is_a_lambda(x, h):
    return _scan(lambda a, b: a * b + 1, x, h, scale=0.25)


@program(*STEPS, loops=1)
def step_is_a_closure(x, h):
    bias = h * 2

    def step(a, b):
        return torch.tanh(a + b + bias)

    for t in range(x.size(0)):
        h = step(x[t], h)
    return h


@program(*STEPS, compiled=False)
def closure_changes_its_variable(x, h):
    def add(row):
        nonlocal h
        h = h * 0.5 + row

    for t in range(x.size(0)):
        add(x[t])
    return h


@program(of((15, 3), (3,)), loops=1)
def step_is_a_partial(x, h):
    return _scan(functools.partial(torch.lerp, weight=0.25), x, h)


@program(*STEPS, loops=1)
def default_arguments(x, h, scale=0.5, *, bias=1.0):
    for t in range(x.size(0)):
        h = h * scale + x[t] + bias
    return h


@program(of((9, 3)), loops=1)
def global_tensor(x):
    for t in range(TABLE.size(0)):
        x = x * 0.5 + TABLE[t]
    return x


@program(of((5, 3)), loops=1)
def early_return_in_a_called_function(x):
    def first_positive(row):
        for i in range(row.size(0)):
            if row[i] > 0:
                return row[i]
        return torch.zeros(())

    total = torch.zeros(())
    for row in x:
        total = total + first_positive(row)
    return total


@program(lambda: (floats(3), 6))
def recursion_of_known_depth(x, n):
    return x if n == 0 else recursion_of_known_depth(torch.sin(x) + n, n - 1)


@program(of((9, 3)))
def reduce(x):
    return functools.reduce(lambda a, b: a * 0.5 + b, [x[i] for i in range(4)])


@program(of((9, 3)), loops=1)
def star_arguments(*xs):
    (x,) = xs
    total = torch.zeros(3)
    for t in range(x.size(0)):
        total = torch.add(*(total, x[t]), **{"alpha": 2})  # pyright: ignore[reportCallIssue]
    return total


@program(*STEPS, loops=1)
def no_grad_inside(x, h):
    with torch.no_grad():
        for t in range(x.size(0)):
            h = h + x[t]
    return h


@program(*STEPS)
def statement_kinds(x, h):
    """Annotated and augmented assignments, `del`, `pass`, `assert`, an f-string that nobody sees."""
    total: torch.Tensor = h * 0
    for name in ("a", "b"):
        label = f"{name}!"
        assert len(label) == 2
        temporary = total + len(label)
        total = temporary
        del temporary
        if name == "c":
            pass
    return total


# ---- modules ----


class Layers(nn.Module):
    """A loop over layers unrolls."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(3, 3) for _ in range(4))
        self.norms = nn.ModuleList(nn.LayerNorm(3) for _ in range(4))

    def forward(self, x):
        for i, (layer, norm) in enumerate(zip(self.layers, self.norms, strict=True)):
            x = x + norm(layer(x)) * (i + 1)
        return x


class NamedLayers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.parts = nn.ModuleDict({"a": nn.Linear(3, 3), "b": nn.Linear(3, 3)})

    def forward(self, x):
        for name in sorted(self.parts):
            x = torch.relu(self.parts[name](x))
        for layer in self.parts.values():
            x = layer(x)
        return x


class HandLSTM(nn.Module):
    """A cell called in a loop, with the state in a tuple."""

    def __init__(self) -> None:
        super().__init__()
        self.gates = nn.Linear(7, 16)

    def step(self, x, state):
        h, c = state
        i, f, g, o = self.gates(torch.cat([x, h], -1)).chunk(4, -1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        return o.sigmoid() * c.tanh(), c

    def forward(self, x, state=None):
        if state is None:
            state = (x.new_zeros(x.size(0), 4), x.new_zeros(x.size(0), 4))
        outs = []
        for t in range(x.size(1)):
            state = self.step(x[:, t], state)
            outs.append(state[0])
        return torch.stack(outs, 1), state


class CellLoop(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.GRUCell(3, 4)
        self.head = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))

    def forward(self, x):
        h = torch.zeros(x.size(0), 4)
        out = torch.zeros(x.size(0), x.size(1), 2)
        for t in range(x.size(1)):
            h = self.cell(x[:, t], h)
            out[:, t] = self.head(h)
        return out


class Stacked(nn.Module):
    """Layers in time: the loop over layers unrolls inside the loop over steps."""

    def __init__(self) -> None:
        super().__init__()
        self.cells = nn.ModuleList([nn.RNNCell(3, 4), nn.RNNCell(4, 4)])

    def forward(self, x):
        states = [torch.zeros(x.size(0), 4) for _ in self.cells]
        for t in range(x.size(1)):
            below = x[:, t]
            for i, cell in enumerate(self.cells):
                states[i] = cell(below, states[i])
                below = states[i]
        return torch.stack(states)


class Counter(nn.Module):
    """A buffer changed in place in a loop."""

    total: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("total", torch.zeros(3))

    def forward(self, x):
        for row in x:
            self.total.add_(row)
            self.total.mul_(0.5)
        return self.total * 2


class Stateful(nn.Module):
    """An attribute that the loop assigns."""

    def __init__(self) -> None:
        super().__init__()
        self.state = torch.zeros(3)
        self.calls = 0

    def forward(self, x):
        for row in x:
            self.state = torch.tanh(self.state + row)
        self.calls += 1
        return self.state + self.calls


class DepthByArgument(nn.Module):
    """One layer applied n times."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 3)

    def forward(self, x, n):
        for _ in range(n):
            x = torch.tanh(self.layer(x))
        return x


class EarlyExit(nn.Module):
    """Stops at the first layer that is sure."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(3, 3) for _ in range(3))

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
            if x.softmax(-1).max() > 0.6:
                return x
        return x * 0


BATCHES = (of((2, 9, 3)), of((1, 1, 3)))
module(Layers, of((2, 3)), of((0, 3)), unrolled=True)
module(NamedLayers, of((2, 3)), unrolled=True)
module(HandLSTM, *BATCHES, lambda: (floats(2, 5, 3), (floats(2, 4), floats(2, 4))), loops=1)
module(CellLoop, *BATCHES, of((2, 0, 3)), loops=1)
module(Stacked, *BATCHES, loops=1)
module(Counter, of((9, 3)), of((1, 3)), of((0, 3)), loops=1)
module(Stateful, of((9, 3)), of((1, 3)), compiled=False)
module(DepthByArgument, lambda: (floats(2, 3), 20), lambda: (floats(2, 3), 1), lambda: (floats(2, 3), 0), loops=1)
module(EarlyExit, of((1, 3)), lambda: (torch.full((1, 3), 30.0),), lambda: (torch.zeros(1, 3),))
