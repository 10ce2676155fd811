"""Recurrence kernels against torch in float64: cells of many shapes, what a body may hold, and how state and outputs are kept."""

from __future__ import annotations

import dataclasses
import itertools

import pytest
import torch
from recurrence_harness import loop_program, number, run_program
from torch_mlir import ir

from jic.dialects import build as b
from jic.targets.cpu.machine import host

DTYPES = {"f32": torch.float32, "f64": torch.float64, "bf16": torch.bfloat16}
TOLERANCE = {"f32": 2e-5, "f64": 1e-12, "bf16": 3e-2}
ew = b.elementwise


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def row(x: ir.Value, i: ir.Value, dim: int) -> ir.Value:
    """`x[…, i, …]`"""
    shape = list(ir.RankedTensorType(x.type).shape)
    del shape[dim]
    return b.reshape(b.dynamic_slice(x, i, dim, 1), shape)


def put(buffer: ir.Value, value: ir.Value, i: ir.Value, dim: int) -> ir.Value:
    shape = list(ir.RankedTensorType(value.type).shape)
    return b.dynamic_update(buffer, b.reshape(value, [*shape[:dim], 1, *shape[dim:]]), i, dim)


def check(program, inputs: list[torch.Tensor], expected: list[torch.Tensor], element: str = "f32") -> None:
    for found, wanted in zip(run_program(program, inputs), expected, strict=True):
        assert found.shape == wanted.shape
        tolerance = TOLERANCE[element]
        torch.testing.assert_close(found.double(), wanted.double(), rtol=tolerance, atol=tolerance)


def rand(*shape: int, element: str = "f32", scale: float = 1.0) -> torch.Tensor:
    return (torch.randn(shape, dtype=torch.float64) * scale).to(DTYPES[element])


CELLS = [
    *((batch, 48, 7, "f32", False, 1, False) for batch in (1, 2, 3, 5, 7, 8, 9, 16, 17, 33, 70)),
    *((17, hidden, 2, "f32", False, 1, False) for hidden in (1, 2, 5, 31, 100, 256)),
    *((5, 33, trip, "f32", False, 1, False) for trip in (1, 2, 7)),
    *((batch, 40, 3, element, False, 1, False) for batch in (3, 12) for element in ("f64", "bf16")),
    *((batch, 37, 4, "f32", True, dim, True) for batch in (1, 4, 19) for dim in (0, 1)),
]


@pytest.mark.parametrize(("batch", "hidden", "trip", "element", "transposed", "dim", "backwards"), CELLS)
def test_cell(batch, hidden, trip, element, transposed, dim, backwards) -> None:
    """h = tanh(x_t + h @ w + bias), stacked along either dim, forwards and backwards."""
    steps = [batch, trip, hidden] if dim else [trip, batch, hidden]

    def step(i, h, buffer, x, w, bias):
        at = ew("sub", number(trip - 1), i) if backwards else i
        sums = ew("add", row(x, at, dim), b.matmul(h, w, transpose_rhs=transposed))
        h = ew("tanh", ew("add", sums, b.broadcast(bias, [batch, hidden])))
        return [h, put(buffer, h, at, dim)]

    shapes = [[batch, hidden], steps, steps, [hidden, hidden], [hidden]]
    program = loop_program([(s, element) for s in shapes], 2, trip, step)
    inputs = [rand(*s, element=element, scale=1 / hidden**0.5 if s == [hidden, hidden] else 1) for s in shapes]
    h, buffer, x, w, bias = (t.double() for t in inputs)
    stack = list(buffer.unbind(dim))
    for t in range(trip):
        t = trip - 1 - t if backwards else t
        h = torch.tanh(x.select(dim, t) + h @ (w.T if transposed else w) + bias)
        stack[t] = h
    check(program, inputs, [h, torch.stack(stack, dim)], element)


