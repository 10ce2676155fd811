"""`dynamic_slice` in every kind of kernel, and `update` kernels, against torch."""

from __future__ import annotations

import pytest
import torch
from support.program_harness import kernel, run

from jic.dialects import build as b


def index(i: int) -> torch.Tensor:
    return torch.tensor(i)


def clamped(i: int, size: int, part: int) -> slice:
    start = max(0, min(i, size - part))
    return slice(start, start + part)


@pytest.mark.parametrize("i", [-3, 0, 2, 4, 5, 100, -(2**62)])
@pytest.mark.parametrize("shape, dim, size", [((6, 40), 0, 2), ((5, 37), 1, 20), ((3, 7, 50), 1, 1), ((9,), 0, 9)])
def test_pointwise(shape, dim, size, i):
    x = torch.randn(shape)
    (found,) = run(
        lambda x, i: kernel([x, i], lambda x, i: b.elementwise("exp", b.dynamic_slice(x, i, dim, size))), x, index(i)
    )
    at = clamped(i, shape[dim], size)
    expected = x[(slice(None),) * dim + (at,)].exp()
    torch.testing.assert_close(found, expected)


def test_of_views_and_computed_starts():
    x, y = torch.randn(8, 6, 10), torch.randn(10, 3)
    starts = torch.tensor([2, 1, 4])

    def body(x, y, starts, i):
        at = b.reshape(b.dynamic_slice(starts, i, 0, 1), [])
        rows = b.dynamic_slice(b.transpose(x, [2, 0, 1]), at, 1, 3)  # [10, 3, 6]
        more = b.dynamic_slice(b.pad(y, [0, 2], [0, 1], 7.0), b.elementwise("add", at, at), 1, 2)  # [10, 2] of [10, 6]
        return b.elementwise("add", rows, b.broadcast(b.dynamic_slice(more, i, 1, 1), [10, 3, 6], [0, 2]))

    padded = torch.nn.functional.pad(y, (2, 1), value=7.0)
    for i in (0, 1, 2):
        (found,) = run(lambda *a: kernel(a, body), x, y, starts, index(i))
        at = int(starts[i])
        more = padded[:, clamped(2 * at, 6, 2)]
        expected = x.permute(2, 0, 1)[:, at : at + 3] + more[:, clamped(i, 2, 1)][:, None]
        torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("dims", [(0,), (1,), (0, 1)])
