"""Appends in both branches and exchanged buffers are one loop, however many steps it has."""

from __future__ import annotations

import pytest
import torch

import jic

UNCACHED = jic.JitConfig(enable_caching=False)


def both(x):
    out = []
    for _ in range(12):
        x = x * 0.9 + 0.01
        if x.mean() > 0:
            out.append(x)
        else:
            out.append(-x)
    return torch.stack(out)


def pairs(x):
    out = [(x, 0)]
    for i in range(12):
        x = torch.sin(x)
        if x[0] > 0.2:
            out.append((x, i))
        elif x[1] > 0:
            out.append((x * 2, 2 * i))
        else:
            out.append((-x, 3))
    return [v for v, _ in out], [k for _, k in out]


def stencil(u, v):
    for _ in range(11):
        u[1:-1] = 0.5 * (v[2:] + v[:-2])
        u, v = v, u
    return u + 0, v + 0


def half_own(u):
    v = torch.zeros_like(u)
    for _ in range(12):
        v[1:-1] = 0.5 * (u[2:] + u[:-2])
        u, v = v, u
    return u + 0


def three(u, v, w):
    for _ in range(10):
        u.add_(v * 0.5)
        v[0] += w[0]
        u, v, w = v, w, u
    return u + 0, v + 0, w + 0


def of_a_list(u, v):
    buffers = [u, v]
    for _ in range(7):
        buffers[0][1:-1] = 0.5 * (buffers[1][2:] + buffers[1][:-2])
        buffers = buffers[::-1]
    return buffers[0] + 0


def in_a_branch(u, v):
    if u.sum() > 0:
        for _ in range(5):
            u[1:-1] = 0.5 * (v[2:] + v[:-2])
            u, v = v, u
    return u + 0, v + 0


def seen_afterwards(u, v):
    part = u[1:]
    for _ in range(7):
        u[1:-1] = 0.5 * (v[2:] + v[:-2])
        u, v = v, u
    part += 1
    return u + 0, v + 0


def seen_inside(u, v):
    """No loop: a step reads one of the buffers under another name."""
    w = u
    for _ in range(7):
        u[1:-1] = 0.5 * (v[2:] + v[:-2]) + w[0]
        u, v = v, u
    return u + 0, v + 0


@pytest.mark.parametrize(
    ("function", "tensors", "loops"),
    [(both, 1, 1), (pairs, 1, 1), (stencil, 2, 1), (half_own, 1, 1), (three, 3, 1), (of_a_list, 2, 1),
     (in_a_branch, 2, 1), (seen_afterwards, 2, 1), (seen_inside, 2, 0)],
    ids=lambda v: getattr(v, "__name__", ""),
)  # fmt: skip
def test_is_a_loop(function, tensors: int, loops: int) -> None:
    compiled = jic.compile(function, config=UNCACHED)
    with torch.no_grad():
        for shift in (0.0, -0.8):
            ours = [torch.rand(9) + shift for _ in range(tensors)]
            eager = [t.clone() for t in ours]
            torch.testing.assert_close(compiled(*ours), function(*eager))
            torch.testing.assert_close(ours, eager)
    assert not any(s["eager"] for s in compiled.stats()["signatures"])
    assert compiled.ir("jic").count('"jic.loop"') == loops
