"""Random recurrences: bodies of random ops on random states, against the same ops in torch float64."""

from __future__ import annotations

import random

import pytest
import torch
from recurrence_harness import loop_program, run_program
from torch_mlir import ir

from jic.dialects import build as b

ew = b.elementwise


def shape_of(value: ir.Value) -> list[int]:
    return list(ir.RankedTensorType(value.type).shape)


class Both:
    """Builds a body op by op; run once with IR values and once, with the same choices, with torch tensors."""

    def __init__(self, seed: int, batch: int, matmuls: bool) -> None:
        self.rng, self.batch = random.Random(seed), batch
        self.kinds = ["unary", "binary", "binary", "slice", "concat", "mean", "softmax", "reverse", "split"]
        self.kinds += ["matmul"] * matmuls
        self.weights_now: list = []

    def body(self, i, states: list, x, count: int, torch_side: bool) -> tuple[list, object]:
        self.t = torch_side
        pool = [*states, self.row(x, i)]
        for _ in range(count):
            pool.append(self.random(pool))
        return [self.fit(self.rng.choice(pool[-4:]), shape) for shape in map(self.shape, states)], pool[-1]

    def shape(self, v) -> list[int]:
        return list(v.shape) if self.t else shape_of(v)

    def row(self, x, i):
        if self.t:
            return x[:, i]
        shape = shape_of(x)
        return b.reshape(b.dynamic_slice(x, i, 1, 1), [shape[0], *shape[2:]])

    def fit(self, v, shape: list[int]):
        """`v`, of whatever width, as `shape`: cut, or padded, and tamed."""
        have = self.shape(v)
        width, want = have[1], shape[1]
        if self.t:
            v = torch.nn.functional.pad(v, [0, max(0, want - width)])[:, :want]
            return torch.tanh(v)
        if width < want:
            v = b.pad(v, [0, 0], [0, want - width], 0.0)
        return ew("tanh", b.slice_(v, [0, 0], [have[0], want], [1, 1]) if width > want else v)

    def random(self, pool: list):
        rng = self.rng
        kind = rng.choice(self.kinds)
        v = rng.choice(pool)
        width = self.shape(v)[1]
        if kind == "unary":
            name = rng.choice(["tanh", "sigmoid", "neg", "relu"])
            return getattr(torch, name)(v) if self.t else ew(name, v)
        if kind == "binary":
            other = self.fit(rng.choice(pool), self.shape(v))
            name = rng.choice(["add", "sub", "mul", "maximum"])
            return getattr(torch, name)(v, other) if self.t else ew(name, v, other)
        if kind == "matmul":
            w = rng.choice(self.weights_now)
            v = self.fit(v, [self.batch, self.shape(w)[0]])
            return v @ w if self.t else b.matmul(v, w)
        if kind == "slice":
            start, step = rng.randrange(width), rng.choice([1, 1, 2])
            size = max(1, (width - start) // step)
            end = [self.batch, size]
            return v[:, start : start + size * step : step] if self.t else b.slice_(v, [0, start], end, [1, step])
        if kind == "concat":
            other = rng.choice(pool)
            if width + self.shape(other)[1] > (60 if "matmul" in self.kinds else 6):
                return v
            return torch.cat([v, other], 1) if self.t else b.concat([v, other], 1)
        if kind == "mean":
            if self.t:
                return v - v.sum(1, keepdim=True) * 0.1
            total = b.broadcast(ew("mul", b.reduce(v, "sum", [1]), b.splat([self.batch], ir.F32Type.get(), 0.1)),
                                shape_of(v), [0])  # fmt: skip
            return ew("sub", v, total)
        if kind == "softmax":
            if self.t:
                e = torch.exp(v - v.amax(1, keepdim=True))
                return e / e.sum(1, keepdim=True)
            e = ew("exp", ew("sub", v, b.broadcast(b.reduce(v, "max", [1]), shape_of(v), [0])))
            return ew("div", e, b.broadcast(b.reduce(e, "sum", [1]), shape_of(v), [0]))
        if kind == "reverse":
            return v.flip(1) if self.t else b.reverse(v, [1])
        if width % 2:
            return v
        half = [self.batch, 2, width // 2]
        if self.t:
            return v.reshape(half).transpose(1, 2).reshape(self.batch, width)
        turned = b.transpose(b.reshape(v, half), [0, 2, 1])
        return b.reshape(turned, [self.batch, width])


@pytest.mark.parametrize("seed", range(40))
def test_random_recurrence(seed: int) -> None:
    run(seed, [1, 2, 5, 16, 24, 33], True)


@pytest.mark.parametrize("seed", range(100, 115))
def test_random_recurrence_of_tiny_rows(seed: int) -> None:
    """Without matmuls and with a few elements a row: scratch is laid out with rows side by side."""
    run(seed, [1, 2, 3], False)


def run(seed: int, choices: list[int], matmuls: bool) -> None:
    rng = random.Random(seed)
    torch.manual_seed(seed)
    batch, trip = rng.choice([1, 2, 3, 8, 17, 33] if matmuls else [2, 15, 16, 17, 40, 100]), rng.choice([1, 2, 5])
    widths = [rng.choice(choices) for _ in range(rng.choice([1, 2, 3]))]
    weights = [[rng.choice([3, 16, 20]), rng.choice([2, 17, 48])] for _ in range(2)]
    shapes: list[list[int]] = [[batch, w] for w in widths] + [[batch, trip, 4 if matmuls else 2]] + weights
    count = rng.randrange(2, 9)
    # with one row there is no batch dim, and a loop without a matmul is then left alone
    made = Both(seed, batch, matmuls)

    def step(i, *values):
        states, x, made.weights_now = list(values[: len(widths)]), values[len(widths)], values[len(widths) + 1 :]
        made.rng = random.Random(seed)
        next_, _ = made.body(i, states, x, count, False)
        if batch == 1:
            anchor = made.fit(b.matmul(made.fit(next_[0], [1, weights[0][0]]), made.weights_now[0]), [1, widths[0]])
            next_[0] = ew("add", next_[0], anchor)
        return next_

    program = loop_program([(s, "f32") for s in shapes], len(widths), trip, step)
    inputs = [torch.randn(s) * 0.5 for s in shapes]
    values = [t.double() for t in inputs]
    states = values[: len(widths)]
    made.weights_now = values[len(widths) + 1 :]
    for i in range(trip):
        made.rng = random.Random(seed)
        next_, _ = made.body(i, states, values[len(widths)], count, True)
        if batch == 1:
            anchor = made.fit(made.fit(next_[0], [1, weights[0][0]]) @ made.weights_now[0], [1, widths[0]])
            next_[0] = next_[0] + anchor
        states = next_
    for found, expected in zip(run_program(program, inputs), states, strict=True):
        torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=1e-4)
