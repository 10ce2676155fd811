"""`torch.compile(fn, backend="jic")`: Dynamo captures, jic compiles each graph."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

import torch

from ..errors import ConfigError
from .compiled import CompiledFunction
from .config import JitConfig


def jic_backend(
    graph_module: torch.fx.GraphModule, example_inputs: list[Any], *, options: Mapping[str, Any] | None = None
) -> Callable[..., Any]:
    """A Dynamo backend: compiles the graph for the inputs it is called with.

    Args:
        options: fields of `JitConfig`, as `torch.compile(fn, backend="jic", options={"max_fusion_size": 8})` gives them.

    Raises:
        ConfigError: an unknown field or a value that is not allowed.
        PipelineError: `pipeline` or `extra_passes` name what does not exist.
    """
    return CompiledFunction(graph_module, _config(options or {}))


def _config(options: Mapping[str, Any]) -> JitConfig:
    names = [field.name for field in fields(JitConfig)]
    for name in options:
        if name not in names:
            close = difflib.get_close_matches(name, names, n=1)
            hint = f"did you mean '{close[0]}'?" if close else f"the options are {', '.join(names)}"
            raise ConfigError(f"the jic backend has no option {name!r}", hint=hint)
    return JitConfig(**options)
