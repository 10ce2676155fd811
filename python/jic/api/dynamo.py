"""Dynamo does not look into jic's own Python code, wherever it meets it: calls of it run as they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch

F = TypeVar("F", bound=Callable[..., object])


def opaque(function: F) -> F:
    """`function`, within which Dynamo compiles nothing. torch._dynamo is loaded by the first call only."""
    return torch._disable_dynamo(function)  # type: ignore[return-value]
