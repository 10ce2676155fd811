"""What a capture gives: the graph, and where its inputs come from and its outputs go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import torch
from torch.fx import GraphModule
from torch.utils import _pytree as pytree

from .control import effects
from .guards import FETCHED, Guard
from .numbers import Number


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

    `result`: graph result `index`; eager's tensor has `stride` (the graph's is contiguous).
    `input`: input `index` itself.
    `view`: `as_strided` of input `index` with `size` and `stride`, `offset` elements after the input's own storage
    offset.
    `constant`: the Python object `value`.

    With `number` the leaf is the Python number that the tensor, which is 0-d, holds. Of a number input that is the number
    itself.
    """

    kind: Literal["result", "input", "view", "constant"]
    index: int = -1
    size: tuple[int, ...] = ()
    stride: tuple[int, ...] = ()
    offset: int = 0
    value: Any = None
    number: bool = False


@dataclass(frozen=True)
class Traced:
    """A captured call.

    Attributes:
        graph_module: one placeholder for each entry of `inputs`; returns a tuple of tensors without aliases of inputs.
        inputs: where the inputs come from.
        outputs: what the leaves of the result are, in the order of `out_spec`.
        out_spec: the structure of the result.
        mutations: `(input, result)` pairs: copy graph result `result` into input `input` after the call.
        guards: what the trace read of the state around the call.
        fingerprint: equal for graphs that may share a compiled artifact.
        reasons: remarks for `explain`.
        effects: what else the call does, given the whole of what `out_spec` describes; it returns the callable's result.
        unrolled: loops of which more than a few hundred calls came, as they were unrolled.
        shared: some results are, or may be, views of one tensor or of an input in eager, and are copies here.
    """

    graph_module: GraphModule
    inputs: list[InputSource]
    outputs: list[OutputSource]
    out_spec: pytree.TreeSpec
    mutations: list[tuple[int, int]]
    guards: list[Guard]
    fingerprint: str
    reasons: list[Reason] = field(default_factory=list)
    effects: effects.Effects | None = None
    shared: bool = False
    unrolled: list[Reason] = field(default_factory=list)

    def let_go(self) -> None:
        """Forget the tensors that are fetched at each call: the user may replace them, and they may be large."""
        for guard in self.guards:
            for key, value in guard.values.items():
                if isinstance(value, torch.Tensor) and guard.kind not in ("attribute", "call"):
                    guard.values[key] = FETCHED
        self.inputs[:] = [s if s.guard is None else replace(s, tensor=None) for s in self.inputs]
