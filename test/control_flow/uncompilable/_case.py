"""What a case is: a program with something that is not compiled, or only with care.

A comment `# here` marks the line that a note must name.

Each is a function and makers of its arguments, with one of:

* `EAGER`: the whole call runs eagerly, and the reason names the line;
* `NOTE`: the call is compiled, and a note names the line;
* `FALLS_BACK`: one of these two;
* `ANY`: compiled or not, the result counts.

A loop that only runs eagerly is right, but must say so; what is wrong is a wrong result, a crash, or silence.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

EAGER, NOTE, FALLS_BACK, ANY = "eager", "note", "falls back", "any"
Make = Callable[[], tuple[Any, ...]]


@dataclass(frozen=True)
class Case:
    function: Callable[..., Any]
    inputs: tuple[Make, ...]
    how: str


CASES: list[Case] = []


def case(*inputs: Make, how: str = FALLS_BACK) -> Callable[[Any], Any]:
    def register(function: Any) -> Any:
        CASES.append(Case(function, inputs, how))
        return function

    return register


def rows() -> tuple[torch.Tensor]:
    return (torch.arange(12.0).reshape(4, 3) - 5,)


def scalar(value: float) -> Make:
    return lambda: (torch.tensor(value),)
