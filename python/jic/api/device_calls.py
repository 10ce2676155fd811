"""Calls of programs that run on a device of their own: CPU tensors in, CPU tensors out, dispatched by Python."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch.utils import _pytree as pytree

from ..errors import UnsupportedError
from ..frontend import Traced
from ..runtime import Bailout
from . import calls
from .results import result_of


class DeviceProgram(Protocol):
    def run(self, inputs: list[torch.Tensor]) -> list[torch.Tensor]: ...


def check(traced: Traced, target: str) -> None:
    """Raise `UnsupportedError` for calls that programs of a device cannot answer."""
    if traced.mutations or any(o.inputs for o in traced.outputs):
        raise UnsupportedError(f"the target {target} does not change its inputs or return views of them")


def function_of(traced: Traced, program: DeviceProgram, request: calls.Request) -> Callable[..., Any]:
    """What answers calls like `request`: by `program`, or eagerly if gradients are needed or the program gives up."""

    def run(*call_args: Any, **call_kwargs: Any) -> Any:
        leaves = pytree.tree_leaves((call_args, call_kwargs))
        tensors = [s.fetch(leaves) for s in traced.inputs]
        if torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in tensors):
            return request.fn(*call_args, **call_kwargs)
        try:
            outputs = program.run(tensors)
        except Bailout:
            return request.fn(*call_args, **call_kwargs)
        return result_of(traced, outputs, tensors, call_args, call_kwargs)

    return request.without_receiver(run)
