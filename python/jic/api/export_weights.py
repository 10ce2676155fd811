"""The tensors that an exported program takes along: a module's parameters and buffers, and what else its code reads."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import torch

from ..errors import ExportError
from ..frontend.layouts import memory_order
from ..runtime.exported.manifest import Weight


class Weights:
    """All of `root`'s parameters and buffers, and constants as they are met.

    Raises:
        ExportError: a tensor that a file cannot hold.
    """

    def __init__(self, root: torch.nn.Module | None) -> None:
        self._tensors: dict[str, torch.Tensor] = {}
        self._weights: dict[str, Weight] = {}
        self._names: dict[int, str] = {}  # of the first place of each tensor
        if root is not None:
            for name, parameter in root.named_parameters(remove_duplicate=False):
                self._add(name, parameter, "parameter")
            lasting = root.state_dict().keys()
            for name, buffer in root.named_buffers(remove_duplicate=False):
                self._add(name, buffer, "buffer", name in lasting)

    def _add(self, name: str, tensor: torch.Tensor, kind: str, persistent: bool = True) -> None:
        if tensor.layout is not torch.strided or tensor.device.type != "cpu" or tensor.is_conj() or tensor.is_neg():
            raise ExportError(
                f"{kind} {name} is on {tensor.device} in layout {tensor.layout}, expected a dense tensor on the cpu"
            )
        if type(tensor) not in (torch.Tensor, torch.nn.Parameter):
            raise ExportError(f"{kind} {name} is a {type(tensor).__name__}, expected a plain tensor or parameter")
        dtype = str(tensor.dtype).removeprefix("torch.")
        first = self._names.setdefault(id(tensor), name)
        same_as = "" if first == name else first
        shape, strides = tuple(tensor.shape), tuple(tensor.stride())
        self._tensors[name] = tensor
        self._weights[name] = Weight(name, kind, dtype, shape, strides, persistent, same_as)

    def name_of(self, tensor: torch.Tensor, hint: str) -> str:
        """The name of a tensor that the code reads; a new one, like `hint`, if it is no parameter or buffer."""
        if id(tensor) not in self._names:
            name, number = hint, 0
            while name in self._weights:
                number += 1
                name = f"{hint}.{number}"
            self._add(name, tensor, "constant")
        return self._names[id(tensor)]

    def changed(self, names: Collection[str]) -> None:
        """The program writes to these. Each is stored by itself, so that none may share memory with another.

        Raises:
            ValueError: one does.
        """
        for name in names:
            written = self._tensors[name]
            for other, tensor in self._tensors.items():
                is_same = self._weights[other].same_as == name or other == name
                if not is_same and tensor.untyped_storage().data_ptr() == written.untyped_storage().data_ptr() != 0:
                    raise ValueError(f"{name}, which the call changes, shares memory with {other}")

    def described(self) -> list[Weight]:
        return list(self._weights.values())

    def stored(self) -> dict[str, torch.Tensor]:
        """What the file has of each: dense memory in the order of its strides; else all from its first element to its last."""
        return {name: _memory(self._tensors[name]) for name in self._own()}

    def _own(self) -> Iterator[str]:
        return (name for name, weight in self._weights.items() if not weight.same_as)


def _memory(tensor: torch.Tensor) -> torch.Tensor:
    tensor = tensor.detach()
    size, stride = tuple(tensor.shape), tuple(tensor.stride())
    if 0 in size:
        return torch.empty(size, dtype=tensor.dtype)
    order = memory_order(size, stride)
    if order is not None and (dense := tensor.permute(order)).is_contiguous():
        return dense
    extent = 1 + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    return tensor.as_strided((extent,), (1,))
