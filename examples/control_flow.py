"""Python loops, compiled: a recurrent cell, a `while` that ends when it has converged, and a differential equation.

    python examples/control_flow.py [--threads N]

Each function is plain Python. It is compiled as one loop, however many steps it runs, compared with eager, and timed beside it.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch

import jic


def cell(x_seq: torch.Tensor, h: torch.Tensor, w: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """[B, T, H], [B, H], [H, H] -> [B, T, H], [B, H]: the list that grows becomes one tensor that is filled."""
    outs = []
    for t in range(x_seq.size(1)):
        h = torch.tanh(x_seq[:, t] + h @ w)
        outs.append(h)
    return torch.stack(outs, 1), h


def square_root(a: torch.Tensor) -> torch.Tensor:
    """[N] -> [N]: Newton's method; the data decide how often the body runs."""
    x = torch.maximum(a, torch.ones_like(a))
    while ((x * x - a).abs() > 1e-5 * a).any():
        x = 0.5 * (x + a / x)
    return x


def pendulum(angle: torch.Tensor, speed: torch.Tensor, steps: int) -> tuple[torch.Tensor, torch.Tensor]:
    """[N], [N] -> [N], [N]: many damped pendulums, in steps of 1 ms."""
    for _ in range(steps):
        speed = speed - 1e-3 * (torch.sin(angle) + 0.1 * speed)
        angle = angle + 1e-3 * speed
    return angle, speed


def milliseconds(calls: dict[str, Callable[[], Any]], rounds: int = 15) -> dict[str, float]:
    """The median time of each call; the calls take turns, so that disturbances meet all of them."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            times[name].append((time.perf_counter() - start) * 1e3)
    return {name: statistics.median(values) for name, values in times.items()}


def show(function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    """Compile `function`, assert that it gives what eager gives, and print the times. Returns the compiled function."""
    compiled = jic.compile(function)
    found, expected = compiled(*arguments), function(*arguments)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    assert not compiled.stats()["signatures"][-1]["eager"], jic.explain(compiled)(*arguments)
    times = milliseconds({"jic": lambda: compiled(*arguments), "eager": lambda: function(*arguments)})
    ratio = times["eager"] / times["jic"]
    print(f"{function.__name__:12} jic {times['jic']:8.3f} ms   eager {times['eager']:8.3f} ms   {ratio:.1f}x eager")
    return compiled


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, help="threads that PyTorch may use")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    with torch.inference_mode():
        x, h, w = torch.randn(8, 200, 64), torch.zeros(8, 64), torch.randn(64, 64) / 8
        recurrent = show(cell, (x, h, w))
        newton = show(square_root, (torch.rand(4096) * 1e4 + 1e-2,))
        show(pendulum, (torch.randn(1000), torch.zeros(1000), 2000))

    # 200 steps are one `jic.loop`, and a `while` whose end the data decide is one `jic.while`.
    assert "jic.loop" in recurrent.ir("jic") and "jic.while" in newton.ir("jic")
    print(f"\nthe cell in the jic dialect:\n{recurrent.ir('jic')}")


if __name__ == "__main__":
    main()
