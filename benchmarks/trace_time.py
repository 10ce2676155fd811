"""Compile time of programs with many branches on data, early exits, appends in branches, buffer swaps.

    python benchmarks/trace_time.py                       all kinds at 10, 100 and 1,000 steps
    python benchmarks/trace_time.py exits --steps 2000

Seconds of processor time of this process (what it takes on a machine that does nothing else), each number from one compilation
without a cache, after a small one that loads what there is to load.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Callable
from typing import Any

import torch

import jic
from jic.api.build import compile_traced
from jic.frontend import trace

WIDTH = 16


class Layers(torch.nn.Module):
    def __init__(self, steps: int) -> None:
        super().__init__()
        self.layers = torch.nn.ModuleList(torch.nn.Linear(WIDTH, WIDTH) for _ in range(steps))


class Exits(Layers):
    """A network that may be left after each layer."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            x = torch.tanh(layer(x))
            if x.abs().max() < 0.1:
                return x
        return x


class Branches(Layers):
    """A network that skips layers."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            if x.mean() > 0:
                x = torch.relu(layer(x))
        return x


class Appends(Layers):
    """Appends in both branches, in a loop over layers, which is unrolled."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = []
        for layer in self.layers:
            y = layer(x)
            if y.mean() > 0:
                out.append(y)
            else:
                out.append(-y)
        return torch.stack(out)


def appends_in_a_loop(steps: int) -> Callable[..., Any]:
    def function(x: torch.Tensor) -> torch.Tensor:
        out = []
        for _ in range(steps):
            x = x * 0.9 + 0.01
            if x.mean() > 0:
                out.append(x)
            else:
                out.append(-x)
        return torch.stack(out)

    return function


def swaps(steps: int) -> Callable[..., Any]:
    def function(u: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        for _ in range(steps):
            u[1:-1] = 0.5 * (v[2:] + v[:-2])
            u, v = v, u
        return u

    return function


KINDS: dict[str, Callable[[int], tuple[Callable[..., Any], tuple[torch.Tensor, ...]]]] = {
    "exits": lambda n: (Exits(n), (torch.rand(4, WIDTH),)),
    "branches": lambda n: (Branches(n), (torch.rand(4, WIDTH),)),
    "appends": lambda n: (Appends(n), (torch.rand(4, WIDTH),)),
    "appends in a loop": lambda n: (appends_in_a_loop(n), (torch.rand(4, WIDTH),)),
    "swaps": lambda n: (swaps(n), (torch.rand(64), torch.rand(64))),
}
STAGES = ("trace", "import", "passes", "lower", "codegen")


def measured(kind: str, steps: int) -> dict[str, float]:
    """Seconds by stage, and the nodes of the graph."""
    function, args = KINDS[kind](steps)
    config = jic.JitConfig(enable_caching=False)
    start = time.process_time()
    with torch.no_grad():
        traced = trace(function, args)
    seconds = {"trace": time.process_time() - start}
    clock, time.perf_counter = time.perf_counter, time.process_time  # the stages' own clock
    try:
        seconds |= compile_traced(traced, config).seconds
    finally:
        time.perf_counter = clock
    return {**seconds, "nodes": len(traced.graph_module.graph.nodes)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kinds", nargs="*", help=f"of {', '.join(KINDS)}; all without")
    parser.add_argument("--steps", type=int, nargs="+", default=[10, 100, 1000])
    parser.add_argument("--json", help="also write the numbers to this file")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    rows = []
    print(f"| program | steps | nodes | {' | '.join(f'{s} s' for s in STAGES)} | all s | ms a step |")
    print("|---|" + "---|" * (len(STAGES) + 4))
    for kind in options.kinds or KINDS:
        measured(kind, 3)
        for steps in options.steps:
            found = measured(kind, steps)
            total = sum(found[s] for s in STAGES)
            rows.append({"program": kind, "steps": steps, "all": total, **found})
            stages = " | ".join(f"{found[s]:.2f}" for s in STAGES)
            print(
                f"| {kind} | {steps} | {found['nodes']} | {stages} | {total:.2f} | {total / steps * 1000:.1f} |",
                flush=True,
            )
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(rows, file, indent=1)


if __name__ == "__main__":
    main()
