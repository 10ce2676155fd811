"""Forward and backward through compiled loops against eager: one training step of the cells and recurrent modules of `loops.py`.

    python benchmarks/loop_gradients.py [--only NAME] [--threads 1 2] [--rounds 7] [--checkpoint-steps 0]

The loss is the mean square of all results; gradients of all parameters and floating arguments are compared with eager's first.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from typing import Any

import loops
import torch
from harness import Call, assert_same, take_turns
from torch import nn

import jic

TRAINED = (
    "tanh cell T=100",
    "cell T=100",
    "LSTM by hand T=100",
    "GRU by hand T=100",
    "vanilla RNN T=256",
    "nn.LSTM 2 layers T=128",
    "nn.GRU 2 layers T=128",
    "heat periodic T=1000",
)


def step(function: Callable[..., Any], arguments: tuple[Any, ...], leaves: list[torch.Tensor]) -> list[torch.Tensor]:
    """The gradients of `leaves` after one forward and backward."""
    found = function(*arguments)
    results = [found] if isinstance(found, torch.Tensor) else [r for r in found if isinstance(r, torch.Tensor)]
    loss = sum((r.square().mean() for r in results), torch.zeros(()))
    return list(torch.autograd.grad(loss, leaves))


def leaves_of(work: loops.Work) -> tuple[tuple[Any, ...], list[torch.Tensor]]:
    """The row's arguments, those of floats with gradients, and all that gets one."""
    arguments = tuple(
        a.clone().requires_grad_() if isinstance(a, torch.Tensor) and a.is_floating_point() else a
        for a in work.arguments
    )
    parameters = list(work.function.parameters()) if isinstance(work.function, nn.Module) else []
    return arguments, [a for a in arguments if isinstance(a, torch.Tensor) and a.requires_grad] + parameters


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", default=TRAINED, help="names of rows")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--checkpoint-steps", type=int, default=0)
    options = parser.parse_args()
    torch.manual_seed(0)
    config = jic.JitConfig(enable_caching=False, checkpoint_steps=options.checkpoint_steps)
    for work in loops.works():
        if work.name not in options.only:
            continue
        arguments, leaves = leaves_of(work)
        compiled = jic.compile(work.function, config=config)
        for threads in options.threads:
            torch.set_num_threads(threads)
            expected = step(work.function, arguments, leaves)
            assert_same(step(compiled, arguments, leaves), expected, 1e-3)
            calls: dict[str, Call] = {
                "jic": partial(step, compiled, arguments, leaves),
                "eager": partial(step, work.function, arguments, leaves),
            }
            times = take_turns(calls, options.rounds)
            ours, theirs = times["jic"] * 1e3, times["eager"] * 1e3
            print(
                f"{work.name:26} {threads} thread(s)  jic {ours:.2f} ms  eager {theirs:.2f} ms {theirs / ours:.2f}x",
                flush=True,
            )


if __name__ == "__main__":
    main()
