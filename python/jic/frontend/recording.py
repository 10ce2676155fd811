"""At each torch call of the traced function captured tensors are swapped for inputs, and the user's line is noted."""

from __future__ import annotations

from types import CodeType
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensor
from torch.fx import traceback as fx_traceback
from torch.overrides import TorchFunctionMode

from . import locations


class Recorder(TorchFunctionMode):
    """Replaces captured tensors in the arguments of torch calls by fake stand-ins, which the tracer knows as inputs.

    Without it the tracer would bake the value of a captured one-element tensor into the graph, and run in-place ops on
    it for real. Nodes get `file:line` of the innermost user frame under `outermost` as their stack trace (within
    `preserve_node_meta`).

    Attributes:
        unknown: captured tensors without a stand-in, by id. The trace must be repeated with stand-ins for them.
    """

    def __init__(self, outermost: CodeType, stand_ins: dict[int, torch.Tensor]) -> None:
        super().__init__()
        self.outermost, self.stand_ins = outermost, stand_ins
        self.unknown: dict[int, torch.Tensor] = {}

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        location = locations.of_caller(self.outermost)
        if location:
            fx_traceback.set_stack_trace([location])
        return func(*self._swapped(args), **{k: self._swapped(v) for k, v in (kwargs or {}).items()})

    def _swapped(self, value: Any) -> Any:
        if type(value) in (tuple, list):
            return type(value)(self._swapped(v) for v in value)
        return self.stand_in(value)

    def stand_in(self, value: Any) -> Any:
        """The stand-in of a captured tensor; anything else as it is."""
        if not isinstance(value, torch.Tensor) or isinstance(value, FakeTensor):
            return value
        if id(value) not in self.stand_ins:
            self.unknown[id(value)] = value
        return self.stand_ins.get(id(value), value)
