"""`jic.export`: a function or module, compiled for some signatures and targets, as one file that needs no compiler."""

from __future__ import annotations

import inspect
import itertools
import json
import os
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch.utils import _pytree as pytree

from .. import budget
from ..errors import CaptureError, ConfigError, ExportError
from ..frontend import Number, Traced, number_leaves, trace
from ..runtime import Artifact, ArtifactCache
from ..runtime.dispatch import ArgumentSpec, Value, Variant
from ..runtime.exported.container import Buffer, write
from ..runtime.exported.forms import argument_form, result_form
from ..runtime.exported.manifest import Manifest, Part, ProgramEntry, Signature
from ..runtime.exported.model import WEIGHTS
from ..runtime.exported.tensors import tensors_entry
from ..version import __version__
from . import calls
from .compiled import CompiledFunction
from .config import JitConfig
from .export_state import constants_of, training_of
from .export_targets import ExportTarget
from .export_weights import Weights
from .module import CompiledModule
from .signature import name_of, signature_text

Example = tuple[tuple[Any, ...], dict[str, Any]]


def export(
    fn: Callable[..., Any],
    *args: Any,
    path: str | os.PathLike[str] = "model.jic",
    targets: Sequence[str] = ("cpu",),
    keywords: Mapping[str, Any] | None = None,
    signatures: Iterable[tuple[Any, ...]] = (),
    numbers: bool | Sequence[int | str] = False,
    torch_free: bool = False,
    config: JitConfig | None = None,
) -> Path:
    """Compile `fn` for calls like `fn(*args, **keywords)` and write all that they need into one file for `jic.load`.

    The file holds no Python code and no pickles: see docs/artifact.md. A module's parameters and buffers go with it; gradients
    are not exported. What the code reads of the state around the call becomes a constant; `jic inspect` lists it.

    Args:
        fn: a function, a module, a method of a module, or what `jic.compile` made of one. It is captured, not run.
        path: where to write; the file appears as a whole or not at all.
        targets: `cpu` (this machine), `cpu:x86-64-v3`, `cpu:x86-64-v4`, `cuda` or `cuda:ARCH` (PTX), `vulkan`.
        keywords: keyword arguments of the call.
        signatures: further calls: tuples of arguments, or pairs of such a tuple and a dict of keyword arguments.
        numbers: which Python ints and floats are inputs: True for all, or positions and names of arguments. Others are
            constants, and only calls with the same values match.
        torch_free: refuse what the C API cannot run: steps that call ATen.
        config: see `JitConfig`; of it fusion, optimizations, caching and limits matter here.

    Returns:
        `path`.

    Raises:
        ExportError: something that a file cannot hold: a call that would run eagerly, effects on Python objects, results
            that are Python objects of other kinds than JSON can say.
        ConfigError: an unknown target, or signatures that are equal.
        JicError: a target does not support what the call does.
    """
    if isinstance(fn, CompiledModule):
        fn, config = fn._orig_mod, config or fn.compiled.config
    elif isinstance(fn, CompiledFunction):
        fn, config = fn.fn, config or fn.config
    if not callable(fn):
        raise ConfigError(f"jic.export takes a callable or a module, got {type(fn).__name__}")
    examples = list(map(_example, signatures))
    if args or keywords or not examples:
        examples.insert(0, (args, dict(keywords or {})))
    exporter = _Exporter(fn, [ExportTarget.parse(t) for t in targets], numbers, torch_free, config or JitConfig())
    with torch.no_grad():
        for number, example in enumerate(examples):
            exporter.add(number, *example)
    exporter.write(path)
    return Path(path)


def _example(given: tuple[Any, ...]) -> Example:
    if not isinstance(given, tuple):
        raise ConfigError(f"a signature is a {type(given).__name__}, expected a tuple of arguments")
    is_pair = len(given) == 2 and isinstance(given[0], tuple) and type(given[1]) is dict
    return (given[0], given[1]) if is_pair else (given, {})


@dataclass(frozen=True)
class _Outputs:
    """Stands for a program where only its outputs matter."""

    outputs: list[tuple[torch.dtype, tuple[int, ...]]]