@pytest.mark.parametrize("i", [0, 3])
def test_reduction(dims, i):
    x = torch.randn(5, 33, 20)

    def body(x, i):
        part = b.reshape(b.dynamic_slice(x, i, 0, 1), [33, 20])
        total = b.reduce(part, "sum", list(dims))
        kept = [d for d in range(2) if d not in dims]
        return b.elementwise("mul", part, b.broadcast(total, [33, 20], kept))

    (found,) = run(lambda *a: kernel(a, body, "reduction"), x, index(i))
    torch.testing.assert_close(found, x[i] * x[i].sum(dims, keepdim=True), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("size", [4, 70])
@pytest.mark.parametrize("i", [0, 2])
@pytest.mark.parametrize("transposed", [False, True])
def test_contraction(size, i, transposed):
    """Slices on both sides, directly and through arithmetic, and in the epilogue."""
    x, w = torch.randn(3, size, 48), torch.randn(48, 100)
    w = w.t().contiguous() if transposed else w
    bias = torch.randn(3, 64)

    def body(x, w, bias, i):
        a = b.reshape(b.dynamic_slice(x, i, 0, 1), [size, 48])
        c = b.dynamic_slice(w, i, 0 if transposed else 1, 64)
        product = b.matmul(b.elementwise("relu", a), c, False, transposed)
        return b.elementwise("add", product, b.broadcast(b.dynamic_slice(bias, i, 0, 1), [size, 64], [0, 1]))

    (found,) = run(lambda *a: kernel(a, body, "contraction"), x, w, bias, index(i))
    right = (w.t() if transposed else w)[:, i : i + 64]
    torch.testing.assert_close(found, x[i].relu() @ right + bias[i], rtol=1e-4, atol=1e-4)
    (plain,) = run(
        lambda x, w, i: kernel(
            [x, w, i],
            lambda x, w, i: b.matmul(
                b.reshape(b.dynamic_slice(x, i, 0, 1), [size, 48]),
                b.dynamic_slice(w, i, 0 if transposed else 1, 64),
                False,
                transposed,
            ),
            "contraction",
        ),
        x,
        w,
        index(i),
    )
    torch.testing.assert_close(plain, x[i] @ right, rtol=1e-4, atol=1e-4)


def test_concat_and_scan():
    x = torch.randn(4, 6, 20)
    (found,) = run(
        lambda *a: kernel(
            a, lambda x, i: b.concat([b.dynamic_slice(x, i, 0, 2), b.elementwise("neg", x)], 0), "concat"
        ),
        x,
        index(1),
    )
    torch.testing.assert_close(found, torch.cat([x[1:3], -x]))
    for dim in (0, 1):
        (found,) = run(
            lambda *a, dim=dim: kernel(
                a, lambda x, i: b.cumulative(b.reshape(b.dynamic_slice(x, i, 0, 1), [6, 20]), "sum", dim), "scan"
            ),
            x,
            index(2),
        )
        torch.testing.assert_close(found, x[2].cumsum(dim), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("i", [-1, 0, 3, 9])
@pytest.mark.parametrize("shape, dim, size", [((6, 40), 0, 2), ((5, 37), 1, 20), ((4, 1, 30), 1, 1), ((70,), 0, 3)])
def test_update(shape, dim, size, i):
    x = torch.randn(shape)
    part = [size if d == dim else n for d, n in enumerate(shape)]
    y = torch.randn(part)
    (found,) = run(
        lambda x, y, i: kernel(
            [x, y, i], lambda x, y, i: b.dynamic_update(x, b.elementwise("exp", y), i, dim), "update"
        ),
        x,
        y,
        index(i),
    )
    expected = x.clone()
    expected[(slice(None),) * dim + (clamped(i, shape[dim], size),)] = y.exp()
    torch.testing.assert_close(found, expected)


def test_update_reads_what_it_replaces():
    x, y = torch.randn(6, 40), torch.randn(1, 40)

    def body(x, y, i, j):
        here = b.elementwise("add", b.dynamic_slice(x, i, 0, 1), y)
        there = b.elementwise("mul", b.dynamic_slice(x, j, 0, 1), y)
        return [b.dynamic_update(x, here, i, 0), b.dynamic_update(x, there, i, 0), b.reshape(here, [40])]

    one, two, plain = run(lambda *a: kernel(a, body, "update"), x, y, index(2), index(3))
    first, second = x.clone(), x.clone()
    first[2] += y[0]
    second[2] = x[3] * y[0]
    for found, expected in ((one, first), (two, second), (plain, first[2])):
        torch.testing.assert_close(found, expected)


def test_two_buffers_and_a_plain_result():
    """The slices lie along other dims of other shapes than the plain result."""
    x, out, other = torch.randn(4, 6), torch.zeros(3, 4, 6), torch.zeros(4, 5, 6)

    def body(x, out, other, i):
        new = b.elementwise("tanh", x)
        return [
            b.dynamic_update(out, b.reshape(new, [1, 4, 6]), i, 0),
            b.dynamic_update(other, b.reshape(b.elementwise("neg", new), [4, 1, 6]), i, 1),
            new,
        ]

    found = run(lambda *a: kernel(a, body, "update"), x, out, other, index(1))
    out[1], other[:, 1] = x.tanh(), -x.tanh()
    for a, expected in zip(found, (out, other, x.tanh()), strict=True):
        torch.testing.assert_close(a, expected)
