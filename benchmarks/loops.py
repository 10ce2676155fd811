"""Programs with Python control flow, as people write them, for `control_flow.py`.

All are top-level functions or modules with annotated arguments, so that `torch.jit.script` takes them as they stand.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

# ---- recurrent cells ----


def tanh_cell(x_seq: torch.Tensor, h: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """[B, T, H], [B, H] -> [B, T, H], [B, H]: nothing but elementwise work in a step."""
    outs = []
    for t in range(x_seq.size(1)):
        h = torch.tanh(x_seq[:, t] + h)
        outs.append(h)
    return torch.stack(outs, 1), h


def cell(x_seq: torch.Tensor, h: torch.Tensor, w: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """[B, T, H], [B, H], [H, H] -> [B, T, H], [B, H]: a product in each step."""
    outs = []
    for t in range(x_seq.size(1)):
        h = torch.tanh(x_seq[:, t] + h @ w)
        outs.append(h)
    return torch.stack(outs, 1), h


class LSTMByHand(nn.Module):
    """[B, T, I] -> [B, T, H], [B, H], [B, H]: both products are in the loop."""

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.hidden = hidden
        self.x2g = nn.Linear(inputs, 4 * hidden)
        self.h2g = nn.Linear(hidden, 4 * hidden)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        h = torch.zeros(x.size(0), self.hidden)
        c = torch.zeros(x.size(0), self.hidden)
        outs = []
        for t in range(x.size(1)):
            i, f, g, o = (self.x2g(x[:, t]) + self.h2g(h)).chunk(4, 1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
            outs.append(h)
        return torch.stack(outs, 1), h, c


class GRUByHand(nn.Module):
    """[B, T, I] -> [B, T, H], [B, H]."""

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.hidden = hidden
        self.x2g = nn.Linear(inputs, 3 * hidden)
        self.h2g = nn.Linear(hidden, 3 * hidden)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        h = torch.zeros(x.size(0), self.hidden)
        outs = []
        for t in range(x.size(1)):
            xr, xz, xn = self.x2g(x[:, t]).chunk(3, 1)
            hr, hz, hn = self.h2g(h).chunk(3, 1)
            r = torch.sigmoid(xr + hr)
            z = torch.sigmoid(xz + hz)
            n = torch.tanh(xn + r * hn)
            h = (1 - z) * n + z * h
            outs.append(h)
        return torch.stack(outs, 1), h


class VanillaRNN(nn.Module):
    """[T, B, I], [B, H] -> [T, B, O]: KernelBench level 3, problem 34: concat, input layer, tanh, output layer in each step."""

    def __init__(self, inputs: int, hidden: int, outputs: int) -> None:
        super().__init__()
        self.i2h = nn.Linear(inputs + hidden, hidden)
        self.h2o = nn.Linear(hidden, outputs)

    def forward(self, x: torch.Tensor, h: torch.Tensor) -> torch.Tensor:
        outs = []
        for t in range(x.size(0)):
            h = torch.tanh(self.i2h(torch.cat((x[t], h), dim=1)))
            outs.append(self.h2o(h))
        return torch.stack(outs, dim=0)


# ---- differential equations ----


def heat(u: torch.Tensor, r: float, steps: int) -> torch.Tensor:
    """[N] -> [N]: explicit steps of the 1-D heat equation; the ends stay fixed."""
    u = u.clone()
    for _ in range(steps):
        u[1:-1] += r * (u[2:] - 2 * u[1:-1] + u[:-2])
    return u


def heat_periodic(u: torch.Tensor, r: float, steps: int) -> torch.Tensor:
    """[N] -> [N]: the same on a ring."""
    for _ in range(steps):
        u = u + r * (torch.roll(u, 1) - 2 * u + torch.roll(u, -1))
    return u


def lorenz(s: torch.Tensor) -> torch.Tensor:
    """[B, 3] -> [B, 3]: the Lorenz system's right-hand side."""
    x, y, z = s[:, 0], s[:, 1], s[:, 2]
    return torch.stack([10.0 * (y - x), x * (28.0 - z) - y, x * y - 8.0 / 3.0 * z], 1)


def rk4(s: torch.Tensor, dt: float, steps: int) -> torch.Tensor:
    """[B, 3] -> [B, 3]: classical Runge-Kutta steps, a batch of starting points at a time."""
    for _ in range(steps):
        k1 = lorenz(s)
        k2 = lorenz(s + 0.5 * dt * k1)
        k3 = lorenz(s + 0.5 * dt * k2)
        k4 = lorenz(s + dt * k3)
        s = s + dt / 6.0 * (k1 + 2 * k2 + 2 * k3 + k4)
    return s


# ---- loops whose end the data decide ----


def mandelbrot(c_re: torch.Tensor, c_im: torch.Tensor, limit: int) -> torch.Tensor:
    """[H, W], [H, W] -> i64 [H, W]: steps until each point escapes; ends when all have."""
    re = torch.zeros_like(c_re)
    im = torch.zeros_like(c_im)
    count = torch.zeros_like(c_re, dtype=torch.int64)
    alive = torch.ones_like(c_re, dtype=torch.bool)
    i = 0
    while bool(alive.any()) and i < limit:
        re, im = torch.where(alive, re * re - im * im + c_re, re), torch.where(alive, 2 * re * im + c_im, im)
        alive = alive & (re * re + im * im <= 4.0)
        count = count + alive.long()
        i += 1
    return count