@pytest.mark.parametrize("trip", [0, 1, 5, 9])
@pytest.mark.parametrize("batch", [1, 6])
def test_trip_count_at_run_time(batch, trip) -> None:
    """Rows of the output buffer that no step writes keep what they held; a start past the end is clamped."""

    def step(i, h, buffer, w):
        h = ew("sigmoid", b.matmul(h, w))
        return [h, put(buffer, h, i, 1)]

    types = [((batch, 20), "f32"), ((batch, 7, 20), "f32"), ((20, 20), "f32"), ((), "i64")]
    program = loop_program(types, 2, None, step)
    inputs = [rand(batch, 20), rand(batch, 7, 20), rand(20, 20), torch.tensor(trip)]
    h, buffer, w = (t.double() for t in inputs[:3])
    buffer = buffer.clone()
    for t in range(trip):
        h = torch.sigmoid(h @ w)
        buffer[:, min(t, 6)] = h
    check(program, inputs, [h, buffer])


LSTMS = [*((b, h, None) for b, h in ((1, 24), (4, 16), (13, 50), (32, 64))), (13, 50, 256), (13, 50, 128)]


@pytest.mark.parametrize(("batch", "hidden", "vector_bits"), LSTMS)
def test_lstm(batch, hidden, vector_bits) -> None:
    """Also for machines with narrower vectors and fewer registers."""
    machine = dataclasses.replace(host(), vector_bits=vector_bits, vector_registers=16) if vector_bits else None

    def step(i, h, c, buffer, x, wx, wh, bias):
        gates = ew("add", b.matmul(row(x, i, 0), wx, transpose_rhs=True), b.matmul(h, wh, transpose_rhs=True))
        gates = ew("add", gates, b.broadcast(bias, [batch, 4 * hidden]))
        gi, gf, gg, go = (b.slice_(gates, [0, k * hidden], [batch, hidden], [1, 1]) for k in range(4))
        c = ew("add", ew("mul", ew("sigmoid", gf), c), ew("mul", ew("sigmoid", gi), ew("tanh", gg)))
        h = ew("mul", ew("sigmoid", go), ew("tanh", c))
        return [h, c, put(buffer, h, i, 0)]

    trip, inner = 6, 10
    shapes = [[batch, hidden], [batch, hidden], [trip, batch, hidden], [trip, batch, inner], [4 * hidden, inner]]
    shapes += [[4 * hidden, hidden], [4 * hidden]]
    program = loop_program([(s, "f32") for s in shapes], 3, trip, step, machine=machine)
    inputs = [rand(*s, scale=0.5) for s in shapes]
    h, c, _, x, wx, wh, bias = (t.double() for t in inputs)
    outputs = []
    for t in range(trip):
        gi, gf, gg, go = (x[t] @ wx.T + h @ wh.T + bias).chunk(4, 1)
        c = gf.sigmoid() * c + gi.sigmoid() * gg.tanh()
        h = go.sigmoid() * c.tanh()
        outputs.append(h)
    check(program, inputs, [h, c, torch.stack(outputs)])


@pytest.mark.parametrize("batch", [1, 3, 20])
def test_gru_whose_reset_gate_comes_before_the_product(batch) -> None:
    """A matmul that reads what another stage computes, and a state that is read by both."""
    hidden, trip = 36, 5

    def step(i, h, x, w, wn):
        gates = ew("sigmoid", b.matmul(h, w))
        z, r = (b.slice_(gates, [0, k * hidden], [batch, hidden], [1, 1]) for k in range(2))
        n = ew("tanh", ew("add", b.matmul(ew("mul", r, h), wn), row(x, i, 1)))
        one = b.splat_like(z, 1.0)
        return [ew("add", ew("mul", ew("sub", one, z), n), ew("mul", z, h))]

    shapes = [[batch, hidden], [batch, trip, hidden], [hidden, 2 * hidden], [hidden, hidden]]
    program = loop_program([(s, "f32") for s in shapes], 1, trip, step)
    inputs = [rand(*s, scale=0.4) for s in shapes]
    h, x, w, wn = (t.double() for t in inputs)
    for t in range(trip):
        z, r = torch.sigmoid(h @ w).chunk(2, 1)
        h = (1 - z) * torch.tanh((r * h) @ wn + x[:, t]) + z * h
    check(program, inputs, [h])


