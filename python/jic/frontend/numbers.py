"""Python numbers that are inputs of the graph rather than constants of it.

A number input is a 0-d placeholder (int64 or float64), which the traced function sees as a `Scalar`. It may flow into
arithmetic, comparisons and tensor indices; where it alone decides which ops run, the graph is no use for other values.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.fx import GraphModule, Node
from torch.utils import _pytree as pytree

from ..errors import CaptureError
from .control import markers
from .control.random_calls import draws_random_numbers
from .control.scalar import UNKNOWN, Scalar, constant
from .guards import Guard

Place = tuple[str, int, Any]  # the kind of a guard, the id of its object, a key
_SMALL = 1 << 53  # ints up to this one need few checks: sums stay in 64 bits, floats hold them exactly
_LARGE = (1 << 63) - 1


@dataclass(frozen=True)
class Number:
    """A Python number of exactly this type; ints are at most `limit` in magnitude."""

    type: type
    limit: int = 0

    @staticmethod
    def of(value: Any) -> Number | None:
        """The kind of number that `value` is; None for what cannot be an input."""
        if type(value) is float:
            return Number(float)
        if type(value) is not int or abs(value) > _LARGE:
            return None
        return Number(int, _SMALL if abs(value) <= _SMALL else _LARGE)

    def holds(self, value: Any) -> bool:
        """Whether `value` is such a number."""
        return type(value) is self.type and (self.type is float or abs(value) <= self.limit)

    def scalar(self, tensor: torch.Tensor) -> Scalar:
        """What the traced function sees for the input `tensor`."""
        return Scalar(self.type, tensor, UNKNOWN if self.type is float else (-self.limit, self.limit))


@dataclass(frozen=True, eq=False)
class StateNumber:
    """A number of the state around a call, which a trace read: what `guard` has under `key`."""

    guard: Guard
    key: Any
    number: Number

    @property
    def place(self) -> Place:
        return self.guard.kind, id(self.guard.container), self.key

    @property
    def value(self) -> Any:
        return self.guard.current(self.key)


def as_tensor(value: Any) -> torch.Tensor:
    """A tensor as it is, a number as the 0-d tensor that stands for it in the graph."""
    return value if isinstance(value, torch.Tensor) else constant(value)


def check_numbers(graph: GraphModule, is_number: Callable[[int], bool]) -> None:
    """See that no number by itself decides what is computed: which branch, how many steps.

    Args:
        is_number: whether placeholder `i` is a number.

    Raises:
        CaptureError: one does.
    """
    placeholders = [n for n in graph.graph.nodes if n.op == "placeholder"]
    numbers = {n for i, n in enumerate(placeholders) if is_number(i)}
    data = {*placeholders} - numbers
    if not numbers:
        return
    state: set[Node] = set()  # values that a `while` carries: they are found out step by step
    for node in graph.graph.nodes:
        if node.op == "placeholder":
            continue
        if _decides(node, numbers, data | state):
            raise CaptureError(
                "a Python number decides what is computed, so it is no input of the compiled code",
                location=node.meta.get("location", ""),
            )
        if node.target is markers.ops.while_begin.default:
            state.add(node)
        used = node.all_input_nodes
        if any(n in numbers for n in used):
            numbers.add(node)
        if any(n in data for n in used) or draws_random_numbers(node):
            data.add(node)
        if any(n in state for n in used):
            state.add(node)


def _decides(node: Node, numbers: set[Node], data: set[Node]) -> bool:
    ops = markers.ops
    if node.target not in (ops.loop_begin.default, ops.while_cond.default, ops.if_begin.default):
        return False
    deciding = node.args[0]
    if not isinstance(deciding, Node) or deciding not in numbers:
        return False
    return node.target is ops.loop_begin.default or deciding not in data


def number_leaves(args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[int, Any]:
    """The ints and floats among the leaves of a call, by their places: those that a guard can reach, in tuples, lists, dicts."""
    found: dict[int, Any] = {}
    count = 0

    def visit(value: Any, reachable: bool) -> None:
        nonlocal count
        if pytree.tree_is_leaf(value):
            if reachable and type(value) in (int, float):
                found[count] = value
            count += 1
            return
        plain = type(value) in (tuple, list, dict) or isinstance(value, tuple) and hasattr(value, "_fields")
        node = pytree.SUPPORTED_NODES[pytree._get_node_type(value)]
        for child in node.flatten_fn(value)[0]:
            visit(child, reachable and plain)

    visit((args, kwargs), True)
    return found
