"""`load`: an exported program as a callable, or as a module with its weights."""

from __future__ import annotations

import contextlib
import copy
import gc
import json
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NoReturn

import torch
from torch.utils._python_dispatch import is_in_torch_dispatch_mode

from jic.errors import ArtifactError, DeviceError, ProgramError, SignatureError, UnsupportedError

from .. import artifact
from .. import dispatch as d
from ..features import missing_features
from ..program import Bailout, Program
from .container import Container
from .forms import result_of
from .manifest import MALFORMED, Manifest, ProgramEntry, Signature, Weight
from .mismatch import differences, tensor_differences
from .on_device import DeviceProgram, answer
from .tensors import read_tensors

__all__ = ["LoadedFunction", "LoadedModule", "ModelFile", "load"]

WEIGHTS = "weights.safetensors"
_HINT = "export it again"


def load(path: str | os.PathLike[str], *, target: str = "cpu") -> LoadedFunction | LoadedModule:
    """The program that `jic.export` wrote to `path`: a function, or a module if one was exported.

    The weights lie in the mapped file: changing them changes memory of this process only. The file may be replaced or deleted,
    but must not be written to while the program is used.

    Args:
        target: `cpu` (the best level that this machine has) or `vulkan`.

    Raises:
        ArtifactError: no such file, damaged, of another format, or without a program for this machine.
        DeviceError: the target's device or driver is missing.
    """
    with _without_collections():
        file = ModelFile(path)
        with _Checking(file.container):
            programs = [file.program(s, target) for s in file.manifest.signatures]
            return _built(file.manifest, programs, file.weights())


@contextlib.contextmanager
def _without_collections() -> Iterator[None]:
    """All that is made within stays; to look among it and all of torch for garbage takes longer than to load."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


class _Checking:
    """Compares all checksums on another thread, until the end of a `with` block at the latest, where it raises what is wrong.

    What the block itself raises on damaged data is then of no interest.
    """

    def __init__(self, container: Container) -> None:
        self._container, self._error = container, None
        self._thread = threading.Thread(target=self._check)

    def _check(self) -> None:
        try:
            self._container.check()
        except Exception as error:  # raised where it is waited for
            self._error = error

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *raised: Any) -> None:
        self._thread.join()
        if self._error is not None:
            raise self._error from None


class ModelFile:
    """An exported file, open: its manifest, and on demand its programs and weights."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.container = Container(path)
        self.manifest = Manifest.from_bytes(self.container.read("manifest.json"))

    def weights(self) -> dict[str, torch.Tensor]:
        """Each weight by name; those that are one tensor are one here."""
        found: dict[str, torch.Tensor] = {}
        try:
            stored = read_tensors(self.container.unchecked(WEIGHTS)) if self.manifest.weights else {}
            for weight in self.manifest.weights:
                found[weight.name] = found[weight.same_as] if weight.same_as else _placed(weight, stored[weight.name])
        except MALFORMED as error:
            raise ArtifactError(f"malformed weights: {type(error).__name__}: {error}", hint=_HINT) from error
        return found

    def program(self, signature: Signature, target: str) -> Program | DeviceProgram:
        """The best program of `signature` that this machine runs, ready to run."""
        entries = [p for p in signature.programs if p.target == target]
        if not entries:
            there = sorted({p.target for p in signature.programs})
            raise ArtifactError(
                f"the file has no program for {target!r}, only for {', '.join(there)}",
                hint="name one of these, or export it for that target too",
            )
        if target != "cpu":
            return self._device_program(entries[0])
        lacking = {p.level: missing_features(p.features) for p in entries}
        for entry in entries:
            if not lacking[entry.level]:
                return Program(self.artifact(entry))
        text = "; ".join(f"{level} needs {', '.join(names)}" for level, names in lacking.items())
        raise ArtifactError(
            f"the file has no program for this CPU, which lacks features: {text}",
            hint="export it with targets=('cpu:x86-64-v3',), or on this machine",
        )

    def _device_program(self, entry: ProgramEntry) -> DeviceProgram:
        if entry.target != "vulkan":
            raise DeviceError(
                f"the file holds code for {entry.target} {entry.level}, which this jic cannot launch",
                hint="load it with target='cpu' if it has a program for it",
            )
        from ..vulkan import VulkanProgram

        try:
            return VulkanProgram(self.artifact(entry))
        except MALFORMED as error:
            raise ArtifactError(f"a malformed program: {type(error).__name__}: {error}", hint=_HINT) from error

    def artifact(self, entry: ProgramEntry) -> artifact.Artifact:
        """A program as it was compiled. Raises `ArtifactError` for another format."""
        try:
            manifest = json.loads(self.container.read(f"{entry.path}/program.json"))
        except ValueError as error:
            raise ArtifactError(f"{entry.path}/program.json is not JSON: {error}", hint=_HINT) from error
        if not isinstance(manifest, dict) or manifest.get("format") != artifact.FORMAT:
            raise ArtifactError(f"{entry.path}/program.json is not of format {artifact.FORMAT}", hint=_HINT)
        code = self.container.read(f"{entry.path}/{entry.code}")
        return artifact.Artifact(manifest, code, self.container.read(f"{entry.path}/constants.bin"))


