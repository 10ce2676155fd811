"""`torch.compile(fn, backend="jic")`: Dynamo captures, jic compiles each graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from .compiled import CompiledFunction
from .config import JitConfig


def jic_backend(graph_module: torch.fx.GraphModule, example_inputs: list[Any]) -> Callable[..., Any]:
    """A Dynamo backend: compiles the graph for the inputs it is called with."""
    return CompiledFunction(graph_module, JitConfig())
