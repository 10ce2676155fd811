"""What a program of the catalogue is, and the inputs that programs take."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import torch

Make = Callable[[], tuple[Any, ...]]
F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Program:
    """A function and makers of its arguments.

    `loops` and `branches` are the least numbers of loops (`jic.loop`, `jic.while`) and `jic.if` in the IR of the first input's
    call; `unrolled` says that there must be no loop. Not `compiled` means that it may run eagerly. `factor` widens the tolerance.
    """

    name: str
    function: Callable[..., Any]
    inputs: tuple[Make, ...]
    loops: int = 0
    branches: int = 0
    unrolled: bool = False
    compiled: bool = True
    factor: float = 8.0


CATALOGUE: list[Program] = []


def program(*inputs: Make, **flags: Any) -> Callable[[F], F]:
    """Put the function below into the catalogue."""

    def register(function: F) -> F:
        name = f"{function.__module__.rpartition('.')[2]}.{function.__name__}"
        CATALOGUE.append(Program(name, function, inputs, **flags))
        return function

    return register


def module(build: Callable[[], torch.nn.Module], *inputs: Make, **flags: Any) -> None:
    """Put a module into the catalogue; its weights are the same in each run."""
    state = torch.get_rng_state()
    torch.manual_seed(1)
    built = build()
    torch.set_rng_state(state)
    home = type(built).__module__.rpartition(".")[2]
    CATALOGUE.append(Program(f"{home}.{type(built).__name__}", built, inputs, **flags))


def floats(*shape: int) -> torch.Tensor:
    return torch.randn(shape)


def number(value: float) -> torch.Tensor:
    """A 0-d tensor: int64, bool or float32."""
    return torch.tensor(value)


def of(*shapes: tuple[int, ...]) -> Make:
    """Random float32 tensors of these shapes."""
    return lambda: tuple(floats(*shape) for shape in shapes)


def given(*values: Any) -> Make:
    """These numbers and lists as tensors (lists of numbers too)."""
    return lambda: tuple(torch.tensor(v) for v in values)