@pytest.mark.parametrize(("batch", "hidden"), list(itertools.product([2, 9], [3, 16, 70])))
@pytest.mark.parametrize("kind", ["layer_norm", "softmax"])
def test_normalised_cell(batch, hidden, kind) -> None:
    def step(i, h, w):
        z = b.matmul(h, w)
        return [b.layer_norm(z, [], 1, 1e-5) if kind == "layer_norm" else b.softmax(z, 1)]

    shapes = [[batch, hidden], [hidden, hidden]]
    program = loop_program([(s, "f32") for s in shapes], 1, 4, step, decompose=True)
    inputs = [rand(*s) for s in shapes]
    h, w = (t.double() for t in inputs)
    for _ in range(4):
        z = h @ w
        h = torch.nn.functional.layer_norm(z, [hidden]) if kind == "layer_norm" else z.softmax(1)
    for found, expected in zip(run_program(program, inputs), [h], strict=True):
        torch.testing.assert_close(found.double(), expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("shape", [(1000, 3), (33, 1), (50,), (7, 40), (3, 4, 5), (2, 100), (64, 512)])
def test_elementwise_loop_with_a_carried_scalar(shape) -> None:
    """y += dt * f(y); dt *= 0.9, and a buffer of every step's y."""
    trip = 6

    def step(i, y, dt, buffer, k):
        scaled = ew("mul", b.broadcast(dt, shape, []), ew("sub", k, ew("mul", y, y)))
        y = ew("add", y, scaled)
        dt = ew("mul", dt, b.splat([], ir.F32Type.get(), 0.9))
        return [y, dt, put(buffer, y, i, len(shape))]

    types = [(shape, "f32"), ((), "f32"), ((*shape, trip), "f32"), (shape, "f32")]
    program = loop_program(types, 3, trip, step)
    inputs = [rand(*shape, scale=0.3), torch.tensor(0.1), torch.zeros(*shape, trip), rand(*shape)]
    y, dt, _, k = (t.double() for t in inputs)
    outputs = []
    for _ in range(trip):
        y, dt = y + dt * (k - y * y), dt * 0.9
        outputs.append(y)
    check(program, inputs, [y, dt, torch.stack(outputs, len(shape))])


def test_swapped_unchanged_and_doubled_states() -> None:
    """a, b = b, a + c; c stays; d and e get one value."""

    def step(i, a, other, c, d, e):
        new = ew("add", a, d)
        return [other, ew("add", a, c), c, new, new]

    shapes = [[12, 5]] * 5
    program = loop_program([(s, "f32") for s in shapes], 5, 5, step)
    inputs = [rand(*s) for s in shapes]
    a, other, c, d, e = (t.double() for t in inputs)
    for _ in range(5):
        a, other, d = other, a + c, a + d
        e = d
    check(program, inputs, [a, other, c, d, e])


def test_states_that_move_within_a_row() -> None:
    """Each step reads its old state at other places than it writes: reversed, shifted, concatenated, transposed."""

    def step(i, a, m):
        head, tail = b.slice_(a, [0, 0], [9, 2], [1, 1]), b.slice_(a, [0, 2], [9, 4], [1, 1])
        rolled = b.concat([tail, ew("neg", head)], 1)
        turned = b.transpose(b.reverse(m, [2]), [0, 2, 1])
        return [rolled, turned]

    shapes = [[9, 6], [9, 4, 4]]
    program = loop_program([(s, "f32") for s in shapes], 2, 3, step)
    inputs = [rand(*s) for s in shapes]
    a, m = (t.double() for t in inputs)
    for _ in range(3):
        a = torch.cat([a[:, 2:], -a[:, :2]], 1)
        m = m.flip(2).transpose(1, 2)
    check(program, inputs, [a, m])


@pytest.mark.parametrize("kind", ["sum", "max", "argmax"])
@pytest.mark.parametrize("dims", [[1], [2], [1, 2]])
def test_reductions(kind, dims) -> None:
    if kind == "argmax" and len(dims) > 1:
        pytest.skip("argmax reduces one dim")

    def step(i, a, x):
        found = b.reduce(ew("mul", a, x), kind, dims)
        if kind == "argmax":
            found = b.convert(found, ir.F32Type.get())
        kept = [d for d in range(3) if d not in dims]
        return [ew("sub", ew("mul", a, b.splat_like(a, 0.5)), b.broadcast(found, [10, 7, 20], kept))]

    program = loop_program([([10, 7, 20], "f32")] * 2, 1, 3, step)
    inputs = [rand(10, 7, 20), rand(10, 7, 20)]
    a, x = (t.double() for t in inputs)
    for _ in range(3):
        y = a * x
        r = {"sum": y.sum, "max": y.amax, "argmax": y.argmax}[kind](dims if kind != "argmax" else dims[0], keepdim=True)
        a = a * 0.5 - r
    check(program, inputs, [a])


@pytest.mark.parametrize("transpose_lhs", [False, True])
def test_weights_on_the_left(transpose_lhs) -> None:
    """`W @ v`: the rows are the columns of the right operand; also one vector, for which there is no batch dim."""
    for batch in (1, 11):

        def step(i, v, w):
            return [ew("tanh", b.matmul(w, v, transpose_lhs=transpose_lhs))]

        program = loop_program([([30, batch], "f32"), ([30, 30], "f32")], 1, 4, step)
        inputs = [rand(30, batch), rand(30, 30, scale=0.3)]
        v, w = (t.double() for t in inputs)
        for _ in range(4):
            v = torch.tanh((w.T if transpose_lhs else w) @ v)
        check(program, inputs, [v])


def test_tall_products_and_a_state_that_is_a_product() -> None:
    """A projection to another width and back; the next state is the product itself."""

    def step(i, h, up, down):
        return [b.matmul(ew("relu", b.matmul(h, up)), down)]

    shapes = [[10, 12], [12, 70], [70, 12]]
    program = loop_program([(s, "f32") for s in shapes], 1, 3, step)
    inputs = [rand(*s, scale=0.3) for s in shapes]
    h, up, down = (t.double() for t in inputs)
    for _ in range(3):
        h = (h @ up).relu() @ down
    check(program, inputs, [h])


def test_mask_and_integers() -> None:
    """Mandelbrot's iteration: a bool state, an integer count, a scalar that counts steps."""

    def step(i, re, im, alive, count, c):
        square = ew("sub", ew("mul", re, re), ew("mul", im, im))
        both = ew("mul", re, im)
        re2, im2 = ew("add", square, c), ew("add", ew("add", both, both), c)
        norm = ew("add", ew("mul", re2, re2), ew("mul", im2, im2))
        alive2 = ew("and", alive, b.compare("lt", norm, b.splat_like(norm, 4.0)))
        count2 = ew("add", count, b.convert(alive2, ir.IntegerType.get_signless(64)))
        return [b.select(alive2, re2, re), b.select(alive2, im2, im), alive2, count2]

    shape = [37, 21]
    types = [(shape, "f32"), (shape, "f32"), (shape, "i1"), (shape, "i64"), (shape, "f32")]
    program = loop_program(types, 4, 20, step)
    c = torch.randn(shape)
    inputs = [torch.zeros(shape), torch.zeros(shape), torch.ones(shape, dtype=torch.bool), torch.zeros(shape).long(), c]
    re, im, alive, count, _ = (t.clone() for t in inputs)
    for _ in range(20):
        re2, im2 = re * re - im * im + c, re * im + re * im + c
        alive = alive & (re2 * re2 + im2 * im2 < 4)
        count = count + alive
        re, im = torch.where(alive, re2, re), torch.where(alive, im2, im)
    found = run_program(program, inputs)
    assert (found[3] != count).float().mean() < 0.01  # a borderline point may escape a step earlier


@pytest.mark.parametrize("shape", [(5, 40), (3, 2, 33), (100, 16)])
def test_rows_along_the_last_dim(shape) -> None:
    """Each column is a chain of its own: the batch dim is the last one of all states and inputs."""
    dims = list(range(1, len(shape)))

    def step(i, a, x):
        total = b.broadcast(b.reduce(ew("mul", a, x), "sum", [0]), shape, dims)
        return [ew("tanh", ew("sub", b.reverse(a, [0]), total))]

    program = loop_program([(shape, "f32")] * 2, 1, 4, step)
    inputs = [rand(*shape), rand(*shape)]
    a, x = (t.double() for t in inputs)
    for _ in range(4):
        a = torch.tanh(a.flip(0) - (a * x).sum(0, keepdim=True))
    check(program, inputs, [a])


@pytest.mark.parametrize("kind", ["any", "all"])
def test_reductions_of_bools(kind) -> None:
    def step(i, a):
        bit = b.compare("gt", a, b.splat_like(a, 0.2))
        found = b.convert(b.broadcast(b.reduce(bit, kind, [1]), [9, 3], [0]), ir.F32Type.get())
        return [ew("sub", a, ew("mul", found, b.splat_like(a, 0.3)))]

    program = loop_program([([9, 3], "f32")], 1, 3, step)
    inputs = [rand(9, 3)]
    a = inputs[0].double()
    for _ in range(3):
        a = a - 0.3 * getattr(a > 0.2, kind)(1, keepdim=True)
    check(program, inputs, [a])


@pytest.mark.parametrize("batch", [1, 2, 9, 20])
def test_attention_over_invariant_memory(batch) -> None:
    """Products of each row's own matrices: scores, weighted sums, and an outer product that a state gathers."""
    length, hidden = 7, 20

    def step(i, h, state, memory, w):
        query = b.reshape(ew("tanh", b.matmul(h, w)), [batch, hidden, 1])
        scores = b.softmax(b.reshape(b.matmul(memory, query), [batch, length]), 1)
        found = b.matmul(b.reshape(scores, [batch, 1, length]), memory)
        outer = b.matmul(b.reshape(h, [batch, hidden, 1]), found)
        state = ew("add", ew("mul", state, b.splat_like(state, 0.5)), outer)
        kept = b.matmul(state, query, transpose_lhs=True)
        return [ew("add", b.reshape(found, [batch, hidden]), b.reshape(kept, [batch, hidden])), state]

    shapes = [[batch, hidden], [batch, hidden, hidden], [batch, length, hidden], [hidden, hidden]]
    program = loop_program([(s, "f32") for s in shapes], 2, 3, step, decompose=True)
    inputs = [rand(*s, scale=0.3) for s in shapes]
    h, state, memory, w = (t.double() for t in inputs)
    for _ in range(3):
        query = torch.tanh(h @ w).unsqueeze(2)
        scores = (memory @ query).softmax(1)
        found = scores.transpose(1, 2) @ memory
        state = state * 0.5 + h.unsqueeze(2) @ found
        h = found.squeeze(1) + (state.transpose(1, 2) @ query).squeeze(2)
    check(program, inputs, [h, state])


@pytest.mark.parametrize(("left", "right"), list(itertools.product([False, True], repeat=2)))
def test_products_of_each_rows_matrices(left, right) -> None:
    def step(i, a, x):
        return [ew("tanh", b.matmul(ew("sigmoid", a), x, transpose_lhs=left, transpose_rhs=right))]

    for shape in ([6, 4, 4], [3, 2, 18, 18]):
        program = loop_program([(shape, "f32")] * 2, 1, 3, step)
        inputs = [rand(*shape), rand(*shape)]
        a, x = (t.double() for t in inputs)
        for _ in range(3):
            s = torch.sigmoid(a)
            a = torch.tanh((s.mT if left else s) @ (x.mT if right else x))
        check(program, inputs, [a])


@pytest.mark.parametrize("left", [False, True])
@pytest.mark.parametrize("rows", [3, 8, 20])
def test_rows_that_meet(rows, left) -> None:
    """No dim runs through: one thread does all rows, of which there need not be whole register blocks."""
    hidden = 18

    def step(i, h, w):
        h = ew("tanh", b.matmul(w, h) if left else b.matmul(h, w))
        dim = 1 if left else 0
        total = b.broadcast(b.reduce(h, "sum", [dim]), shape_of(h), [1 - dim])
        return [ew("sub", h, ew("mul", total, b.splat_like(h, 0.05)))]

    shapes = [[hidden, rows] if left else [rows, hidden], [hidden, hidden]]
    program = loop_program([(s, "f32") for s in shapes], 1, 3, step)
    inputs = [rand(*s, scale=0.3) for s in shapes]
    h, w = (t.double() for t in inputs)
    for _ in range(3):
        h = torch.tanh(w @ h if left else h @ w)
        h = h - h.sum(1 if left else 0, keepdim=True) * 0.05
    check(program, inputs, [h])


def shape_of(value: ir.Value) -> list[int]:
    return list(ir.RankedTensorType(value.type).shape)
