"""The user's grad mode during a trace, which itself runs without gradients.

`torch.no_grad()` and the like read and set the mode that the function would see outside a trace. What is computed where it
is off has no gradient: it is detached in the graph.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import types
from collections.abc import Iterator
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensor
from torch.utils import _pytree as pytree

from .control.errors import Unsupported

_is_grad_enabled = torch.is_grad_enabled
_apply = torch.autograd.Function.__dict__["apply"]
_TRACKED = frozenset(getattr(torch.Tensor, name).__get__ for name in ("requires_grad", "grad_fn"))


class GradMode:
    """The mode, and what follows from it.

    Attributes:
        enabled: whether gradients are switched on where the traced function is now.
        needed: whether the call has gradients at all: they are switched on outside, and an input requires one.
    """

    def __init__(self, enabled: bool, needed: bool) -> None:
        self.enabled, self.needed = enabled, enabled and needed
        self._inference = torch.is_inference_mode_enabled()
        self._plain: dict[int, torch.Tensor] = {}  # what was made where gradients are off, by id
        self._inputs: set[int] = set()

    @contextlib.contextmanager
    def seen(self, inputs: list[torch.Tensor]) -> Iterator[None]:
        """Within it `torch.is_grad_enabled()` gives, in this thread, the user's mode, and derivatives by hand are refused.

        `inputs` are the trace's: of other tensors it is not known whether they require gradients.
        """
        thread = threading.get_ident()
        self._inputs = {id(t) for t in inputs}

        def is_grad_enabled() -> bool:
            if threading.get_ident() != thread:
                return _is_grad_enabled()
            if not self.needed and _is_users(sys._getframe(1)):
                # One compiled program answers with and without the mode where nothing needs gradients.
                raise Unsupported("torch.is_grad_enabled() is read", hint="pass a flag of your own")
            return self.enabled

        def apply(cls: type, *args: Any, **kwargs: Any) -> Any:
            if threading.get_ident() == thread and self.needed and self.enabled:
                raise Unsupported(
                    f"{cls.__name__} is a torch.autograd.Function, whose backward a trace does not see",
                    hint="write what it computes with torch's functions, x + (y - x).detach() for another gradient",
                )
            return _apply.__get__(None, cls)(*args, **kwargs)

        before = torch.is_grad_enabled, torch.autograd.Function.__dict__["apply"]  # those of a trace around this one
        torch.is_grad_enabled = is_grad_enabled
        torch.autograd.Function.apply = classmethod(apply)  # type: ignore[method-assign, assignment]
        try:
            yield
        finally:
            torch.is_grad_enabled, torch.autograd.Function.apply = before  # type: ignore[method-assign]

    def check_read(self, function: Any, args: Any) -> None:
        """Raises `Unsupported` where the user asks if a computed tensor requires gradients: nothing does in a trace."""
        if function not in _TRACKED:
            return
        if not self.needed:
            if id(args[0]) in self._inputs and _is_users(sys._getframe(2)):
                # The program for calls that need no gradient does not look at it.
                raise Unsupported("requires_grad of an argument is read", hint="pass a flag of your own")
            return
        computed = isinstance(args[0], FakeTensor) and id(args[0]) not in self._inputs
        if computed and _is_users(sys._getframe(2)):
            raise Unsupported("requires_grad or grad_fn of a computed tensor is read", hint="pass a flag of your own")

    @property
    def off(self) -> bool:
        """Whether what is computed now has no gradient, in a call that has some."""
        if self.needed and torch.is_inference_mode_enabled() != self._inference:
            raise Unsupported("torch.inference_mode() in a call that needs gradients", hint="use torch.no_grad() there")
        return self.needed and not self.enabled

    def check_write(self, tensor: torch.Tensor) -> None:
        """Raises `Unsupported` for a write in place whose gradient a graph cannot express."""
        if self.off and id(tensor) not in self._plain:
            raise Unsupported(
                "a tensor is written to in place where gradients are switched off, and the call needs gradients",
                hint="compute a new tensor there, or write to one that is made there",
            )

    def detached(self, values: Any, written: frozenset[int] = frozenset()) -> Any:
        """Tensors in `values` as what has no gradient, where gradients are off; those with ids in `written` as they are."""
        if not self.off:
            return values
        values = pytree.tree_map_only(torch.Tensor, lambda t: t if id(t) in written else t.detach(), values)
        for value in pytree.tree_leaves(values):
            if isinstance(value, torch.Tensor):
                self._plain[id(value)] = value
        return values


def _is_users(frame: types.FrameType) -> bool:
    """Whether code outside torch asks, be it through the interpreter."""
    return frame.f_globals.get("__name__", "").partition(".")[0] != "torch"