def _placed(weight: Weight, stored: torch.Tensor) -> torch.Tensor:
    """The weight on the memory that the file has of it."""
    flat = stored.reshape(-1)
    if stored.dtype != weight.spec.dtype:
        raise ValueError(f"weight {weight.name} is stored as {stored.dtype}, expected {weight.dtype}")
    if 0 in weight.shape:
        return torch.empty_strided(weight.shape, weight.strides, dtype=flat.dtype)
    extent = 1 + sum((n - 1) * step for n, step in zip(weight.shape, weight.strides, strict=True))
    if extent != flat.numel():
        raise ValueError(f"weight {weight.name} has {flat.numel()} elements, expected {extent}")
    return flat.as_strided(weight.shape, weight.strides)


def _built(manifest: Manifest, programs: list[Any], weights: dict[str, torch.Tensor]) -> LoadedFunction | LoadedModule:
    try:
        if manifest.kind == "module":
            return LoadedModule(manifest, programs, weights)
        return LoadedFunction(manifest, programs, weights)
    except MALFORMED as error:
        raise ArtifactError(f"a malformed manifest: {type(error).__name__}: {error}", hint=_HINT) from error


class LoadedFunction(d.Dispatcher):
    """Answers the calls that were exported, and refuses all others.

    Args:
        programs: one for each signature.
        weights: by name; they are what the programs read unless they are in `parts`.
        parts: the modules that hold the parameters and buffers, by name.
    """

    def __init__(
        self,
        manifest: Manifest,
        programs: list[Any],
        weights: Mapping[str, torch.Tensor],
        parts: Mapping[str, torch.nn.Module] | None = None,
    ) -> None:
        super().__init__(self._miss)
        self.manifest, self._programs, self._weights, self._parts = manifest, programs, weights, parts or {}
        self.__name__ = manifest.name
        for signature, program in reversed(list(zip(manifest.signatures, programs, strict=True))):
            self.add(self._variant(signature, program, self._gave_up))

    def __repr__(self) -> str:
        return f"<jic.load: {self.manifest.name}, {len(self.manifest.signatures)} signatures>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a loaded program cannot be pickled: load its file again with jic.load")

    def __deepcopy__(self, memo: dict[int, Any]) -> LoadedFunction:
        made = LoadedFunction(self.manifest, self._programs, copy.deepcopy(dict(self._weights), memo))
        memo[id(self)] = made
        return made

    def _variant(
        self, signature: Signature, program: Program | DeviceProgram, bail: Callable[..., Any] | None
    ) -> d.Variant:
        names, captured = {}, []
        for number, name in enumerate(signature.weights):
            weight = self.manifest.by_name[name]
            names[weight.same_as or name] = number
            fixed = None if weight.kind != "constant" and self._parts else self._weights[name]
            captured.append(d.Captured(weight.spec, fixed))
        state = [
            d.Group("call", torch._C._is_any_autocast_enabled, None, (d.Check("equals", None, False),)),
            d.Group("call", torch.get_default_dtype, None, (d.Check("equals", None, _dtype(signature)),)),
        ]
        for name, value in signature.training.items():
            state.append(d.Group("dict", vars(self._parts[name]), None, (d.Check("equals", "training", value),)))
        for weight in self.manifest.weights if self._parts else ():
            if weight.kind != "constant" and (number := names.get(weight.same_as or weight.name)) is not None:
                holder, key = _place(self._parts, weight)
                state.append(d.Group("dict", holder, None, (d.Check("tensor", key, number),)))
        if not isinstance(program, Program):
            return d.Variant(
                arguments=signature.arguments,
                keywords=signature.keywords,
                state=state,
                captured=captured,
                callable=answer(signature, program, self._weight),
                tag=signature.text,
            )
        return d.Variant(
            arguments=signature.arguments,
            keywords=signature.keywords,
            state=state,
            captured=captured,
            program=program,
            bail=bail,
            inputs=signature.inputs,
            result=result_of(signature.result),
            geometry=signature.geometry,
            copies=signature.copies,
            tag=signature.text,
        )

    def _weight(self, name: str) -> torch.Tensor:
        """The tensor that a weight is now."""
        weight = self.manifest.by_name[name]
        if not self._parts or weight.kind == "constant":
            return self._weights[name]
        holder, key = _place(self._parts, weight)
        return holder[key]

    def _gave_up(self, *args: Any, **kwargs: Any) -> Any:
        """The program found out that it cannot answer; nothing has been changed. Once more, to learn why."""
        again = d.Dispatcher(self._miss)
        for signature, program in reversed(list(zip(self.manifest.signatures, self._programs, strict=True))):
            again.add(self._variant(signature, program, None))
        try:
            return again(*args, **kwargs)
        except (Bailout, IndexError) as error:
            raise ProgramError(
                f"{self.manifest.name} gave up: {error}", hint="the function that was exported may answer or raise here"
            ) from error

    def _miss(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The call with its arguments given as they were exported, if that makes it one; else raise `SignatureError`."""
        signatures = self.manifest.signatures
        bound = [_bound(s, args, kwargs) for s in signatures]
        for signature, call in zip(signatures, bound, strict=True):
            if call is not None and not differences(signature, *call):
                return self(*call[0], **call[1])
        if is_in_torch_dispatch_mode():
            raise SignatureError("a loaded program cannot run under a dispatch mode, or on tensors without memory")
        best = min((differences(s, *(b or (args, kwargs))) for s, b in zip(signatures, bound, strict=True)), key=len)
        if not best:
            fitting = [s for s in signatures if not differences(s, args, kwargs)]
            best = min(map(self._state_differences, fitting), key=len)
        if not best:
            best = ["a tensor that the program changes shares memory with another tensor of the call"]
        others = ""
        if len(signatures) > 1:
            shown = [s.text for s in signatures[:8]]
            others = f"; {len(signatures)} signatures were exported: " + ", ".join(shown)
        raise SignatureError(
            f"{self.manifest.name} was not exported for this call: {'; '.join(best)}{others}",
            hint="`jic inspect` shows the signatures; export one for calls like this",
        )

    def _state_differences(self, signature: Signature) -> list[str]:
        found = []
        if torch.get_default_dtype() != _dtype(signature):
            found.append(f"the default dtype is {torch.get_default_dtype()}, expected {_dtype(signature)}")
        if torch._C._is_any_autocast_enabled():
            found.append("autocast is enabled, and was not when it was exported")
        for name, value in signature.training.items():
            now = self._parts[name].training
            if now != value:
                mode = "training" if now else "evaluation"
                found.append(f"{name or 'the module'} is in {mode} mode, and was not when it was exported")
        for name in signature.weights:
            weight = self.manifest.by_name[name]
            same = [w for w in self.manifest.weights if (w.same_as or w.name) == (weight.same_as or name)]
            if not self._parts or weight.kind == "constant":
                continue
            now = [holder.get(key) for holder, key in (_place(self._parts, w) for w in same)]
            found += tensor_differences(f"the {weight.kind} {name}", now[0], weight.spec)
            if any(tensor is not now[0] for tensor in now):
                found.append(f"{' and '.join(w.name for w in same)} were one tensor when it was exported")
        return found


def _bound(
    signature: Signature, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
    """The arguments by position and name as they were exported, if they are all there in another way; else None."""
    named = dict(zip(signature.parameters, args, strict=False))
    if len(named) < len(args) or named.keys() & kwargs.keys():
        return None
    named |= kwargs
    count = len(signature.arguments)
    if count > len(signature.parameters) or named.keys() != {*signature.parameters[:count], *signature.keywords}:
        return None
    bound = tuple(named[p] for p in signature.parameters[:count]), {k: named[k] for k in signature.keywords}
    return None if (len(bound[0]), bound[1].keys()) == (len(args), kwargs.keys()) else bound


def _dtype(signature: Signature) -> torch.dtype:
    return getattr(torch, signature.default_dtype)


def _place(parts: Mapping[str, torch.nn.Module], weight: Weight) -> tuple[dict[str, Any], str]:
    """The dict that holds a weight of a module, and its key."""
    parent, _, key = weight.name.rpartition(".")
    part = parts[parent]
    return (part._parameters if weight.kind == "parameter" else part._buffers), key


class LoadedPart(torch.nn.Module):
    """A submodule of an exported module: holds its parameters, and cannot be called."""

    def __init__(self, class_name: str) -> None:
        super().__init__()
        self._class_name = class_name

    def _get_name(self) -> str:
        return self._class_name

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        raise UnsupportedError(
            f"a {self._class_name} inside an exported module cannot be called by itself", hint="export it by itself"
        )

    def _apply(self, fn: Callable[[torch.Tensor], torch.Tensor], recurse: bool = True) -> LoadedPart:
        """Refuses what changes dtypes or devices: the program was compiled for those it has."""
        for kept in {t.dtype for t in (*self.parameters(), *self.buffers())}:
            made = fn(torch.empty(0, dtype=kept))
            if made.dtype != kept or made.device.type != "cpu":
                raise UnsupportedError(
                    f"an exported module keeps its dtypes and stays on the cpu: {kept} was to become {made.dtype} "
                    f"on {made.device}",
                    hint="convert the module, then export it",
                )
        return super()._apply(fn, recurse)  # type: ignore[return-value]


class LoadedModule(LoadedPart):
    """An exported module: calls are those that were exported; parameters and buffers have their names and can be replaced.

    They require no gradients, since the programs compute none. Replacements need the dtype, shape and strides of the original.
    """

    def __init__(self, manifest: Manifest, programs: list[Any], weights: Mapping[str, torch.Tensor]) -> None:
        super().__init__(manifest.name)
        parts: dict[str, torch.nn.Module] = {"": self}
        for described in manifest.parts:
            if described.name:
                parent, _, key = described.name.rpartition(".")
                parts[parent]._modules[key] = parts[described.name] = LoadedPart(described.class_name)
            parts[described.name].training = described.training
        made: dict[str, torch.nn.Parameter] = {}
        for weight in manifest.weights:
            if weight.kind == "constant":
                continue
            holder, key = _place(parts, weight)
            tensor = weights[weight.name]
            if weight.kind == "parameter":
                first = weight.same_as or weight.name
                if first not in made:
                    made[first] = torch.nn.Parameter(tensor, requires_grad=False)
                tensor = made[first]
            elif not weight.persistent:
                parts[weight.name.rpartition(".")[0]]._non_persistent_buffers_set.add(key)
            holder[key] = tensor
        self._run = LoadedFunction(manifest, programs, weights, parts)

    @property
    def manifest(self) -> Manifest:
        return self._run.manifest

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self._run(*args, **kwargs)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        own = self.__dict__
        if own["_forward_pre_hooks"] or own["_forward_hooks"] or own["_backward_hooks"] or own["_backward_pre_hooks"]:
            return super().__call__(*args, **kwargs)
        if torch.nn.modules.module._has_any_global_hook():
            return super().__call__(*args, **kwargs)
        return own["_run"](*args, **kwargs)  # what the base comes to, in a third of the time

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError("a loaded program cannot be pickled: keep its file, and its state_dict if that was changed")

    def __deepcopy__(self, memo: dict[int, Any]) -> LoadedModule:
        run = self._run
        now = {w.name: run._weight(w.name) for w in run.manifest.weights}
        made = LoadedModule(run.manifest, run._programs, copy.deepcopy(now, memo))
        memo[id(self)] = made
        for name, part in made.named_modules():
            part.training = self.get_submodule(name).training
        return made
