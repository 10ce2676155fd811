"""Calls on the Vulkan target: CPU tensors in, CPU tensors out, the work on the Vulkan device."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch.utils import _pytree as pytree

from ..errors import UnsupportedError
from . import calls
from .build import optimized
from .pipeline import blaming
from .results import result_of

if TYPE_CHECKING:
    from .compiled import CompiledFunction, Entry


def prepare(owner: CompiledFunction, entry: Entry, request: calls.Request) -> Callable[..., Any]:
    """Compile `entry` for the Vulkan device and add its variant to `owner`.

    Raises:
        UnsupportedError: an op, dtype or call that this target does not do.
        DeviceError: no Vulkan driver.
    """
    from ..runtime.vulkan import VulkanProgram
    from ..targets import vulkan

    traced = entry.traced
    assert traced is not None
    if traced.mutations or any(o.inputs for o in traced.outputs):
        raise UnsupportedError("the Vulkan target does not change its inputs or return views of them")
    kernels = blaming(owner.config, lambda config: vulkan.compile(optimized(traced, config)))
    program = VulkanProgram(kernels.manifest, kernels.shaders, kernels.constants)
    entry.program = program

    def run(*call_args: Any, **call_kwargs: Any) -> Any:
        leaves = pytree.tree_leaves((call_args, call_kwargs))
        tensors = [s.fetch(leaves) for s in traced.inputs]
        if torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in tensors):
            return request.fn(*call_args, **call_kwargs)
        return result_of(traced, program.run(tensors), tensors, call_args, call_kwargs)

    function = request.without_receiver(run)
    owner.add(calls.callable_variant(function, request, traced.guards, "any", entry, traced.effects, traced.fixed))
    return function