class _Exporter:
    def __init__(
        self,
        fn: Callable[..., Any],
        targets: list[ExportTarget],
        numbers: bool | Sequence[int | str],
        torch_free: bool,
        config: JitConfig,
    ) -> None:
        if not targets or len(set(targets)) != len(targets):
            raise ConfigError("targets are empty, or one is named twice")
        self.fn, self.numbers, self.torch_free, self.config = fn, numbers, torch_free, config
        self.targets = sorted(targets, key=lambda t: t.rank)
        self.root = fn if isinstance(fn, torch.nn.Module) else getattr(fn, "__self__", None)
        if not isinstance(self.root, torch.nn.Module):
            self.root = None
        self.weights = Weights(self.root)
        self.signatures: list[Signature] = []
        self.entries: list[tuple[str, Sequence[Buffer]]] = []
        directory = {} if config.cache_dir is None else {"directory": config.cache_dir}
        self.cache = ArtifactCache(**directory) if config.enable_caching else None

    def add(self, number: int, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Compile for one more signature."""
        chosen = self._number_inputs(args, kwargs)
        request = calls.Request(self.fn, args, kwargs, numbers=chosen)
        text = signature_text(args, kwargs, chosen)
        traced = self._traced(request, text)
        self._refuse_state(traced, text)
        if any(t.name != "cpu" for t in self.targets) and (traced.mutations or any(o.inputs for o in traced.outputs)):
            raise self._refusal(text, "GPU targets do not change their inputs or return views of them")
        artifacts = {}
        for target in self.targets:
            with budget.limited(self.config.max_compile_seconds):
                artifacts[target] = target.compile(traced, self.config, self.cache)
        signature = self._signature(traced, request, text, next(iter(artifacts.values())))
        if any(_same_call(signature, other) for other in self.signatures):
            raise ConfigError(f"two signatures are the same: {text}")
        programs = tuple(self._program(number, *item) for item in artifacts.items())
        self.signatures.append(signature._replace(programs=programs))

    def _number_inputs(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[int, Number]:
        """The leaves of the call that are to be number inputs."""
        wanted = self.numbers
        found: dict[int, Number] = {}
        start = 0
        reachable = number_leaves(args, kwargs)
        for key, value in (*enumerate(args), *kwargs.items()):
            places = range(start, start := start + len(pytree.tree_leaves(value)))
            if wanted is True or wanted and key in wanted:
                of = {p: Number.of(reachable[p]) for p in places if p in reachable}
                if not of and wanted is not True:
                    raise ConfigError(f"argument {key!r} is to be a number input, and holds no int or float")
                found |= {p: n for p, n in of.items() if n is not None}
        return found

    def _traced(self, request: calls.Request, text: str) -> Traced:
        config = self.config
        try:
            for spec in (*request.arguments(), *request.keywords().values()):
                argument_form(spec)
        except ValueError as error:
            raise self._refusal(text, f"{error}") from error
        try:
            with budget.limited(config.max_compile_seconds):
                return trace(
                    request.fn, request.args, request.kwargs, request.numbers, (), config.max_trace_ops, "error"
                )
        except CaptureError as error:
            if error.effect:
                why = f"it has effects beyond its result: {error.message}"
                raise self._refusal(text, why, location=error.location) from error
            notes = "".join(f"; {why}" for _, why, _ in error.notes)
            raise self._refusal(
                text, f"it would run eagerly: {error.message}{notes}", error.hint, error.location
            ) from error

    def _refusal(self, text: str, why: str, hint: str = "", location: str = "") -> ExportError:
        return ExportError(f"{name_of(self.fn)}{text} cannot be exported: {why}", hint=hint, location=location)

    def _refuse_state(self, traced: Traced, text: str) -> None:
        if torch._C._is_any_autocast_enabled():
            raise self._refusal(text, "autocast is enabled", "leave the autocast context, and cast in the function")
        if traced.effects is not None:
            raise self._refusal(text, "it has effects beyond its result")

    def _signature(self, traced: Traced, request: calls.Request, text: str, artifact: Artifact) -> Signature:
        outputs = [(getattr(torch, o["dtype"]), tuple(o["shape"])) for o in artifact.manifest["outputs"]]
        variant = calls.variant_of(traced, request, _Outputs(outputs), None)  # type: ignore[arg-type]
        captured = _Captured(variant, self.weights, traced)
        try:
            result = result_form(variant.result, captured.number)
            weights, inputs, copies = captured.finish(variant, result)
        except ValueError as error:
            raise self._refusal(
                text, str(error), "return tensors, numbers and strings in tuples, lists and dicts"
            ) from error
        return Signature(
            text=text,
            location=_location(self.fn),
            arguments=tuple(variant.arguments),
            keywords=dict(variant.keywords),
            weights=weights,
            inputs=inputs,
            result=result,
            geometry={i: (tuple(size), tuple(stride)) for i, (size, stride) in variant.geometry.items()},
            copies=copies,
            default_dtype=str(torch.get_default_dtype()).removeprefix("torch."),
            parameters=_parameters(self.fn),
            training=training_of(traced.guards, self.root),
            constants=constants_of(traced.guards, self.root),
        )

    def _program(self, number: int, target: ExportTarget, artifact: Artifact) -> ProgramEntry:
        steps = artifact.manifest["steps"]
        aten = sorted({step["callee"] for step in steps if step["op"] == "aten"})
        if self.torch_free and aten:
            first = next(step for step in steps if step["op"] == "aten")
            raise ExportError(
                f"torch_free=True, and these steps call ATen: {', '.join(aten)} ({first['reason']})",
                hint="drop torch_free to load it with Python and torch",
                location=first["location"],
            )
        folder = f"programs/{number}/{target.folder}"
        manifest = json.dumps(artifact.manifest, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()
        self.entries += [
            (f"{folder}/program.json", [manifest]),
            (f"{folder}/{target.code_file}", [artifact.code]),
            (f"{folder}/constants.bin", [artifact.constants]),
        ]
        features = str(artifact.manifest.get("features", ""))
        return ProgramEntry(target.name, target.level, folder, target.code_file, features, tuple(aten))

    def write(self, path: str | os.PathLike[str]) -> None:
        try:
            tensors = tensors_entry(self.weights.stored())
        except ValueError as error:
            raise ExportError(f"{name_of(self.fn)} cannot be exported: {error}") from error
        parts = ()
        if self.root is not None:
            names = self.root.named_modules(remove_duplicate=False)
            parts = tuple(Part(name, type(m).__name__, m.training) for name, m in names)
        manifest = Manifest(
            jic=__version__,
            torch=torch.__version__,
            kind="function" if self.root is None else "module",
            name=type(self.root).__name__ if self.root is self.fn else name_of(self.fn),
            weights=tuple(self.weights.described()),
            parts=parts,
            signatures=tuple(self.signatures),
        )
        entries: list[tuple[str, Sequence[Buffer]]] = [("manifest.json", [manifest.to_bytes()]), *self.entries]
        if manifest.weights:
            entries.append((WEIGHTS, tensors))
        try:
            write(path, entries)
        except OSError as error:
            raise ExportError(f"cannot write {os.fspath(path)}: {error.strerror}") from error


class _Captured:
    """Numbers the tensors of a call anew: of the captured ones only those that the program or the result needs have one."""

    def __init__(self, variant: Variant, weights: Weights, traced: Traced) -> None:
        self.captured, self.weights = variant.captured, weights
        self.first = len(variant.tensors()) - len(variant.captured)
        self.names = {id(s.tensor): s.name for s in traced.inputs if s.kind == "captured"}
        self.used: list[str] = []

    def number(self, old: int) -> int:
        if old < self.first:
            return old
        tensor = self.captured[old - self.first].source
        name = self.weights.name_of(tensor, self.names.get(id(tensor), "tensor"))
        if name not in self.used:
            self.used.append(name)
        return self.first + self.used.index(name)

    def finish(self, variant: Variant, result: Any) -> tuple[tuple[str, ...], tuple[int, ...], Any]:
        """The weights' names, the inputs and the copies."""
        inputs = tuple(map(self.number, variant.inputs))
        copies = tuple((output, self.number(tensor)) for output, tensor in variant.copies)
        self.weights.changed({self.used[t - self.first] for _, t in copies if t >= self.first})
        return tuple(self.used), inputs, copies


def _same_call(one: Signature, other: Signature) -> bool:
    def shown(signature: Signature) -> Any:
        specs = [signature.arguments, sorted(signature.keywords.items())]
        return pytree.tree_map(partial(_shown), specs, is_leaf=lambda s: isinstance(s, ArgumentSpec))

    return repr(shown(one)) == repr(shown(other)) and one.training == other.training


def _shown(spec: Any) -> str:
    return repr((type(spec.value), spec.value)) if isinstance(spec, Value) else repr(spec)


def _parameters(fn: Callable[..., Any]) -> tuple[str, ...]:
    """The names of the parameters that positional arguments go to, up to the first that has none."""
    try:
        parameters = inspect.signature(fn.forward if isinstance(fn, torch.nn.Module) else fn).parameters.values()
    except (TypeError, ValueError):  # a builtin without a signature
        return ()
    named = itertools.takewhile(lambda p: p.kind is p.POSITIONAL_OR_KEYWORD, parameters)
    return tuple(p.name for p in named)


def _location(fn: Callable[..., Any]) -> str:
    found: Any = type(fn).forward if isinstance(fn, torch.nn.Module) else fn
    found = getattr(found, "__func__", found)
    if not isinstance(found, types.FunctionType):
        return ""
    return f"{found.__code__.co_filename}:{found.__code__.co_firstlineno}"
