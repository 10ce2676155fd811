"""Small work, 10 µs to 1 ms, where dispatch and fork-join count, and the overhead of a call.

python benchmarks/small.py [--inductor] [--threads 1 2] [--json small.json]
"""

from __future__ import annotations

import itertools

import torch
import torch.nn.functional as F
from harness import Case, arguments_parser, run, take_turns
from torch import nn

import jic


def cases() -> list[Case]:
    found = [Case("small", f"gelu {n}", lambda x: F.gelu(x), (torch.randn(n),)) for n in (10_000, 30_000, 100_000)]
    found.append(Case("small", "softmax 64x512", lambda x: x.softmax(-1), (torch.randn(64, 512),)))
    norm = nn.LayerNorm(768)
    found.append(Case("small", "layer norm 128x768", lambda x: norm(x), (torch.randn(128, 768),)))
    a, b = torch.randn(256, 256), torch.randn(256, 256)
    found.append(Case("small", "3-op chain 256x256", lambda a, b: torch.relu(a * b + a), (a, b)))
    mlp = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64))
    found.append(Case("small", "64-wide mlp, batch 64", lambda x: mlp(x), (torch.randn(64, 64),)))
    return found


class Scale(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.rand(width)), nn.Parameter(torch.rand(width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.weight + self.bias


def calls() -> None:
    """What a call costs besides its work: guards on a module's state, a Python number as an input."""
    torch.set_num_threads(1)
    x = torch.rand(4)
    with torch.no_grad():
        for weights in (12, 300):
            compiled = jic.compile(nn.Sequential(*[Scale(4) for _ in range(weights // 2)]))
            compiled(x)
            function = compiled.compiled
            times = take_turns({"module": lambda c=compiled: c(x), "dispatcher": lambda f=function: f(x)}, 31)
            print(
                f"module with {weights} weights of 4 elements: {times['module'] * 1e6:.2f} us a call, "
                f"{times['dispatcher'] * 1e6:.2f} us without nn.Module's __call__"
            )
        step = jic.compile(lambda x, rate: x * rate)
        for rate in (0.1, 0.2, 0.3, 0.4):
            step(x, rate)
        known = jic.compile(lambda x, rate: x * rate)
        known(x, 0.1)
        rates = itertools.cycle([i / 7 for i in range(1, 8)])
        misses = step.misses
        times = take_turns({"number": lambda: step(x, next(rates)), "constant": lambda: known(x, 0.1)}, 31)
        print(
            f"a number that changes at each call: {times['number'] * 1e9:.0f} ns ({step.misses - misses} misses), "
            f"as a constant of the signature {times['constant'] * 1e9:.0f} ns"
        )


def overhead(threads: int) -> None:
    torch.set_num_threads(threads)
    tensors = tuple(torch.randn(4) for _ in range(3))
    a, b, c = tensors
    compiled = jic.compile(lambda a, b, c: a * b + c)
    compiled(a, b, c)
    times = take_turns({"jic": lambda: compiled(a, b, c), "add": lambda: torch.add(a, b)}, 31)
    print(
        f"call with 3 tensors of 4 elements, {threads} thread(s): jic {times['jic'] * 1e9:.0f} ns, "
        f"eager torch.add {times['add'] * 1e9:.0f} ns ({times['jic'] / times['add']:.2f} of it)"
    )


def main() -> None:
    options = arguments_parser(__doc__ or "").parse_args()
    torch.manual_seed(0)
    run(cases(), options)
    for threads in options.threads:
        overhead(threads)
    calls()


if __name__ == "__main__":
    main()
