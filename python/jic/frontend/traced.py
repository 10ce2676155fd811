"""What a capture gives: the graph, and where its inputs come from and its outputs go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import torch
from torch.fx import GraphModule

from .control import effects
from .guards import FETCHED, Guard
from .numbers import Number
from .structure import Structure


@dataclass(frozen=True)
class Reason:
    """Why `op` was not compiled, or what to know about it, at the user's `location` (`file:line` or '')."""

    op: str
    why: str
    location: str = ""


@dataclass(frozen=True, eq=False)
class InputSource:
    """Where an input of the graph comes from.

    An `argument` is leaf number `index` of the flattened `(args, kwargs)`. A `captured` tensor is `tensor`; if `guard` is
    given it was read there under `key`, and must be fetched from there at each call, because the user may replace it. With
    `number` it is a Python number, which the graph takes as a 0-d tensor; a captured one has a `guard`.
    """

    kind: Literal["argument", "captured"]
    name: str
    index: int = -1
    tensor: torch.Tensor | None = None
    guard: Guard | None = None
    key: Any = None
    number: Number | None = None

    def fetch(self, leaves: Sequence[Any]) -> Any:
        """The tensor (or number) in a call whose arguments have these leaves."""
        if self.kind == "argument":
            return leaves[self.index]
        return self.tensor if self.guard is None else self.guard.current(self.key)


@dataclass(frozen=True)
class OutputSource:
    """What a leaf of the callable's result is.

    `result`: graph result `index` as a new tensor.
    `alias`: as_strided of that tensor with `size`, `stride` and storage offset `offset`.
    `input`: input `index` itself.
    `view`: `as_strided` of input `index` with `size` and `stride`, `offset` elements after the input's own storage
    offset.
    `choice`: one of `choices`, by the number in graph result `index`, a 0-d i64.
    `constant`: the Python object `value`.

    Leaves with one `identity`, if it is not -1, are one object. A `detached` view has no gradient.
    With `number` the leaf is the Python number that the tensor, which is 0-d, holds. Of a number input that is the number
    itself.
    """

    kind: Literal["result", "alias", "input", "view", "choice", "constant"]
    index: int = -1
    size: tuple[int, ...] = ()
    stride: tuple[int, ...] = ()
    offset: int = 0
    value: Any = None
    number: bool = False
    identity: int = -1
    detached: bool = False
    choices: tuple[OutputSource, ...] = ()

    @property
    def inputs(self) -> list[int]:
        """The inputs that the leaf is, or shows, or may be or show."""
        own = [self.index] if self.kind in ("input", "view") else []
        return own + [i for c in self.choices for i in c.inputs]

    def renumbered(self, numbers: dict[int, int]) -> OutputSource:
        """The same with input i as input `numbers[i]`."""
        index = numbers[self.index] if self.kind in ("input", "view") else self.index
        return replace(self, index=index, choices=tuple(c.renumbered(numbers) for c in self.choices))


@dataclass(frozen=True)
class Traced:
    """A captured call.

    Attributes:
        graph_module: one placeholder for each entry of `inputs`; returns a tuple of tensors without aliases of inputs or of
            each other.
        inputs: where the inputs come from.
        outputs: what the leaves of the result are.
        geometry: graph result → size and stride of the new tensor that it becomes. Its elements lie in memory in the order of
            the graph result's; mutations' results are not named.
        structure: the containers that hold them.
        mutations: `(input, result)` pairs: copy graph result `result` into input `input` after the call.
        guards: what the trace read of the state around the call.
        fingerprint: equal for graphs that may share a compiled artifact.
        reasons: remarks for `explain`.
        effects: what else the call does, given the whole of what `structure` describes; it returns the callable's result.
        unrolled: loops of which more than a few hundred calls came, as they were unrolled.
        fixed: captured tensors of which something was read and that are found in no guard: what they are like matters.
        bare: whether an argument was asked for an attribute that it does not have.
    """

    graph_module: GraphModule
    inputs: list[InputSource]
    outputs: list[OutputSource]
    geometry: dict[int, tuple[tuple[int, ...], tuple[int, ...]]]
    structure: Structure
    mutations: list[tuple[int, int]]
    guards: list[Guard]
    fingerprint: str
    reasons: list[Reason] = field(default_factory=list)
    effects: effects.Effects | None = None
    unrolled: list[Reason] = field(default_factory=list)
    fixed: list[torch.Tensor] = field(default_factory=list)
    bare: bool = False

    def let_go(self) -> None:
        """Forget the tensors that are fetched at each call: the user may replace them, and they may be large."""
        for guard in self.guards:
            for key, value in guard.values.items():
                if isinstance(value, torch.Tensor) and guard.kind not in ("attribute", "call"):
                    guard.values[key] = FETCHED
        self.inputs[:] = [s if s.guard is None else replace(s, tensor=None) for s in self.inputs]
