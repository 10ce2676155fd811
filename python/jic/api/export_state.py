"""What a capture read of the state around the call, told apart: guards that travel with a module, and what became constant."""

from __future__ import annotations

import sys
from typing import Any

import torch

from ..frontend import Guard
from ..frontend.guards import by_value
from ..runtime.exported.manifest import Constant

_LONGEST = 80  # characters of a value that is shown
_INTERNAL = ("training", "_is_full_backward_hook", "call_super_init", "dump_patches")


def training_of(guards: list[Guard], root: torch.nn.Module | None) -> dict[str, bool]:
    """The training flags of `root` and its submodules that were read, by the modules' names."""
    if root is None:
        return {}
    names = {id(vars(m)): name for name, m in root.named_modules()}
    return {
        names[id(guard.container)]: guard.values["training"]
        for guard in guards
        if guard.kind == "dict" and id(guard.container) in names and "training" in guard.values
    }


def constants_of(guards: list[Guard], root: torch.nn.Module | None) -> tuple[Constant, ...]:
    """The numbers, strings and the like that were read, each with its place in words. Code is not listed."""
    owners: dict[int, str] = {}
    if root is not None:
        owners |= {id(vars(m)): f"{name or 'the module'} ({type(m).__name__})" for name, m in root.named_modules()}
    for guard in guards:
        if guard.kind == "object" and guard.detail[1] is not None:
            owners.setdefault(id(guard.detail[1]), f"a {guard.detail[0].__qualname__}")
    found: dict[Constant, None] = {}
    for guard in guards:
        owner = _owner(guard, owners)
        if owner is None:
            continue
        for key, value in guard.values.items():
            if by_value(value) and key not in _INTERNAL and not (isinstance(key, str) and key.startswith("__")):
                text = repr(value)
                shown = text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
                found[Constant(owner if key is None else f"{key!r} of {owner}", shown)] = None
    return tuple(found)


def _owner(guard: Guard, owners: dict[int, str]) -> str | None:
    """What the guard looked at, in words; None for what is torch's own."""
    container: Any = guard.container
    match guard.kind:
        case "dict" if id(container) in owners:
            return owners[id(container)]
        case "dict" if (
            isinstance(name := container.get("__name__"), str) and vars(sys.modules.get(name, _Nothing)) is container
        ):
            return None if _is_torchs(name) else f"the module {name}"
        case "type":
            return None if _is_torchs(container.__module__) else f"the class {container.__qualname__}"
        case "cell":
            return "a variable of an enclosing function"
        case "call":
            name = getattr(container, "__name__", "")
            return None if _is_torchs(getattr(container, "__module__", None) or "torch") else f"{name}()"
        case "attribute":
            return f"a {type(container).__qualname__}"
        case "dict" | "sequence":
            return f"a {type(container).__qualname__}"
    return None


def _is_torchs(module: str) -> bool:
    return module.split(".")[0] == "torch"


class _Nothing:
    """Stands for a module that is not there."""
