"""A call whose loop runs eagerly by itself: what is before and after it is compiled."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import torch
from torch.utils import _pytree as pytree

from ..errors import CaptureError
from ..frontend import OutputSource, Traced
from ..frontend.control.split import RETURNED, Split, split_at
from ..frontend.guards import Guard, function_parts
from ..frontend.structure import Structure
from .dynamo import opaque

_DTYPES = {int: torch.int64, float: torch.float64, bool: torch.bool}


class CompiledPart(Protocol):
    """What is asked of the `CompiledFunction` of a part."""

    entries: list[Any]

    def __call__(self, *args: Any, **kwargs: Any) -> Any: ...
    def compile_for(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any: ...
    def latest(self) -> Traced: ...


class Parts:
    """Answers calls of one signature.

    Args:
        receiver: what the function's first parameter is bound to, in a tuple, or nothing.
        compile: makes a `CompiledFunction` of a function.
    """

    def __init__(
        self, split: Split, receiver: tuple[Any, ...], compile: Callable[[Callable[..., Any]], CompiledPart]
    ) -> None:
        self.split, self.receiver, self._compile = split, receiver, compile
        self.before: Callable[..., Any] = self._bound(split.before())
        self.signature = inspect.signature(self.before)
        self.loop = self._bound(split.loop())
        self.used, self.touched = split.uses_after(), split.used_in_loop()
        self.compiled: list[CompiledPart] = []
        self._after: dict[tuple[str, ...], tuple[CompiledPart, Callable[..., Any], list[str]]] = {}

    def guards(self) -> list[Guard]:
        """Hold while the function is the one that was split; its parts have guards of their own."""
        function = self.split.function
        return [Guard("function", function, function_parts(function), {})]

    def prepare(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Compile what is before the loop, unless it gives what a compiled function would copy."""
        self.split.after(self.split.names)  # now, rather than after the loop has run, it shows if that cannot be made
        before = self._compile(self.before)
        entry = before.compile_for(args, kwargs)
        if entry is None or entry.traced is None or not self._copies(entry.traced):
            self.before = before
            self.compiled.append(before)

    def _copies(self, traced: Traced) -> bool:
        """Whether results are containers that somebody else may hold."""
        leaves = list(traced.outputs)
        arguments = [OutputSource("constant")] * (1 + max((s.index for s in _containers(traced.structure)), default=-1))
        _, state = traced.structure.build(leaves, arguments)
        held = [n for n, v in state.items() if not isinstance(v, OutputSource)] if isinstance(state, dict) else []
        return not self.split.fresh.issuperset(held)

    @opaque
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        tag, state = self.before(*args, **kwargs)
        if tag == RETURNED:
            return state
        bound = self.signature.bind(*args, **kwargs)
        bound.apply_defaults()
        tag, state = self.loop(**state, **{n: bound.arguments[n] for n in self.split.passed})
        if tag == RETURNED:
            return state
        state = {k: v for k, v in state.items() if k in self.used}
        compiled, eager, numbers = self._following(state)
        # A list that the loop fills is another one each time, and would be compiled each time.
        if _overlap(state) or any(isinstance(state[n], (list, dict, set)) for n in self.touched & state.keys()):
            return eager(**state)
        try:
            tensors = {n: torch.tensor(state[n], dtype=_DTYPES[type(state[n])]) for n in numbers}
        except (RuntimeError, OverflowError):  # an int beyond 64 bits
            return eager(**state)
        return compiled(**{**state, **tensors})

    def _following(self, state: dict[str, Any]) -> tuple[CompiledPart, Callable[..., Any], list[str]]:
        """What follows the loop where `state` is bound: compiled, as it is, and the numbers that the former takes as tensors."""
        bound = sorted(state)
        numbers = [n for n in bound if n in self.split.assigned and type(state[n]) in _DTYPES]
        key = (*bound, "", *numbers)
        if key not in self._after:
            compiled = self._compile(self._bound(self.split.after(bound, numbers)))
            self._after[key] = compiled, self._bound(self.split.after(bound)), numbers
            self.compiled.append(compiled)
        return self._after[key]

    def _bound(self, function: types.FunctionType) -> Callable[..., Any]:
        return types.MethodType(function, self.receiver[0]) if self.receiver else function


def parts_of(
    fn: Callable[..., Any], error: Exception, compile: Callable[[Callable[..., Any]], CompiledPart]
) -> Parts | None:
    """`fn` in parts, if `error` is that a loop of its own body cannot be compiled; None if it is not, or it has no such parts."""
    function, receiver = _function_of(fn)
    outermost = error.outermost if isinstance(error, CaptureError) else None
    if function is None or outermost is None or outermost[0].__code__ is not function.__code__:
        return None
    split = split_at(function, outermost[1], bool(receiver))
    return None if split is None else Parts(split, receiver, compile)


def _function_of(fn: Any) -> tuple[types.FunctionType | None, tuple[Any, ...]]:
    """The Python function that `fn` calls, and what its first parameter is bound to."""
    if isinstance(fn, torch.nn.Module):
        hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
        if any(getattr(fn, name) for name in hooks) or "forward" in fn.__dict__:
            return None, ()
        function = type(fn).forward
        return (function, (fn,)) if isinstance(function, types.FunctionType) else (None, ())
    if isinstance(fn, types.MethodType) and isinstance(fn.__func__, types.FunctionType):
        return fn.__func__, (fn.__self__,)
    return (fn, ()) if isinstance(fn, types.FunctionType) else (None, ())


def _containers(structure: Structure) -> Iterator[Structure]:
    """The parts of a result that are containers of the call's arguments."""
    if structure.kind == "argument":
        yield structure
    for item in structure.items:
        yield from _containers(item)


def _overlap(state: dict[str, Any]) -> bool:
    """Whether two of the tensors are one, or views of one, or two containers one: a compiled function takes each for itself."""
    containers = [id(v) for v in state.values() if isinstance(v, (list, dict, set))]
    if len(set(containers)) < len(containers):
        return True
    tensors = [t for t in pytree.tree_leaves(state) if isinstance(t, torch.Tensor)]
    return len({t.untyped_storage()._cdata for t in tensors}) < len(tensors)
