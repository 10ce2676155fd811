"""Forward hooks of modules: they are interpreted, as they most often have effects."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.modules.module as global_hooks

from .errors import Unsupported
from .frame import Frame

if TYPE_CHECKING:
    from .interpreter import Interpreter


def registries(module: torch.nn.Module) -> Iterator[dict[int, Any]]:
    """The registries of hooks that a call of `module` looks at."""
    for name in ("_backward_hooks", "_backward_pre_hooks", "_forward_hooks", "_forward_pre_hooks"):
        yield getattr(module, name)
        yield getattr(global_hooks, f"_global{name}")


def _has_backward_hooks(module: torch.nn.Module) -> bool:
    return any(
        (
            module._backward_hooks,
            module._backward_pre_hooks,
            global_hooks._global_backward_hooks,
            global_hooks._global_backward_pre_hooks,
        )
    )


def call(
    interpreter: Interpreter, module: torch.nn.Module, args: list[Any], kwargs: dict[str, Any], caller: Frame | None
) -> Any:
    """What `torch.nn.Module.__call__` does.

    Raises:
        Unsupported: there are hooks for the backward, and gradients are needed.
    """
    if _has_backward_hooks(module) and interpreter.gradients_needed():
        raise Unsupported(f"{type(module).__name__} has hooks for its backward, which a compiled one does not run")
    given: tuple[Any, ...] = tuple(args)
    for key, hook in (*global_hooks._global_forward_pre_hooks.items(), *module._forward_pre_hooks.items()):
        if key in module._forward_pre_hooks_with_kwargs:
            changed = interpreter.call(hook, [module, given, kwargs], {}, caller)
            if changed is not None:
                given, kwargs = changed
        else:
            changed = interpreter.call(hook, [module, given], {}, caller)
            if changed is not None:
                given = changed if isinstance(changed, tuple) else (changed,)
    result = interpreter.module_forward(module, list(given), kwargs, caller)
    for key, hook in (*global_hooks._global_forward_hooks.items(), *module._forward_hooks.items()):
        with_kwargs = key in module._forward_hooks_with_kwargs or key in global_hooks._global_forward_hooks_with_kwargs
        changed = interpreter.call(
            hook, [module, given, kwargs, result] if with_kwargs else [module, given, result], {}, caller
        )
        if changed is not None:
            result = changed
    return result
