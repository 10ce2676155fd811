"""What a trace leaves behind, and takes back when it ends."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensor
from torch.fx import GraphModule

from ..errors import CaptureError


def forget_real_tensors(graph: GraphModule) -> None:
    """The fake mode refers weakly to the tensors that it made others of, and `torch.utils.swap_tensors` refuses such ones."""
    for node in graph.graph.nodes:
        if node.op == "placeholder" and isinstance(node.meta.get("val"), FakeTensor):
            converter = node.meta["val"].fake_mode.fake_tensor_converter
            converter.meta_converter = type(converter.meta_converter)(copy_data=False)
            return


@contextlib.contextmanager
def attributes_restored(fn: Any) -> Iterator[None]:
    """Undo what `fn` stored in its module's registries while tracing: fake tensors must not outlive the trace."""
    owner = getattr(fn, "__self__", fn)
    # An FX graph has no statement that stores an attribute; its module only compiles itself when it first runs.
    if not isinstance(owner, torch.nn.Module) or isinstance(owner, GraphModule):
        yield
        return
    modules = list(owner.modules())
    before = [
        (group, dict(group))
        for m in modules
        for group in (m.__dict__, m.__dict__["_buffers"], m.__dict__["_parameters"])
    ]
    try:
        yield
    finally:
        stored = False
        for group, items in before:
            if any(group.get(key) is not value for key, value in items.items()) or len(group) != len(items):
                stored = True
                group.clear()
                group.update(items)
    if stored:
        raise CaptureError(
            f"{type(owner).__qualname__} assigns attributes while it runs",
            hint="return the new values, or update a buffer in place",
        )
