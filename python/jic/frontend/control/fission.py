"""Loop fission: what a loop only adds up leaves it for a loop of its own.

A backward accumulates the gradients of weights step by step; nothing in the loop waits for them. Taken apart,
the recurrence becomes small, and the sums become matrix products over all steps at once:

    [%i, %g, %gw] = loop_begin(%n, [%g0, %w0])        [%i, %g, %b] = loop_begin(%n, [%g0, zeros(n, …)])
      %d = mul(%g, …)                                   %d = mul(%g, …)
      %g1 = mm(%d, %w)                                  %g1 = mm(%d, %w)
      %gw1 = add(%gw, mm(t(%d), …))                     %c = dynamic_update(%b, unsqueeze(%d, 0), %i, 0)
    loop_end([%g1, %gw1])                     ->      [_, %ds] = loop_end([%g1, %c])
                                                      [%j, %gw] = loop_begin(%n, [%w0])
                                                        %e = squeeze(dynamic_slice(%ds, %j, 0, 1), 0)
                                                        %gw1 = add(%gw, mm(t(%e), …))
                                                      loop_end([%gw1])

Loops that hold other loops or branches stay: what they save may be bounded by checkpoints.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.fx import GraphModule, Node

from .markers import ops
from .regions import Construct, constructs, has_effect, parse, trip_count

aten = torch.ops.aten


def split_accumulators(graph: GraphModule) -> None:
    """Split the innermost loops of a graph without in-place ops, where their trip count is a constant."""
    for construct in list(constructs(parse(graph))):
        if construct.kind == "loop" and not any(isinstance(i, Construct) for i in construct.bodies[0]):
            _Split(graph, construct).run()


class _Split:
    def __init__(self, graph: GraphModule, loop: Construct) -> None:
        assert loop.end is not None
        self.graph, self.begin, self.end = graph.graph, loop.begin, loop.end
        self.steps = trip_count(loop)
        self.body: list[Node] = [n for n in loop.bodies[0] if isinstance(n, Node)]
        self.inits, self.nexts = list[Any](loop.begin.args[1]), list[Any](loop.end.args[0])  # type: ignore[arg-type]
        # For each node of the body the carried values it depends on.
        self.depends: dict[Node, frozenset[int]] = {}
        for node in self.body:
            if self.from_begin(node):
                self.depends[node] = frozenset({node.args[1] - 1} if node.args[1] else ())  # type: ignore[operator]
            else:
                self.depends[node] = frozenset().union(*(self.depends.get(n, ()) for n in node.all_input_nodes))

    def run(self) -> None:
        sums = [k for k in range(len(self.nexts)) if self.is_sum(k)]
        rest = [k for k in range(len(self.nexts)) if k not in sums]
        # A sum or a store of what the rest computes anyway stays: alone it would read that from memory again.
        kept = self.needed(rest)
        sums = [k for k in sums if not all(n in kept or _is_cheap(n) or n.target in _MERGES for n in self.needed([k]))]
        rest = [k for k in range(len(self.nexts)) if k not in sums]
        if not sums or not rest or not self.steps or any(has_effect(n) for n in self.body):
            return
        first, second = self.needed(rest), self.needed(sums)
        # What is carried in the first loop is only there, even if only the sums read it; tuples are taken apart there.
        for node in self.body:
            own = self.from_begin(node) and not self.depends[node].isdisjoint(rest)
            if node in second and (own or (node.target is operator.getitem and node.args[0] in first)):
                first.add(node)
        saved, again = [], set[Node]()
        for node in self.body:
            if node not in first or not any(u in second and u not in first for u in node.users):
                continue
            source = self.slice_of([node])
            if self.depends[node].isdisjoint(rest) and all(map(_is_cheap, source)):
                again |= source
            else:
                saved.append(node)
        with self.graph.inserting_before(self.begin):
            results, stacks = self.build_first(rest, [n for n in self.body if n in first], saved)
            order = [n for n in self.body if n in again or (n in second and n not in first)]
            results |= self.build_second(sums, order, dict(zip(saved, stacks, strict=True)))
        self.replace(results)

    def from_begin(self, node: Node) -> bool:
        """True for the iteration number and the carried values."""
        return node.target is operator.getitem and node.args[0] is self.begin

    def is_sum(self, k: int) -> bool:
        """Only the carried value `k` itself depends on it, and it goes on from what it was."""
        following = self.nexts[k]
        others = (self.depends.get(n, ()) for j, n in enumerate(self.nexts) if j != k)
        return k in self.depends.get(following, ()) and not any(k in d for d in others)

    def needed(self, slots: Sequence[int]) -> set[Node]:
        return self.slice_of([self.nexts[k] for k in slots])

    def slice_of(self, nodes: Sequence[Any]) -> set[Node]:
        """What the body computes for `nodes`."""
        found: set[Node] = set()
        pending = [n for n in nodes if n in self.depends]
        while pending:
            node = pending.pop()
            if node not in found:
                found.add(node)
                pending += [n for n in node.all_input_nodes if n in self.depends]
        return found

    def build_first(self, slots: list[int], body: list[Node], saved: list[Node]) -> tuple[dict[int, Node], list[Node]]:
        """The loop without the sums, which saves `saved`. Returns the results by slot, and the stacks."""
        stacks = []
        for node in saved:
            value = node.meta["val"]
            shape = [self.steps, *value.shape]
            stacks.append(self.call(aten.full.default, (shape, 0), _empty(value, shape), {"dtype": value.dtype}))
        index, carried, outside = self.enter([*(self.inits[k] for k in slots), *stacks])
        values = self.copy(body, index, dict(zip(slots, carried, strict=False)), outside)
        updates = []
        for node, stack in zip(saved, carried[len(slots) :], strict=True):
            shape = [1, *node.meta["val"].shape]
            row = self.call(aten.unsqueeze.default, (values[node], 0), _empty(node.meta["val"], shape))
            updates.append(self.call(ops.dynamic_update.default, (stack, row, index, 0), stack.meta["val"]))
        found = self.leave([*(values.get(self.nexts[k], self.nexts[k]) for k in slots), *updates])
        return dict(zip(slots, found, strict=False)), found[len(slots) :]

    def build_second(self, slots: list[int], body: list[Node], stacks: dict[Node, Node]) -> dict[int, Node]:
        """The loop of the sums."""
        index, carried, outside = self.enter([self.inits[k] for k in slots])
        for node, stack in stacks.items():
            value = node.meta["val"]
            row = self.call(ops.dynamic_slice.default, (stack, index, 0, 1), _empty(value, [1, *value.shape]))
            outside[node] = self.call(aten.squeeze.dim, (row, 0), value)
        values = self.copy(body, index, dict(zip(slots, carried, strict=True)), outside)
        return dict(zip(slots, self.leave([values[self.nexts[k]] for k in slots]), strict=True))

    def enter(self, inits: list[Node]) -> tuple[Node, list[Node], dict[Node, Node]]:
        index = self.begin.meta["val"][0]
        likes = [index, *(n.meta["val"] for n in inits)]
        begin = self.call(ops.loop_begin.default, (self.begin.args[0], inits), likes)
        items = [self.call(operator.getitem, (begin, i), like) for i, like in enumerate(likes)]
        return items[0], items[1:], {}

    def leave(self, nexts: list[Node]) -> list[Node]:
        likes = [n.meta["val"] for n in nexts]
        end = self.call(ops.loop_end.default, (nexts,), likes)
        return [self.call(operator.getitem, (end, i), like) for i, like in enumerate(likes)]

    def copy(
        self, body: list[Node], index: Node, carried: dict[int, Node], values: dict[Node, Node]
    ) -> dict[Node, Node]:
        for node in body:
            if self.from_begin(node):
                slot: Any = node.args[1]
                values[node] = index if slot == 0 else carried[slot - 1]
            else:
                values[node] = self.graph.node_copy(node, lambda n: values.get(n, n))
        return values

    def call(self, target: Any, args: tuple[Any, ...], value: Any, kwargs: dict[str, Any] | None = None) -> Node:
        node = self.graph.call_function(target, args, kwargs)
        node.meta = {key: self.begin.meta[key] for key in ("location", "stack_trace") if key in self.begin.meta}
        node.meta["val"] = value
        return node

    def replace(self, results: dict[int, Node]) -> None:
        for user in list(self.end.users):
            user.replace_all_uses_with(results[user.args[1]])  # type: ignore[index]
            self.graph.erase_node(user)
        for node in reversed([self.begin, *self.body, self.end]):
            self.graph.erase_node(node)


VIEWS = frozenset(
    {
        aten.squeeze.dim, aten.squeeze.dims, aten.squeeze.default,
        aten.unsqueeze.default, aten.view.default, aten.reshape.default, aten._unsafe_view.default, aten.select.int,
        aten.slice.Tensor, aten.t.default, aten.transpose.int, aten.permute.default, aten.expand.default,
        aten.detach.default, aten.alias.default,
    }
)  # fmt: skip
_CHEAP = VIEWS | {operator.getitem, ops.dynamic_slice.default}


_MERGES = (aten.add.Tensor, ops.dynamic_update.default)


def _is_cheap(node: Node) -> bool:
    """A view, or arithmetic on an index."""
    value = node.meta["val"]
    return node.target in _CHEAP or (isinstance(value, Tensor) and value.dim() == 0 and value.dtype == torch.int64)


def _empty(like: Tensor, shape: Sequence[Any]) -> Tensor:
    with like.fake_mode:  # type: ignore[attr-defined]
        return torch.empty(shape, dtype=like.dtype, device=like.device)
