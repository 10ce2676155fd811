"""A program on a device, called from Python with host tensors: what the native dispatcher does for the CPU."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import torch

from jic.errors import ProgramError

from .. import dispatch as d
from ..program import Bailout
from .forms import result_of
from .manifest import Signature

__all__ = ["DeviceProgram", "answer"]


class DeviceProgram(Protocol):
    """Takes and gives CPU tensors."""

    def run(self, inputs: Sequence[torch.Tensor]) -> list[torch.Tensor]: ...


def answer(signature: Signature, program: DeviceProgram, weights: Callable[[str], torch.Tensor]) -> Callable[..., Any]:
    """A function for calls that fit `signature`; `weights` gives the tensor that a weight is now."""
    result = result_of(signature.result)

    def run(*args: Any, **kwargs: Any) -> Any:
        call = _Call(signature, args, kwargs)
        tensors = [*call.tensors, *map(weights, signature.weights)]
        try:
            outputs = program.run([_as_tensor(tensors[i]) for i in signature.inputs])
        except (Bailout, IndexError) as error:
            raise ProgramError(f"the program gave up: {error}") from error
        return _Result(signature, outputs, tensors, call.containers).build(result)

    return run


def _as_tensor(value: Any) -> torch.Tensor:
    if isinstance(value, torch.Tensor):
        return value
    return torch.tensor(value, dtype=torch.float64 if type(value) is float else torch.int64)


class _Call:
    """The tensors (and number inputs) of a call, and its containers, outer ones first."""

    def __init__(self, signature: Signature, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        self.tensors: list[Any] = []
        self.containers: list[Any] = []
        for spec, value in zip(signature.arguments, args, strict=True):
            self._visit(spec, value)
        for name, spec in signature.keywords.items():
            self._visit(spec, kwargs[name])

    def _visit(self, spec: d.ArgumentSpec, value: Any) -> None:
        match spec:
            case d.TensorSpec() | d.NumberSpec():
                self.tensors.append(value)
            case d.SequenceSpec():
                self.containers.append(value)
                for item, of in zip(spec.items, value, strict=True):
                    self._visit(item, of)
            case d.MappingSpec():
                self.containers.append(value)
                for (_, item), of in zip(spec.items, value.values(), strict=True):
                    self._visit(item, of)


class _Result:
    def __init__(
        self, signature: Signature, outputs: Sequence[torch.Tensor], tensors: Sequence[Any], containers: Sequence[Any]
    ) -> None:
        self.outputs, self.tensors, self.containers = list(outputs), tensors, containers
        for i, (size, strides) in signature.geometry.items():
            self.outputs[i] = outputs[i].reshape(-1).as_strided(size, strides)
        self.built: dict[int, Any] = {}

    def build(self, spec: d.ResultSpec) -> Any:
        match spec:
            case d.Output():
                return self.outputs[spec.index]
            case d.WholeTensor():
                return self.tensors[spec.index]
            case d.View():
                base = self.build(spec.base)
                return base.as_strided(spec.size, spec.stride, base.storage_offset() + spec.offset)
            case d.Number():
                return self.build(spec.item).item()
            case d.Empty():
                return torch.empty_strided(spec.size, spec.stride, dtype=spec.dtype)
            case d.Container():
                return self.containers[spec.index]
            case d.Choice():
                return self.build(spec.items[int(self.outputs[spec.index])])
            case d.Constant():
                return spec.value
            case d.Once():
                if spec.number not in self.built:
                    self.built[spec.number] = self.build(spec.item)
                return self.built[spec.number]
            case d.SequenceResult():
                return spec.type(list(map(self.build, spec.items)))
            case d.MappingResult():
                return spec.type((k, self.build(i)) for k, i in spec.items)
        raise TypeError(f"not a result of a file: {spec!r}")
