"""A call's result, built in Python: for calls that autograd goes through, and on other devices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from ..frontend import OutputSource, Traced
from ..frontend.layouts import memory_order
from ..frontend.structure import containers_of


def result_of(
    traced: Traced,
    outputs: Sequence[torch.Tensor],
    tensors: Sequence[Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    """What `traced` says of the program's `outputs`, the `tensors` that are its inputs, and the call's containers."""
    builder = _Builder(traced, outputs, tensors)
    leaves = [builder.leaf(source) for source in traced.outputs]
    result = traced.structure.build(leaves, containers_of(args, kwargs))
    return result if traced.effects is None else traced.effects(result)


class _Builder:
    def __init__(self, traced: Traced, outputs: Sequence[torch.Tensor], tensors: Sequence[Any]) -> None:
        self.geometry = traced.geometry
        self.outputs, self.tensors = outputs, tensors
        self.whole: dict[int, torch.Tensor] = {}
        self.built: dict[int, Any] = {}

    def leaf(self, source: OutputSource) -> Any:
        if source.identity < 0:
            return self._leaf(source)
        if source.identity not in self.built:
            self.built[source.identity] = self._leaf(source)
        return self.built[source.identity]

    def _leaf(self, source: OutputSource) -> Any:
        if source.kind == "constant":
            return source.value
        if source.kind == "choice":
            return self.leaf(source.choices[int(self.outputs[source.index])])
        if source.kind == "input":
            found = self.tensors[source.index]
        elif source.kind == "view":
            base = self.tensors[source.index]
            found = base.as_strided(source.size, source.stride, base.storage_offset() + source.offset)
        elif source.kind == "alias":
            found = self.outputs[source.index].as_strided(source.size, source.stride, source.offset)
        else:
            found = self._whole(source)
        if source.number:
            return found.item()
        return found.detach() if source.detached else found

    def _whole(self, source: OutputSource) -> torch.Tensor:
        """A program's output, whose dims lie in the order of memory, as the tensor that it is."""
        if source.index not in self.whole:
            output = self.outputs[source.index]
            size, stride = self.geometry[source.index]
            order = memory_order(size, stride)
            if order is not None and order != sorted(order):
                output = output.permute([order.index(d) for d in range(len(order))])
            if output.stride() != stride:  # of dims of size 1
                output = output.as_strided(size, stride)
            self.whole[source.index] = output
        return self.whole[source.index]
