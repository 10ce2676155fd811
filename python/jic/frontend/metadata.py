"""Calls that change what a tensor object is rather than its elements: shape, strides, memory, need of gradients.

On a tensor that the function made, `t_`, `unsqueeze_` and the like are views that its name stands for from then on. Others, and
those on tensors that outlive the call, are left to eager.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import torch
from torch.fx import GraphModule

from .control.errors import Unsupported
from .control.region import storage_of
from .control.torch_calls import written

aten = torch.ops.aten
_HINT = "make a new tensor instead, as x.unsqueeze(0) or x.detach() do"

# In-place ops that only change how a tensor shows its memory, and the views that they are.
VIEWS_IN_PLACE: dict[Any, Any] = {
    aten.unsqueeze_.default: aten.unsqueeze.default,
    aten.squeeze_.default: aten.squeeze.default,
    aten.squeeze_.dim: aten.squeeze.dim,
    aten.squeeze_.dims: aten.squeeze.dims,
    aten.t_.default: aten.t.default,
    aten.transpose_.default: aten.transpose.int,
    aten.swapdims_.default: aten.swapdims.default,
    aten.swapaxes_.default: aten.swapaxes.default,
    aten.as_strided_.default: aten.as_strided.default,
    aten.detach_.default: aten.detach.default,
}
_NAMES = frozenset(op._schema.name.partition("::")[2] for op in VIEWS_IN_PLACE)
_ABOUT_GRADIENTS = frozenset(
    {"requires_grad_", "retain_grad", "register_hook", "register_post_accumulate_grad_hook", "rename_", "share_memory_"}
)
_SETTER = type(torch.Tensor.data.__set__)  # type: ignore[attr-defined]


# What they tell of an argument is no part of its signature, nor are the things that others than the call know of its memory.
_OF_MEMORY = frozenset(
    getattr(torch.Tensor, name)
    for name in ("storage_offset", "untyped_storage", "storage", "_typed_storage", "is_shared", "is_pinned", "_is_view")
) | frozenset(getattr(torch.Tensor, name).__get__ for name in ("_base", "_version", "is_leaf", "retains_grad"))
_VERSION = torch.Tensor._version.__get__  # type: ignore[attr-defined]


def check_read(function: Any, args: Any, given: Collection[int]) -> None:
    """Raises Unsupported where a call reads of an argument what its signature does not say.

    Args:
        given: the memory of the call's arguments.
    """
    if function not in _OF_MEMORY or not args or not isinstance(args[0], torch.Tensor):
        return
    tensor = args[0]
    if function is _VERSION or storage_of(tensor) in given:
        name = getattr(function, "__name__", "")
        name = getattr(function.__self__, "__name__", name) if name == "__get__" else name
        raise Unsupported(f"{name} of an argument is read", hint="pass it as an argument of its own")


def show_views(graph: GraphModule) -> None:
    """Call the in-place ops that only make views what they are."""
    for node in graph.graph.nodes:
        if node.target in VIEWS_IN_PLACE:
            node.target = VIEWS_IN_PLACE[node.target]


class Metadata:
    """Compares tensors before and after a call of torch.

    Args:
        lasting: ids of the trace's tensors that stand for arguments and captured tensors.
    """

    def __init__(
        self, function: Any, args: Any, kwargs: dict[str, Any], lasting: Collection[int], inside: bool
    ) -> None:
        self.name, self.lasting, self.inside = getattr(function, "__name__", ""), lasting, inside
        if self.name in _ABOUT_GRADIENTS or (self.name == "__set__" and isinstance(function, _SETTER)):
            raise Unsupported(f"{self._text(function)} changes a tensor's own state", hint=_HINT, effect=True)
        if self.name == "detach_" and (id(args[0]) in lasting or _is_view(args[0])):
            raise Unsupported("detach_ of an argument, a captured tensor or a view", hint=_HINT, effect=True)
        self.before = [(t, _geometry(t)) for t in written(function, args, kwargs)]

    def _text(self, function: Any) -> str:
        if self.name != "__set__":
            return self.name
        return f"an assignment to .{getattr(getattr(function, '__self__', None), '__name__', 'data')}"

    def check(self) -> None:
        """After the call.

        Raises:
            Unsupported: a tensor is now another one in a way that a graph does not express.
        """
        for tensor, before in self.before:
            if _geometry(tensor) == before:
                continue
            if id(tensor) in self.lasting:
                raise Unsupported(
                    f"{self.name} changes the shape, strides or memory of an argument or captured tensor",
                    hint=_HINT,
                    effect=True,
                )
            if self.name not in _NAMES:
                raise Unsupported(f"{self.name} gives a tensor another memory or another size", hint=_HINT)
            if self.inside:
                raise Unsupported(f"{self.name} changes the shape of a tensor in a loop or branch", hint=_HINT)


def _geometry(tensor: torch.Tensor) -> tuple[Any, ...]:
    with torch._C.DisableTorchFunction():
        memory = tensor.untyped_storage()
        return tuple(tensor.shape), tuple(tensor.stride()), tensor.storage_offset(), memory._cdata, memory.nbytes()


def _is_view(tensor: torch.Tensor) -> bool:
    with torch._C.DisableTorchFunction():
        return tensor._is_view()
