"""Which Python numbers of a callable's calls become inputs of its compiled code."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable
from dataclasses import replace
from typing import Any

import torch
from torch.utils import _pytree as pytree

from ..frontend import Guard, Number, StateNumber, number_leaves
from ..frontend.numbers import Place
from .calls import Request

_VALUES = 3  # a number that has had so many values, all else being equal, is tried as an input
_KINDS = 256  # kinds of calls whose values are remembered
_BY_VALUE = (str, bytes, bool, complex, type(None), torch.dtype, torch.device, torch.layout, torch.memory_format)


class NumberHistory:
    """The values that the numbers of one callable's calls have had."""

    def __init__(self) -> None:
        self._seen: dict[Hashable, dict[int, set[str]]] = {}
        self._refused: set[tuple[Hashable, int]] = set()
        self._inputs: set[tuple[str, int, type]] = set()

    def wanted(self, request: Request) -> dict[int, Number]:
        """Note the call's numbers. Those that should be inputs, by their places among its leaves."""
        leaves = number_leaves(request.args, request.kwargs)
        if not leaves:
            return {}
        structure, kind = _kind(request, leaves)
        if len(self._seen) >= _KINDS and kind not in self._seen:
            self._seen.clear()
            self._refused.clear()
        seen = self._seen.setdefault(kind, {})
        found: dict[int, Number] = {}
        for place, value in leaves.items():
            number = Number.of(value)
            if number is None or (kind, place) in self._refused:
                continue
            values = seen.setdefault(place, set())
            if len(values) < _VALUES:
                values.add(repr(value))
            if len(values) >= _VALUES or (structure, place, type(value)) in self._inputs:
                found[place] = number
        return found

    def refuse(self, request: Request, places: Collection[int]) -> None:
        """They stay constants in calls like this one."""
        _, kind = _kind(request, number_leaves(request.args, request.kwargs))
        self._refused.update((kind, place) for place in places)

    def accept(self, request: Request, places: Collection[int]) -> None:
        """They are inputs, also in calls with other tensors, where that can be."""
        leaves = number_leaves(request.args, request.kwargs)
        structure, _ = _kind(request, leaves)
        self._inputs.update((structure, place, type(leaves[place])) for place in places)


class StateHistory:
    """The values that the numbers of the state around one callable's calls have had when they were read."""

    def __init__(self) -> None:
        self._seen: dict[Place, set[str]] = {}
        self._known: dict[Place, StateNumber] = {}
        self._refused: set[Place] = set()
        self._inputs: set[Place] = set()

    def note(self, guards: list[Guard]) -> None:
        """Note what a trace read as constants."""
        for guard in guards:
            if guard.kind not in ("dict", "cell", "sequence"):
                continue
            for key, value in guard.values.items():
                number = Number.of(value) if type(value) in (int, float) else None
                if number is None:
                    continue
                found = StateNumber(guard, key, number)
                self._known[found.place] = found
                self._seen.setdefault(found.place, set()).add(repr(value))

    def wanted(self) -> list[StateNumber]:
        """Those that should be inputs now."""
        found = []
        for place, values in self._seen.items():
            if place in self._refused or len(values) < _VALUES - 1 and place not in self._inputs:
                continue
            known = self._known[place]
            value = known.value
            number = Number.of(value) if type(value) in (int, float) else None
            if number is not None and (place in self._inputs or repr(value) not in values):
                found.append(replace(known, number=number))
        return found

    def refuse(self, numbers: Iterable[StateNumber]) -> None:
        """They stay constants."""
        self._refused.update(n.place for n in numbers)

    def accept(self, numbers: Iterable[StateNumber]) -> None:
        """They are inputs from now on."""
        self._inputs.update(n.place for n in numbers)


def _kind(request: Request, numbers: dict[int, Any]) -> tuple[str, Hashable]:
    """The call's structure, and its signature but for the values of numbers."""
    leaves, spec = pytree.tree_flatten((request.args, request.kwargs))

    def describe(place: int, leaf: Any) -> Hashable:
        if place in numbers:
            return type(leaf)
        if isinstance(leaf, torch.Tensor):
            strides = tuple(leaf.stride()) if leaf.layout == torch.strided else ()
            return leaf.dtype, tuple(leaf.shape), strides, leaf.requires_grad
        return type(leaf), leaf if type(leaf) in _BY_VALUE else id(leaf)

    structure = repr(spec)
    described = tuple(describe(i, leaf) for i, leaf in enumerate(leaves))
    return structure, (structure, tuple(map(id, request.receiver)), torch.is_grad_enabled(), described)
