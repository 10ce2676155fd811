"""Small programs as people write them: solvers, filters, fractals, decoding, sorting."""

from __future__ import annotations

import torch

from ._program import floats, given, program


def _lorenz(s):
    x, y, z = s[:, 0], s[:, 1], s[:, 2]
    return torch.stack([10.0 * (y - x), x * (28.0 - z) - y, x * y - 8.0 / 3.0 * z], 1)


@program(lambda: (floats(5, 3), 1e-3, 50), lambda: (floats(1, 3), 1e-3, 1), loops=1, factor=64)
def runge_kutta(s, dt, steps):
    for _ in range(steps):
        k1 = _lorenz(s)
        k2 = _lorenz(s + 0.5 * dt * k1)
        k3 = _lorenz(s + 0.5 * dt * k2)
        k4 = _lorenz(s + dt * k3)
        s = s + dt / 6.0 * (k1 + 2 * k2 + 2 * k3 + k4)
    return s


@program(lambda: (floats(4), 100), lambda: (floats(4), 0), loops=1)
def euler_with_a_trajectory(y, steps):
    t, dt = 0.0, 0.01
    path = []
    for _ in range(steps):
        y = y + dt * (-y + t)
        t += dt
        path.append(y)
    return torch.stack(path) if path else y


@program(lambda: (torch.rand(40), 60), loops=1, factor=16)
def heat_on_a_ring(u, steps):
    for _ in range(steps):
        u = u + 0.2 * (torch.roll(u, 1) - 2 * u + torch.roll(u, -1))
    return u


@program(lambda: (torch.rand(9, 11),), loops=1, factor=16)
def jacobi_until_it_converges(u):
    change = torch.ones(())
    n = 0
    while change > 1e-3 and n < 500:
        new = u.clone()
        new[1:-1, 1:-1] = 0.25 * (u[2:, 1:-1] + u[:-2, 1:-1] + u[1:-1, 2:] + u[1:-1, :-2])
        change = (new - u).abs().max()
        u = new
        n += 1
    return u


@program(lambda: (torch.linspace(-2.0, 0.6, 17), torch.linspace(-1.2, 1.2, 17)), loops=1)
def mandelbrot(c_re, c_im):
    re, im = torch.zeros(17), torch.zeros(17)
    count = torch.zeros(17, dtype=torch.int64)
    alive = torch.ones(17, dtype=torch.bool)
    i = 0
    while alive.any() and i < 20:
        re, im = torch.where(alive, re * re - im * im + c_re, re), torch.where(alive, 2 * re * im + c_im, im)
        alive = alive & (re * re + im * im <= 4.0)
        count = count + alive
        i += 1
    return count


@program(lambda: (torch.randn(6, 4), torch.randn(4, 4)), loops=1)
def viterbi(scores, transitions):
    best = scores[0]
    back = []
    for t in range(1, scores.size(0)):
        value, index = (best[:, None] + transitions).max(0)
        best = value + scores[t]
        back.append(index)
    last = best.argmax()
    return best, last, torch.stack(back)


@program(lambda: (torch.randn(30), 0.9), lambda: (torch.randn(1), 0.5), loops=1)
def exponential_filter(x, alpha):
    out = torch.empty_like(x)
    y = torch.zeros(())
    for t in range(x.numel()):
        y = alpha * y + (1 - alpha) * x[t]
        out[t] = y
    return out


@program(lambda: (torch.randn(12, 2), torch.randn(3, 2)), loops=1, factor=16)
def k_means(points, centres):
    for _ in range(5):
        nearest = (points[:, None] - centres[None]).square().sum(-1).argmin(1)
        member = (nearest[:, None] == torch.arange(3)[None]).float()
        centres = (member.t() @ points) / member.sum(0).clamp(min=1)[:, None]
    return centres


@program(lambda: (torch.randn(5, 5), torch.randn(5)), loops=1, factor=256)
def conjugate_gradient(a, b):
    a = a @ a.t() + 5 * torch.eye(5)
    x = torch.zeros(5)
    r = b - a @ x
    p = r
    for _ in range(10):
        alpha = (r @ r) / (p @ a @ p + 1e-12)
        x = x + alpha * p
        new = r - alpha * (a @ p)
        p = new + (new @ new) / (r @ r + 1e-12) * p
        r = new
    return x


@program(lambda: (torch.randn(8), 25), loops=1, factor=64)
def gradient_descent_by_hand(w, steps):
    for _ in range(steps):
        gradient = 2 * (w - 3) + torch.cos(w)
        w = w - 0.1 * gradient
    return w


@program(given([3.0, -2.0, 5.0, 1.0]), given([1.0, 1.0, 1.0, 1.0]), loops=1)
def horner(c):
    x = torch.tensor(0.5)
    total = torch.zeros(())
    for k in range(c.size(0) - 1, -1, -1):
        total = total * x + c[k]
    return total


@program(lambda: (torch.randn(2, 10, 4),), lambda: (torch.randn(1, 1, 4),), loops=1)
def causal_attention_one_query_at_a_time(x):
    outs = []
    for t in range(x.size(1)):
        scores = (x @ x[:, t, :, None]).squeeze(-1)
        visible = torch.arange(x.size(1)) <= t
        weights = scores.masked_fill(~visible, float("-inf")).softmax(-1)
        outs.append((weights[:, :, None] * x).sum(1))
    return torch.stack(outs, 1)


@program(lambda: (torch.randn(5, 8), torch.randn(8, 8)), loops=1)
def greedy_decoding(embedding, w):
    token = torch.zeros((), dtype=torch.int64)
    h = torch.zeros(8)
    tokens = torch.zeros(12, dtype=torch.int64)
    for t in range(12):
        h = torch.tanh(h @ w + embedding[token])
        token = (embedding @ h).argmax()
        tokens[t] = token
        if token == 4:
            break
    return tokens


@program(
    lambda: (torch.tensor([5, 3, 9, 1, 7]), torch.tensor(9)), lambda: (torch.tensor([5, 3]), torch.tensor(4)), loops=1
)
def linear_search(x, wanted):
    for i in range(x.size(0)):
        if x[i] == wanted:
            return i
    return -1


@program(given([1, 3, 5, 7, 9, 11], 7), given([1, 3, 5, 7, 9, 11], 2), given([1, 3, 5, 7, 9, 11], 99), loops=1)
def binary_search(x, wanted):
    low, high = torch.tensor(0), torch.tensor(6)
    while low < high:
        middle = (low + high) // 2
        if x[middle] < wanted:
            low = middle + 1
        else:
            high = middle
    return low


@program(given(30), given(2), loops=1)
def sieve(n):
    prime = torch.ones(40, dtype=torch.bool)
    prime[:2] = False
    number = torch.arange(40)
    for i in range(2, 7):
        prime = prime & ((number % i != 0) | (number == i))
    return (prime & (number <= n)).sum()
