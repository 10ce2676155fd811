"""At each torch call of the traced function captured tensors are swapped for inputs, and the user's line is noted."""

from __future__ import annotations

from types import CodeType
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensor
from torch.fx import traceback as fx_traceback
from torch.overrides import TorchFunctionMode

from . import locations
from .control.indexing import normal
from .control.interpreter import Interpreter
from .control.number_calls import check_takes, prepared
from .control.torch_calls import READS, converted, has_scalars, no_values_needed, run_time_call, written
from .grad_mode import GradMode
from .metadata import Metadata, check_read
from .real_strides import as_eager

_DATA = torch.Tensor.data.__get__  # type: ignore[attr-defined]


class Recorder(TorchFunctionMode):
    """Replaces captured tensors in the arguments of torch calls by fake stand-ins, which the tracer knows as inputs.

    Without it the tracer would bake the value of a captured one-element tensor into the graph, and run in-place ops on
    it for real. Nodes get `file:line` of the innermost user frame under `outermost` as their stack trace (within
    `preserve_node_meta`).

    Attributes:
        lasting: ids of the trace's tensors that stand for arguments and captured tensors.
        given: the memory of those that stand for arguments.
        touched: captured tensors of which something was read, by id.
        unknown: captured tensors without a stand-in, by id. The trace must be repeated with stand-ins for them.
    """

    def __init__(self, outermost: CodeType, stand_ins: dict[int, torch.Tensor], grad_mode: GradMode) -> None:
        super().__init__()
        self.outermost, self.stand_ins, self.grad_mode = outermost, stand_ins, grad_mode
        self.unknown: dict[int, torch.Tensor] = {}
        self.touched: dict[int, torch.Tensor] = {}
        self.lasting: set[int] = set()
        self.given: set[int] = set()
        self.interpreter = Interpreter(self.stand_in)
        self.context = self.interpreter.context
        self.context.captured = self._captured

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        location = locations.of_caller(self.outermost) or self.interpreter.location()
        if location:
            fx_traceback.set_stack_trace([location])
        if func is torch._C._set_grad_enabled:
            self.grad_mode.enabled = args[0]
            return None
        if func is _DATA:
            func = torch.Tensor.detach
        check_read(func, args, self.given)
        if func in READS:  # shapes and the like, of which a trace makes very many
            self.grad_mode.check_read(func, args)
            return func(*self._swapped(args), **kwargs)
        self.context.count_call()
        for tensor in written(func, args, kwargs):
            self.grad_mode.check_write(self._captured(tensor))
            self.context.writes(self._captured(tensor))
        if len(args) > 1 and getattr(func, "__name__", "") in ("__getitem__", "__setitem__"):
            args = (args[0], normal(args[1]), *args[2:])
        if has_scalars(args) or has_scalars(kwargs):
            args, kwargs = prepared(self.context, func, args, kwargs, self._swapped)
            special = run_time_call(self.context, func, args, kwargs, self._swapped)
            if special is not NotImplemented:
                return self.grad_mode.detached(special)
            if self.context.number_inputs:
                check_takes(func)
            args, kwargs = converted(args, kwargs)
            with no_values_needed(self.context, func):
                return self._run(func, args, kwargs)
        return self._run(func, args, kwargs)

    def _run(self, func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        swapped = self._swapped(args)
        named = {k: self._swapped(v) for k, v in kwargs.items()}
        if self.grad_mode.off and (targets := list(written(func, args, kwargs))):
            # what is written to has no gradient, and gets none
            own = frozenset(id(self.stand_in(t)) for t in targets)
            swapped, named = self.grad_mode.detached((swapped, named), own)
        metadata = Metadata(func, swapped, named, self.lasting, bool(self.context.regions))
        result = func(*swapped, **named)
        metadata.check()
        result = as_eager(func, swapped, named, result)
        if isinstance(result, torch.Tensor) and any(result is a for a in swapped):
            self.context.made(result)
            return self.context.original(result)  # an in-place op returns the tensor that the user has
        result = self.grad_mode.detached(result)
        self.context.made(result)
        return result

    def _captured(self, value: torch.Tensor) -> torch.Tensor:
        """The trace's tensor of a captured one."""
        if isinstance(value, FakeTensor):
            return value
        self.touched[id(value)] = value
        if id(value) not in self.stand_ins:
            self.unknown[id(value)] = value
        return self.stand_ins.get(id(value), value)

    def _swapped(self, value: Any) -> Any:
        if type(value) in (tuple, list):
            return type(value)(self._swapped(v) for v in value)
        return self.stand_in(value)

    def stand_in(self, value: Any) -> Any:
        """The stand-in of a captured tensor, or of one that a region being traced writes to; anything else as it is."""
        if not isinstance(value, torch.Tensor):
            return value
        return self.context.version(self._captured(value))

    def result(self, value: Any) -> Any:
        """A leaf of the result: a captured tensor's stand-in; anything else as it is."""
        return self._captured(value) if isinstance(value, torch.Tensor) else value
