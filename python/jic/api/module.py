"""`CompiledModule`: the module that stands for a module and calls compiled code."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator
from typing import Any

import torch

from .compiled import CompiledFunction
from .config import JitConfig

_OWN = frozenset({"_orig_mod", "compiled"})
# Registries that torch and others read from a module's dictionary: the original's own.
_SHARED = ("_parameters", "_buffers", "_modules")
# What nn.Module defines and this class does not hand on: calls, and how attributes are found.
_KEPT = frozenset(
    {"__init__", "__call__", "_call_impl", "_wrapped_call_impl", "forward", "__getattr__", "__setattr__", "__delattr__"}
    | {"__setstate__", "__getstate__", "__dir__", "__annotations__"}
)


class CompiledModule(torch.nn.Module):
    """What `jic.compile` returns for a module. Its state is the original's: whatever is read, set or called, apart from the
    module itself, is read, set or called there."""

    compiled: CompiledFunction

    def __init__(self, module: torch.nn.Module, config: JitConfig, strict: bool = False) -> None:
        own = self.__dict__
        own.clear()
        own.update({name: module.__dict__[name] for name in _SHARED})
        own["_orig_mod"] = module
        own["compiled"] = CompiledFunction(module, config, strict)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.compiled(*args, **kwargs)

    @property
    def forward(self) -> Any:  # type: ignore[override]
        return self.compiled

    def __getattr__(self, name: str) -> Any:
        if name in _OWN:  # not there yet: the object is being made
            raise AttributeError(name)
        return getattr(self._orig_mod, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._orig_mod, name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self._orig_mod, name)

    def __dir__(self) -> list[str]:
        return sorted({*object.__dir__(self), *dir(self._orig_mod)})

    def __reduce__(self) -> Any:
        return type(self), (self._orig_mod, self.compiled.config, self.compiled.strict)

    def __repr__(self) -> str:
        return f"jic.compile({self._orig_mod!r})"

    # ---- containers ----

    def __bool__(self) -> bool:
        return bool(self._orig_mod)

    def __len__(self) -> int:
        return len(self._orig_mod)  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._orig_mod)  # type: ignore[call-overload]

    def __getitem__(self, index: Any) -> Any:
        return self._orig_mod[index]  # type: ignore[index]

    def __contains__(self, item: Any) -> bool:
        return item in self._orig_mod  # type: ignore[operator]

    # ---- looking inside ----

    def stats(self) -> dict[str, Any]:
        return self.compiled.stats()

    def ir(self, stage: str = "kernels") -> str:
        return self.compiled.ir(stage)

    def ptx(self, *args: Any, **kwargs: Any) -> str:
        return self.compiled.ptx(*args, **kwargs)

    @property
    def graph(self) -> str:
        return self.compiled.graph


def _handed_on(name: str) -> Callable[..., Any]:
    def method(self: CompiledModule, *args: Any, **kwargs: Any) -> Any:
        found = getattr(self._orig_mod, name)(*args, **kwargs)
        return self if found is self._orig_mod else found

    method.__name__, method.__doc__ = name, getattr(torch.nn.Module, name).__doc__
    return method


for _name, _value in vars(torch.nn.Module).items():
    if isinstance(_value, types.FunctionType) and _name not in _KEPT and _name not in vars(CompiledModule):
        setattr(CompiledModule, _name, _handed_on(_name))
