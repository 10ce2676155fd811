"""What a caller sees of a call: values, who shares memory with whom, which objects are one, strides, exceptions."""

from __future__ import annotations

import collections
from collections.abc import Callable, Iterator
from typing import Any

import torch


def leaves(value: Any, seen: set[int] | None = None) -> Iterator[Any]:
    """Containers and leaves, outer ones first; what is met again is not entered again."""
    seen = set() if seen is None else seen
    yield value
    if isinstance(value, (list, tuple, dict)) and not isinstance(value, torch.Size) and id(value) not in seen:
        seen.add(id(value))
        for item in value.values() if isinstance(value, dict) else value:
            yield from leaves(item, seen)


class Outcome:
    """One call, and what the caller then does to its results and arguments."""

    def __init__(
        self,
        function: Callable[..., Any],
        args: list[Any],
        outside: list[Any],
        writes: list[tuple[int, int]],
        layouts: bool = True,
    ) -> None:
        """`layouts`: whether it matters how a tensor lies in memory that it has for itself."""
        self.layouts = layouts
        self.error = ""
        self.result: Any = None
        self.written: list[str] = []
        try:
            self.result = function(*args)
        except Exception as error:
            self.error = type(error).__name__
            self.text = f"{type(error).__name__}: {str(error)[:300]}"
        self.objects = [*leaves(args), *leaves(outside)]
        self.first_result = len(self.objects)
        self.objects += leaves(self.result)
        self.before = self._values()
        self.seen = self._seen()
        tensors = [o for o in self.objects if isinstance(o, torch.Tensor)]
        for which, kind in writes:
            self.written.append(_write(tensors[which % len(tensors)], kind))
        self.after = self._values()

    def _values(self) -> list[Any]:
        return [o.detach().clone() if isinstance(o, torch.Tensor) else o for o in self.objects]

    def _seen(self) -> list[Any]:
        """For each object what can be told of it, objects and memories by the place where they first occur."""
        objects: dict[int, int] = {}
        memories: dict[int, int] = {}
        found: list[Any] = []
        tensors = {id(o): o for o in self.objects if isinstance(o, torch.Tensor)}
        shown = collections.Counter(o.untyped_storage()._cdata for o in tensors.values())
        for i, o in enumerate(self.objects):
            if isinstance(o, torch.Tensor):
                memory = o.untyped_storage()._cdata
                first, place = objects.setdefault(id(o), i), memories.setdefault(memory, i)
                found.append(
                    (
                        type(o).__name__,
                        first,
                        place,
                        o.dtype,
                        tuple(o.shape),
                        o.requires_grad,
                        o.is_leaf,
                        *(_layout(o) if self.layouts or shown[memory] > 1 else ()),
                    )
                )
            elif isinstance(o, (list, dict, tuple)) and not isinstance(o, torch.Size):
                keys = list(o) if isinstance(o, dict) else len(o)
                found.append(
                    (
                        type(o).__name__,
                        objects.setdefault(id(o), i) if len(o) or isinstance(o, (list, dict)) else i,
                        keys,
                    )
                )
            else:
                found.append((type(o).__name__, o))
        return found

    def difference(self, other: Outcome) -> str:
        """How this one differs from `other`; empty if the caller cannot tell them apart."""
        if self.error != other.error:
            return (
                f"raises {other.error or 'nothing'} instead of {self.error or 'nothing'}: {getattr(other, 'text', '')}"
            )
        if len(self.seen) != len(other.seen):
            return "another structure"
        for i, (a, b) in enumerate(zip(self.seen, other.seen, strict=True)):
            if not _same(a, b):
                return f"object {i}{' (a result)' if i >= self.first_result else ''}: {b} instead of {a}"
        if self.written != other.written:
            return f"the caller's writes give {other.written} instead of {self.written}"
        for name, mine, theirs in (
            ("", self.before, other.before),
            (" after the caller's writes", self.after, other.after),
        ):
            for i, (a, b) in enumerate(zip(mine, theirs, strict=True)):
                if isinstance(a, torch.Tensor) and not torch.allclose(
                    a.double(), b.double(), 1e-4, 1e-5, equal_nan=True
                ):
                    return f"object {i}{name}: {b.tolist()} instead of {a.tolist()}"
        return ""


def _layout(tensor: torch.Tensor) -> tuple[Any, ...]:
    """Strides of dims that have more than one place, offset, and the size of its memory."""
    if tensor.numel() == 0:
        return ()
    strides = tuple(s for n, s in zip(tensor.shape, tensor.stride(), strict=True) if n > 1)
    return strides, tensor.storage_offset(), tensor.untyped_storage().nbytes()


def _same(a: Any, b: Any) -> bool:
    return a == b or a != a


def _write(tensor: torch.Tensor, kind: int) -> str:
    """A write of the caller's; the type of what it raises."""
    try:
        with torch.no_grad():
            if kind == 0:
                tensor.add_(100)
            elif kind == 1:
                tensor[0] = 50
            elif kind == 2:
                tensor.view(-1)[-1] = 70
            else:
                tensor.transpose(0, -1).mul_(3)
    except Exception as error:
        return type(error).__name__
    return ""