def newton(a: torch.Tensor, tolerance: float) -> torch.Tensor:
    """[N] -> [N]: cube roots; ends when the largest relative step is below `tolerance`."""
    x = torch.maximum(a, torch.ones_like(a))
    error = torch.ones(())
    while bool(error > tolerance):
        step = (x * x * x - a) / (3 * x * x)
        x = x - step
        error = (step / x).abs().max()
    return x


def countdown(x: torch.Tensor) -> torch.Tensor:
    """[] -> []: halvings until the value is below 1."""
    n = torch.zeros((), dtype=torch.int64)
    while x >= 1:
        x = x / 2
        n = n + 1
    return n


# ---- the rows ----

Agree = Callable[[torch.Tensor, torch.Tensor], bool]


@dataclass(frozen=True)
class Work:
    """A row: `function(*arguments)`; `short` are arguments with about 100 steps, for compilers that unroll (None: `arguments`).

    `bars` say how many times as fast as each contender jic should be; `flops` is the arithmetic of the products;
    `agree` replaces the comparison of results.
    """

    name: str
    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    bars: dict[str, float]
    short: tuple[Any, ...] | None = None
    tolerance: float = 1e-4
    agree: Agree | None = None
    flops: float = 0.0


CELL_BARS = {"eager": 3.0, "torchscript": 2.0, "inductor": 2.0}
SCIENCE_BARS = {"eager": 5.0, "torchscript": 2.0, "inductor": 2.0}
MODULE_BARS = {"eager": 1.2}


def nearly_all_equal(found: torch.Tensor, expected: torch.Tensor) -> bool:
    """Escape counts: points on the border of the set may go either way by a rounding."""
    return found.dtype == expected.dtype and (found == expected).double().mean().item() > 0.995


def cell_arguments(steps: int, batch: int = 32, hidden: int = 256) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    return torch.randn(batch, steps, hidden), torch.randn(batch, hidden), torch.randn(hidden, hidden) / hidden**0.5


def product(m: int, k: int, n: int) -> float:
    """The arithmetic of a matrix product [m, k] @ [k, n]."""
    return 2.0 * m * k * n


def beside_the_cusp(size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """A strip of the plane right of the set's cusp at 1/4, all outside: the last point escapes after some 150 steps."""
    re, im = torch.linspace(0.2504, 0.4, size), torch.linspace(0.0, 1e-5, size)
    return re[None, :].expand(size, size).contiguous(), im[:, None].expand(size, size).contiguous()


def works() -> list[Work]:
    found = []
    for steps in (100, 1000):
        x, h, w = cell_arguments(steps)
        short = None if steps == 100 else (x[:, :100].contiguous(), h, w)
        found.append(Work(f"tanh cell T={steps}", tanh_cell, (x, h), CELL_BARS, short and short[:2]))
        found.append(
            Work(f"cell T={steps}", cell, (x, h, w), CELL_BARS, short, 1e-3, flops=steps * product(32, 256, 256))
        )
    x, one = torch.randn(32, 100, 256), 100 * product(32, 256, 256)
    found.append(Work("LSTM by hand T=100", LSTMByHand(256, 256).eval(), (x,), CELL_BARS, flops=8 * one))
    found.append(Work("GRU by hand T=100", GRUByHand(256, 256).eval(), (x,), CELL_BARS, flops=6 * one))
    x, h = torch.randn(256, 8, 1024), torch.randn(8, 256)
    rnn = VanillaRNN(1024, 256, 128).eval()
    flops = 256 * (product(8, 1024 + 256, 256) + product(8, 256, 128))
    found.append(Work("vanilla RNN T=256", rnn, (x, h), CELL_BARS, (x[:100].contiguous(), h), flops=flops))
    x = torch.randn(16, 128, 256)
    for kind, products in ((nn.LSTM, 8), (nn.GRU, 6)):
        module = kind(256, 256, num_layers=2, batch_first=True).eval()
        flops = 2 * 128 * products * product(16, 256, 256)
        found.append(Work(f"nn.{kind.__name__} 2 layers T=128", module, (x,), MODULE_BARS, flops=flops))
    u = torch.rand(4096)
    for name, function in (("heat fixed ends", heat), ("heat periodic", heat_periodic)):
        found.append(Work(f"{name} T=1000", function, (u, 0.2, 1000), SCIENCE_BARS, (u, 0.2, 100)))
    s = torch.randn(1000, 3) + torch.tensor([1.0, 1.0, 20.0])
    found.append(Work("RK4 Lorenz T=1000", rk4, (s, 1e-3, 1000), SCIENCE_BARS, (s, 1e-3, 100), 1e-3))
    arguments = (*beside_the_cusp(128), 1000)
    found.append(Work("Mandelbrot while", mandelbrot, arguments, SCIENCE_BARS, agree=nearly_all_equal))
    found.append(Work("Newton while", newton, (torch.rand(4096) * 1e3 + 1e-3, 1e-5), SCIENCE_BARS))
    return found
