"""Dead code elimination for graphs with regions: nodes, constructs, and the values that constructs carry for nobody.

    [%i, %a, %b] = loop_begin(%n, [%x, %y])             [%i, %a] = loop_begin(%n, [%x])
      %c = add(%a, 1)                                     %c = add(%a, 1)
      %d = add(%b, %i)                            ->
    [%r, %s] = loop_end([%c, %d])                       [%r] = loop_end([%c])
    return %r                                           return %r

A carried value that no step changes is replaced by its initial value.
"""

from __future__ import annotations

import operator
from typing import Any

from torch.fx import GraphModule, Node

from .regions import Construct, constructs, has_effect, parse


def erase_dead(graph: GraphModule) -> None:
    """Erase what nothing uses and what has no effect. Placeholders stay."""
    items = parse(graph)
    found = list(constructs(items))
    for construct in found:
        if construct.kind == "loop":
            _replace_unchanged(construct)
    live = _Liveness(graph, found)
    live.run()
    for construct in found:
        if construct.begin in live.nodes:
            _keep(construct, sorted(live.slots[construct.begin]))
    for node in reversed(list(graph.graph.nodes)):
        if node.op in ("call_function", "get_attr") and node not in live.nodes:
            graph.graph.erase_node(node)


def _items(marker: Node | None) -> dict[int, list[Node]]:
    """The get-items of a marker's results, by index."""
    found: dict[int, list[Node]] = {}
    for user in marker.users if marker is not None else ():
        if user.target is operator.getitem:
            found.setdefault(user.args[1], []).append(user)  # type: ignore[arg-type]
    return found


def _replace_unchanged(loop: Construct) -> None:
    begun, ended = _items(loop.begin), _items(loop.end)
    for i, (init, value) in enumerate(zip(loop.begin.args[1], loop.end.args[0], strict=True)):  # type: ignore
        if value in begun.get(i + 1, ()) or value is init:
            for item in (*begun.get(i + 1, ()), *ended.get(i, ())):
                item.replace_all_uses_with(init)


class _Liveness:
    """Which nodes are needed, and which of the values that each construct hands over.

    Attributes:
        nodes: needed nodes; a construct's markers are all needed or none is.
        slots: for the first marker of each construct the numbers of its needed results.
    """

    def __init__(self, graph: GraphModule, found: list[Construct]) -> None:
        self.graph = graph
        self.nodes: set[Node] = set()
        self.slots: dict[Node, set[int]] = {c.begin: set() for c in found}
        self.of_marker: dict[Node, Construct] = {}
        self.around: dict[Node, Construct] = {}  # the innermost construct around each node
        for construct in found:
            for marker in (construct.begin, construct.part, construct.end):
                if marker is not None:
                    self.of_marker[marker] = construct
            for node in construct.nodes():  # inner constructs come later and win
                if node not in (construct.begin, construct.end):
                    self.around[node] = construct
        self.pending: list[Node] = []

    def run(self) -> None:
        for node in self.graph.graph.nodes:
            if node.op == "output" or (node.op == "call_function" and has_effect(node)):
                self.need(node)
        while self.pending:
            self.visit(self.pending.pop())

    def need(self, *nodes: Any) -> None:
        for node in nodes:
            if isinstance(node, Node) and node not in self.nodes:
                self.nodes.add(node)
                self.pending.append(node)

    def visit(self, node: Node) -> None:
        if node in self.around:
            self.enter(self.around[node])
        source = node.args[0] if node.target is operator.getitem else None
        if source in self.of_marker:
            construct = self.of_marker[source]  # type: ignore[index]
            self.enter(construct)
            index: Any = node.args[1]
            if construct.kind == "loop" and source is construct.begin:
                index -= 1
            if index >= 0:  # else the iteration number
                self.hand_over(construct, index)
        else:
            self.need(*node.all_input_nodes)

    def enter(self, construct: Construct) -> None:
        """The construct runs: so does what decides how."""
        markers = (construct.begin, construct.part, construct.end)
        if construct.begin in self.nodes:
            return
        self.nodes.update(m for m in markers if m is not None)
        self.need(construct.part.args[0] if construct.kind == "while" else construct.begin.args[0])  # type: ignore
        if construct.begin in self.around:
            self.enter(self.around[construct.begin])

    def hand_over(self, construct: Construct, index: int) -> None:
        if index in self.slots[construct.begin]:
            return
        self.slots[construct.begin].add(index)
        for _, _, values in handed_over(construct):
            self.need(values[index])


def handed_over(construct: Construct) -> list[tuple[Node, int, list[Any]]]:
    """The lists of values that the markers take to hand them over: marker, number of its argument, values."""
    begin, part, end = construct.begin, construct.part, construct.end
    places = {
        "loop": [(begin, 1), (end, 0)],
        "while": [(begin, 0), (part, 1), (end, 0)],
        "if": [(part, 0), (end, 0), (end, 1)],
    }[construct.kind]
    return [(m, i, list(m.args[i])) for m, i in places]  # type: ignore[union-attr, arg-type]


def _keep(construct: Construct, slots: list[int]) -> None:
    """Leave only these of the values that the construct hands over."""
    for marker, place, values in handed_over(construct):
        args = list(marker.args)
        args[place] = [values[s] for s in slots]
        marker.args = tuple(args)
    for marker in (construct.begin, construct.part, construct.end):
        shift = int(marker is construct.begin and construct.kind == "loop")
        kept = [*range(shift), *(s + shift for s in slots)]
        if marker is None or len(marker.meta["val"]) in (0, len(kept)):
            continue
        marker.meta["val"] = [marker.meta["val"][k] for k in kept]
        for index, items in _items(marker).items():
            for item in items:
                if index in kept:
                    item.args = (marker, kept.index(index))
