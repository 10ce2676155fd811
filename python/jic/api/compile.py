"""`jic.compile`, and `jic.script` and `jic.trace` for those who come from TorchScript."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, overload

import torch

from . import pipeline as pipelines
from .compiled import CompiledFunction
from .config import JitConfig
from .module import CompiledModule


@overload
def compile(
    fn: torch.nn.Module,
    /,
    *,
    config: JitConfig | None = ...,
    target: str | None = ...,
    strict: bool = ...,
    pipeline: str | None = ...,
    extra_passes: Mapping[str, str] | None = ...,
) -> CompiledModule: ...
@overload
def compile(
    fn: Callable[..., Any],
    /,
    *,
    config: JitConfig | None = ...,
    target: str | None = ...,
    strict: bool = ...,
    pipeline: str | None = ...,
    extra_passes: Mapping[str, str] | None = ...,
) -> CompiledFunction: ...
@overload
def compile(
    fn: None = ...,
    /,
    *,
    config: JitConfig | None = ...,
    target: str | None = ...,
    strict: bool = ...,
    pipeline: str | None = ...,
    extra_passes: Mapping[str, str] | None = ...,
) -> Callable[[Callable[..., Any]], CompiledFunction]: ...
def compile(
    fn: Callable[..., Any] | None = None,
    /,
    *,
    config: JitConfig | None = None,
    target: str | None = None,
    strict: bool = False,
    pipeline: str | None = None,
    extra_passes: Mapping[str, str] | None = None,
) -> Any:
    """Compile a function or an `nn.Module`; also a decorator, with or without arguments.

    The first call with a new signature (dtypes, shapes, strides, values of Python arguments, state that the code reads) captures
    and compiles; later ones run the compiled code. What cannot be compiled runs through ATen or eagerly, with a warning
    or a note in `jic.explain`.

    Args:
        fn: what to compile. A module comes back as a module that shares its parameters.
        config: see `JitConfig`.
        target: `cpu` or `vulkan`; overrides `config.target_device`.
        strict: raise `FallbackError` instead of falling back.
        pipeline, extra_passes: override those of `config`.

    Raises:
        ConfigError: an unknown target.
        PipelineError: `pipeline` or `extra_passes` name what does not exist.
        FallbackError: at a call, with `strict`, if something would fall back.
        UserPassError: at a call, if one of these passes fails.
    """
    given = {"target_device": target, "pipeline": pipeline, "extra_passes": extra_passes}
    settings = replace(config or JitConfig(), **{k: v for k, v in given.items() if v is not None})
    if fn is None:
        pipelines.check(settings)
        return lambda f: compile(f, config=settings, strict=strict)
    if isinstance(fn, (CompiledFunction, CompiledModule)):
        return fn
    if isinstance(fn, torch.nn.Module):
        return CompiledModule(fn, settings, strict)
    if not callable(fn):
        raise TypeError(f"jic.compile takes a callable or a module, got {type(fn).__name__}")
    return CompiledFunction(fn, settings, strict)


def script(obj: Any, example_inputs: Any = None, *, config: JitConfig | None = None) -> Any:
    """`torch.jit.script`'s shape: compile a function or a module; calls decide the signatures.

    Args:
        obj: a function, module, or a class of modules (whose instances are then compiled).
        example_inputs: tuples of arguments to compile for now.
    """
    if isinstance(obj, type) and issubclass(obj, torch.nn.Module):
        return lambda *args, **kwargs: script(obj(*args, **kwargs), config=config)
    compiled = compile(obj, config=config)
    for inputs in example_inputs or ():
        (compiled.compiled if isinstance(compiled, CompiledModule) else compiled).entry_for(tuple(inputs), {})
    return compiled


def trace(func: Any, example_inputs: Any, *, strict: bool = False, config: JitConfig | None = None) -> Any:
    """`torch.jit.trace`'s shape: compile `func` for `example_inputs` (a tensor or a tuple of arguments) at once.

    Other signatures compile when they are first called.
    """
    inputs = (example_inputs,) if isinstance(example_inputs, torch.Tensor) else tuple(example_inputs)
    compiled = compile(func, config=config, strict=strict)
    (compiled.compiled if isinstance(compiled, CompiledModule) else compiled).entry_for(inputs, {})
    return compiled
