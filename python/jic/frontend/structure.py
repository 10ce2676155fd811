"""The structure of a call's result: which containers it is made of, and which of them are one object.

A container that is an argument of the call, or lies in one, is that very object, and so is one that was there before; one that
the call makes and that occurs twice is built once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from torch.utils import _pytree as pytree

from ..errors import CaptureError


@dataclass(frozen=True, eq=False)
class Structure:
    """A leaf or a container of the result.

    kind:
        `leaf`: number `index` of the leaves. `argument`: container number `index` of the call's (see `containers_of`).
        `object`: `value`, a container that outlives the call.
        `container`: made of `items` by `spec`, a tree of one level. `again`: the container whose `number` is `index`.

    `number` is a container's own, or -1 where it occurs once.
    """

    kind: Literal["leaf", "argument", "object", "container", "again"]
    index: int = -1
    spec: pytree.TreeSpec | None = None
    items: tuple[Structure, ...] = ()
    number: int = -1
    value: Any = None

    def build(self, leaves: Sequence[Any], containers: Sequence[Any]) -> Any:
        """The result made of `leaves` and the call's own `containers`."""
        return self._build(leaves, containers, {})

    def _build(self, leaves: Sequence[Any], containers: Sequence[Any], built: dict[int, Any]) -> Any:
        if self.kind == "leaf":
            return leaves[self.index]
        if self.kind == "argument":
            return containers[self.index]
        if self.kind == "object":
            return self.value
        if self.kind == "again":
            return built[self.index]
        assert self.spec is not None
        made = pytree.tree_unflatten([i._build(leaves, containers, built) for i in self.items], self.spec)
        if self.number >= 0:
            built[self.number] = made
        return made


def containers_of(args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
    """The lists, tuples and dicts among a call's arguments, outer ones first: those that a dispatcher looks into."""
    found: list[Any] = []

    def visit(value: Any) -> None:
        if isinstance(value, (tuple, list)) or type(value) is dict:
            found.append(value)
            for item in value.values() if isinstance(value, dict) else value:
                visit(item)

    for value in (*args, *kwargs.values()):
        visit(value)
    return found


Outside = Callable[[], dict[int, Any]]


def structure_of(
    value: Any,
    arguments: dict[int, int],
    is_new: Callable[[Any], bool] = lambda _: True,
    outside: Outside = dict,
) -> tuple[Structure, list[Any]]:
    """The structure of `value` and its leaves.

    Args:
        arguments: the call's containers, id → number.
        is_new: whether the call is known to have made a container.
        outside: the containers that were there before, by id; asked only if some container is not known to be new.

    Raises:
        CaptureError: a container that holds itself.
    """
    return _Reader(arguments, is_new, outside).read(value)


class _Reader:
    def __init__(self, arguments: dict[int, int], is_new: Callable[[Any], bool], outside: Outside) -> None:
        self.arguments, self.is_new, self.find_outside = arguments, is_new, outside
        self.outside: dict[int, Any] | None = None
        self.leaves: list[Any] = []
        self.counts: dict[int, int] = {}
        self.numbers: dict[int, int] = {}
        self.held: list[Any] = []  # ids are of objects that live

    def is_outside(self, value: Any) -> bool:
        if self.outside is None:
            if isinstance(value, tuple) or self.is_new(value):
                return False
            self.outside = self.find_outside()
        return id(value) in self.outside

    def read(self, value: Any) -> tuple[Structure, list[Any]]:
        self._count(value, [])
        return self._structure(value), self.leaves

    def _parts(self, value: Any) -> tuple[list[Any], pytree.TreeSpec] | None:
        parts, spec = pytree.tree_flatten(value, is_leaf=lambda v: v is not value)
        return None if spec.is_leaf() else (parts, spec)

    def _count(self, value: Any, around: list[int]) -> None:
        parts = self._parts(value)
        if parts is None or id(value) in self.arguments or self.is_outside(value):
            return
        if id(value) in around:
            raise CaptureError("the result holds a container that holds itself")
        self.held.append(value)
        self.counts[id(value)] = self.counts.get(id(value), 0) + 1
        if self.counts[id(value)] == 1:
            for part in parts[0]:
                self._count(part, [*around, id(value)])

    def _structure(self, value: Any) -> Structure:
        parts = self._parts(value)
        if parts is None:
            self.leaves.append(value)
            return Structure("leaf", len(self.leaves) - 1)
        if id(value) in self.arguments:
            return Structure("argument", self.arguments[id(value)])
        if self.is_outside(value):
            return Structure("object", value=value)
        if id(value) in self.numbers:
            return Structure("again", self.numbers[id(value)])
        items = tuple(map(self._structure, parts[0]))
        number = -1
        if self.counts[id(value)] > 1:
            number = self.numbers[id(value)] = len(self.numbers)
        return Structure("container", spec=parts[1], items=items, number=number)


def tuple_of(count: int) -> Structure:
    """A tuple of so many leaves."""
    return structure_of(tuple(range(count)), {})[0]
