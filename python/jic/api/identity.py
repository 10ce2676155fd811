"""What a compiled function shows of the function it was made of: name, signature, and how it is copied and pickled."""

from __future__ import annotations

import copy
import functools
import inspect
import sys
import types
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch

from .config import JitConfig
from .signature import name_of


class _Signature:
    """The signature of an instance's function; the class itself has none of its own."""

    def __get__(self, instance: Any, owner: Any = None) -> inspect.Signature:
        if instance is None:
            raise AttributeError("__signature__")
        fn = instance.fn
        try:
            return inspect.signature(fn.forward if isinstance(fn, torch.nn.Module) else fn)
        except (TypeError, ValueError) as error:  # a builtin without one
            raise AttributeError("__signature__") from error


class Identity:
    """Mixed into a callable that stands for `fn`, compiled with `config` and `strict`."""

    if TYPE_CHECKING:
        fn: Callable[..., Any]
        config: JitConfig
        strict: bool

        def __init__(self, fn: Callable[..., Any], config: JitConfig, strict: bool = False) -> None: ...
    else:
        __signature__ = _Signature()

    def _take_identity(self) -> None:
        own = self.__dict__
        for name in functools.WRAPPER_ASSIGNMENTS:
            if hasattr(self.fn, name):
                own[name] = getattr(self.fn, name)
        own.setdefault("__name__", name_of(self.fn))
        if not isinstance(self.fn, torch.nn.Module):
            for name, value in getattr(self.fn, "__dict__", {}).items():  # a function's own attributes
                own.setdefault(name, value)
        own["__wrapped__"] = self.fn

    def __repr__(self) -> str:
        return f"<jic.compile({self.fn!r})>"

    def __reduce__(self) -> Any:
        """By name, if that is where the name leads to, as with a decorated function; else by `fn`."""
        found: Any = sys.modules.get(getattr(self, "__module__", None) or "")
        name = getattr(self, "__qualname__", "")
        for part in name.split("."):
            found = getattr(found, part, None)
        return name if found is self and name else (type(self), (self.fn, self.config, self.strict))

    def __copy__(self) -> Any:
        return self if isinstance(self.fn, _ATOMIC) else type(self)(self.fn, self.config, self.strict)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        """Functions are not copied; what a module or a method belongs to is, and the copy compiles anew."""
        if isinstance(self.fn, _ATOMIC):
            return self
        made = memo[id(self)] = type(self)(copy.deepcopy(self.fn, memo), self.config, self.strict)
        return made


_ATOMIC = (types.FunctionType, types.BuiltinFunctionType)
