"""Fusion rules in plain Python, registered from the user's own module.

    from jic.passes.rules import fusion_rule

    @fusion_rule(name="conv-relu", pattern=("conv", "add", "relu"))
    def conv_relu(conv, add, relu):
        return [conv, add, relu]

The pass `jic-apply-rules` calls the function at every place where the pattern (or the root) matches. It gets read-only
views of the ops and returns the ops that are to become one kernel, a `Replacement`, or None to leave the place alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from torch_mlir import ir

from jic.errors import PassError

from .fusion._graph import Graph, source_line


class OpView:
    """An operation of the graph, read-only: `name` ("add"), `attributes`, `operands`, `results`, `users`."""

    def __init__(self, graph: Graph, index: int) -> None:
        self._graph, self._index = graph, index

    @property
    def name(self) -> str:
        return self._graph.nodes[self._index].name

    @cached_property
    def attributes(self) -> dict[str, Any]:
        """Numbers, strings, bools and lists of numbers as Python has them; anything else as an MLIR attribute."""
        return {k: _plain(a) for k, a in self._graph.nodes[self._index].op.attributes.items()}

    @cached_property
    def operands(self) -> tuple[ValueView, ...]:
        return tuple(ValueView(self._graph, v) for v in self._graph.nodes[self._index].inputs)

    @cached_property
    def results(self) -> tuple[ValueView, ...]:
        return tuple(ValueView(self._graph, v) for v in self._graph.nodes[self._index].outputs)

    @property
    def users(self) -> tuple[OpView, ...]:
        """The ops that read a result, in program order."""
        return tuple(OpView(self._graph, u) for u in self._graph.node_users(self._index))

    @property
    def shape(self) -> tuple[int, ...] | None:
        """The shape of the first result."""
        return self.results[0].shape if self.results else None

    @property
    def location(self) -> str:
        """`file:line` of the user's source, or nothing."""
        return source_line(self._graph.nodes[self._index].op.location)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, OpView) and other._graph is self._graph and other._index == self._index

    def __hash__(self) -> int:
        return hash((id(self._graph), self._index))

    def __repr__(self) -> str:
        return f"<jic.{self.name} #{self._index} {self.shape}>"


class ValueView:
    """A tensor of the graph, read-only: `shape`, `dtype` ("f32"), `producer`, `users`."""

    def __init__(self, graph: Graph, number: int) -> None:
        self._graph, self._number = graph, number

    @property
    def shape(self) -> tuple[int, ...] | None:
        return self._graph.shapes[self._number]

    @property
    def dtype(self) -> str:
        return str(self._graph.elements[self._number])

    @property
    def producer(self) -> OpView | None:
        """The op that makes it; None for an argument of the function."""
        index = self._graph.producer[self._number]
        return OpView(self._graph, index) if index >= 0 else None

    @property
    def users(self) -> tuple[OpView, ...]:
        return tuple(OpView(self._graph, u) for u in self._graph.users[self._number])

    @property
    def ir(self) -> ir.Value:
        """The MLIR value, for building a replacement with `jic.dialects.build`."""
        return self._graph.values[self._number]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ValueView) and other._graph is self._graph and other._number == self._number

    def __hash__(self) -> int:
        return hash((id(self._graph), self._number))

    def __repr__(self) -> str:
        return f"<value #{self._number} {self.shape} {self.dtype}>"


@dataclass(frozen=True)
class Replacement:
    """New ops in place of the matched root.

    Attributes:
        build: called with the insertion point before the root; builds with `jic.dialects.build` and returns the value
            that takes the place of the root's result, of the same type.
    """

    build: Callable[[], ir.Value]


Result = Iterable[OpView] | Replacement | None


@dataclass(frozen=True)
class FusionRule:
    """A registered rule. `pattern` names a chain of ops from producer to consumer; its last is the root."""

    name: str
    pattern: tuple[str, ...]
    function: Callable[..., Result]

    def matches(self, graph: Graph) -> list[tuple[OpView, ...]]:
        """The places in `graph` where the pattern matches, as the ops of the chain."""
        found = []
        for node in graph.nodes:
            chain = self._chain(graph, node.index, len(self.pattern) - 1)
            if chain:
                found.append(tuple(OpView(graph, i) for i in chain))
        return found

    def _chain(self, graph: Graph, index: int, position: int) -> tuple[int, ...] | None:
        if graph.nodes[index].name != self.pattern[position]:
            return None
        if position == 0:
            return (index,)
        for p in graph.producers(index):
            above = self._chain(graph, p, position - 1) if p >= 0 else None
            if above:
                return (*above, index)
        return None


_rules: dict[str, FusionRule] = {}


def fusion_rule(
    *, name: str, root: str | None = None, pattern: Sequence[str] | None = None
) -> Callable[[Callable[..., Result]], Callable[..., Result]]:
    """Register the decorated function as a fusion rule.

    Args:
        name: what messages and the pass's option `only` call it.
        root: the op to look at ("tanh"); the function is called with its view.
        pattern: instead of `root`, a chain of ops from producer to consumer, as `("matmul", "add", "relu")`; the
            function is called with a view of each.

    Raises:
        PassError: neither or both of `root` and `pattern` are given, or another function has this name.
    """
    if (root is None) == (not pattern):
        raise PassError(f"fusion rule '{name}' needs exactly one of root and pattern")
    chain = tuple(op.removeprefix("jic.") for op in (pattern or [root]) if op)

    def register(function: Callable[..., Result]) -> Callable[..., Result]:
        old = _rules.get(name)
        if old and (old.function.__module__, old.function.__qualname__) != (function.__module__, function.__qualname__):
            raise PassError(
                f"the fusion rule name '{name}' is taken by {old.function.__module__}.{old.function.__qualname__}",
                hint="choose another name, or unregister() the other rule",
            )
        _rules[name] = FusionRule(name, chain, function)
        return function

    return register


def registered() -> tuple[FusionRule, ...]:
    """The registered rules, in order of registration."""
    return tuple(_rules.values())


def unregister(name: str) -> None:
    """Forget the rule `name`; nothing happens if there is none."""
    _rules.pop(name, None)


def _plain(attribute: ir.Attribute) -> Any:
    if isinstance(attribute, (ir.BoolAttr, ir.IntegerAttr, ir.FloatAttr, ir.StringAttr)):
        return attribute.value
    if isinstance(attribute, ir.DenseI64ArrayAttr):
        return list(attribute)
    if isinstance(attribute, ir.DenseElementsAttr) and attribute.is_splat:
        return _plain(attribute.get_splat_value())
    return attribute
