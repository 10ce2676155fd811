"""A region of control flow while it is traced: what it writes to, and what stands for that inside."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch


def storage_of(tensor: torch.Tensor) -> int:
    """Which memory `tensor` itself has, whatever stands for it in a region."""
    with torch._C.DisableTorchFunction():
        return tensor.untyped_storage()._cdata


@dataclass(eq=False)
class Known:
    """What is known of a region before it is traced again, with what is around it: the tensors from outside it writes to."""

    written: list[torch.Tensor] = field(default_factory=list)
    inner: dict[int, Known] = field(default_factory=dict)

    def add(self, tensor: torch.Tensor) -> None:
        if all(t is not tensor for t in self.written):
            self.written.append(tensor)


@dataclass(eq=False)
class Region:
    """A region being traced.

    Attributes:
        known: what earlier tries found out about it.
        written: tensors from outside that code in it writes to; they must be carried through.
        versions: what stands for such a tensor inside, by id: (tensor, stand-in).
        memory: of the tensors in `versions`.
        carried: the memory of stand-ins of variables' values; changed: what of it is written to.
        inner: regions in it that were opened so far.
    """

    what: str
    serial: int
    known: Known = field(default_factory=Known)
    written: list[torch.Tensor] = field(default_factory=list)
    versions: dict[int, tuple[torch.Tensor, torch.Tensor]] = field(default_factory=dict)
    memory: set[int] = field(default_factory=set)
    carried: set[int] = field(default_factory=set)
    changed: set[int] = field(default_factory=set)
    inner: int = 0

    def replace(self, tensor: torch.Tensor, stand_in: torch.Tensor) -> None:
        """`stand_in` is `tensor` inside."""
        self.versions[id(tensor)] = tensor, stand_in
        self.memory.add(storage_of(tensor))

    def replace_nothing(self) -> None:
        self.versions.clear()
        self.memory.clear()
