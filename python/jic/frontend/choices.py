"""Which tensor a result is that comes out of a branch or a loop: the new one, or one that was there before.

    if c: y = x                        %code = if %c { 1 } else { 0 }, one more result of the same region
    else: y = x + 1           ->       result: the input where %code is 1, else the program's output
    return y

An *atom* is a tensor object: the node that first was it. Only those matter that the caller can tell from a new tensor: inputs,
views of inputs, what other leaves of the result show, and what several leaves may be. The others all have code 0.

A loop's atoms are other objects in each step; once carried into the next step, they have code 0.
"""

from __future__ import annotations

import operator
from collections.abc import Generator, Iterable, Iterator, Sequence
from typing import Any

import torch
from torch.fx import GraphModule, Node

from ..errors import CaptureError
from .control import regions
from .control.markers import CLOSING, WRITE_BACK, ops
from .control.prune import handed_over
from .layouts import repeats_elements
from .provenance import memory_of, tensor_of

aten = torch.ops.aten
_CPU = torch.device("cpu")


# A step of the search that yields the steps it waits for: branches that follow one another would nest too deep as calls.
Task = Generator["Task", Any, Any]


def _finished(task: Task) -> Any:
    """What `task` returns."""
    waiting, result = [task], None
    while waiting:
        try:
            waiting.append(waiting[-1].send(result))
            result = None
        except StopIteration as end:
            waiting.pop()
            result = end.value
    return result


def is_region_result(node: Node) -> bool:
    """Whether `node` comes out of a loop or branch."""
    return node.target is operator.getitem and node.args[0].target in CLOSING  # type: ignore[union-attr]


class Choices:
    """The choices among the results of one graph.

    Args:
        memories: for each tensor object of the result the node whose memory it shows.

    Attributes:
        atoms: those that matter, with the number that stands for each.
        named: memories of new tensors that are in the result themselves, and that a choice may give too.
    """

    def __init__(self, graph: GraphModule, memories: Iterable[Node]) -> None:
        self.graph = graph
        memories = list(dict.fromkeys(memories))
        self.merged = [m for m in memories if is_region_result(m)]
        self.atoms: dict[Node, int] = {}
        self.named: set[Node] = set()
        if not self.merged:
            return
        self._constructs = list(regions.constructs(regions.parse(graph)))
        self._of_marker = {m: c for c in self._constructs for m in (c.begin, c.part, c.end) if m is not None}
        self._inside = {c.begin: set(c.nodes()) for c in self._constructs}
        self._possible: dict[tuple[Node, int], set[Node]] = {}
        self._codes: dict[tuple[Node, int], Any] = {}
        self._stand_ins = dict(self._written())
        self._settle()
        self._check_apart()
        visible = {m for m in memories if not is_region_result(m)}
        seen: dict[Node, int] = {}
        for memory in self.merged:
            for atom in self.possible(memory):
                seen[atom] = seen.get(atom, 0) + 1
        for atom, count in seen.items():
            home, _ = self.home(atom)
            if home.op == "placeholder" or home in visible or count > 1:
                self.atoms[atom] = len(self.atoms) + 1
                if home in visible and home.op != "placeholder":
                    self.named.add(home)

    def _written(self) -> Iterator[tuple[Node, Node]]:
        """What stands in a region for a tensor from outside that it writes to, and that tensor."""
        for construct in self._constructs:
            assert construct.end is not None
            for item in construct.end.users:
                for write in item.users:
                    if WRITE_BACK not in write.meta or write.args[1] is not item:
                        continue
                    outer, number = tensor_of(write.args[0]), int(item.args[1])  # type: ignore[arg-type]
                    if construct.kind == "if":
                        lists = [values for _, _, values in handed_over(construct)]
                        yield from ((tensor_of(v[number]), outer) for v in lists[:2] if v[number] is not None)
                        continue
                    for marker, shift in ((construct.begin, int(construct.kind == "loop")), (construct.part, 0)):
                        for user in marker.users if marker is not None else ():
                            if user.target is operator.getitem and user.args[1] == number + shift:  # type: ignore[operator]
                                yield user, outer

    def _check_apart(self) -> None:
        """What comes out of a region has memory of its own, so no two results may be views of one tensor that it made, and
        none may show elements more than once."""
        shown: dict[Node, set[Node]] = {}  # for memory made in a region, what results show of it
        made = set().union(*self._inside.values())
        for memory in self.merged:
            for atom in self.possible(memory):
                shape, strides = atom.meta["val"].shape, atom.meta["val"].stride()
                if atom.op == "call_function" and repeats_elements(shape, strides):
                    raise CaptureError(
                        "a result that a loop or branch makes shows elements more than once",
                        hint="make the view after it, or return a copy (.clone())",
                        location=atom.meta.get("location", ""),
                    )
                if (home := memory_of(atom)) in made:
                    shown.setdefault(home, set()).add(atom)
        for atoms in shown.values():
            if len(atoms) > 1:
                raise CaptureError(
                    "two results are views of one tensor that a loop or branch makes",
                    hint="make the view after it, or return a copy (.clone())",
                    location=next(iter(atoms)).meta.get("location", ""),
                )

    def home(self, atom: Node) -> tuple[Node, Node]:
        """The node outside all regions whose memory `atom` shows, and what stands for it where `atom` was made."""
        inside = found = memory_of(atom)
        while found in self._stand_ins:
            found = memory_of(self._stand_ins[found])
        if found is not inside:
            a, b = found.meta["val"], inside.meta["val"]
            if a.stride() != b.stride():
                raise CaptureError(
                    "a result is a view of a tensor that a loop or branch writes to",
                    hint="return a copy (.clone())",
                    location=atom.meta.get("location", ""),
                )
        return found, inside

    def alternatives(self, memory: Node) -> list[Node]:
        """The atoms that matter and that a region's result may be."""
        if memory not in self.merged:
            return []
        return [a for a in self.atoms if a in self.possible(memory)]

    def is_certain(self, memory: Node) -> bool:
        """Whether it is known which one it is."""
        return len(self.possible(memory)) == 1

    def possible(self, node: Node) -> set[Node]:
        """The atoms that `node` may be."""
        tensor = tensor_of(node)
        if tensor in self._stand_ins:
            return self.possible(self._stand_ins[tensor])
        memory = memory_of(tensor)
        slot = self._slot(memory)
        if slot is None or memory in self._stand_ins:
            return {tensor}
        found = self._possible.setdefault(slot, set())
        if tensor is memory:
            return found
        inside = self._inside[self._of_marker[slot[0]].begin]
        if all(self.home(a)[0] in inside for a in found):
            return {tensor}
        raise CaptureError(
            "a result is, or may be, a view of a tensor that is one or another by what happens at run time",
            hint="return a copy (.clone())",
            location=node.meta.get("location", ""),
        )

    def _slot(self, node: Node) -> tuple[Node, int] | None:
        """The marker and number of a value that a region is given or gives."""
        if node.target is not operator.getitem:
            return None
        marker, index = node.args
        if marker not in self._of_marker:
            return None
        if marker.target is ops.loop_begin.default:  # type: ignore[union-attr]
            return None if index == 0 else (marker, index - 1)  # type: ignore[return-value, operator]
        return marker, index  # type: ignore[return-value]

    def _settle(self) -> None:
        """Find what every value of every region may be: again, until nothing is added."""
        changed = True
        while changed:
            changed = False
            for construct in self._constructs:
                for place, values in self._handed(construct):
                    found = self._possible.setdefault(place, set())
                    before = len(found)
                    for value in values:
                        try:
                            found |= self.possible(value)
                        except CaptureError:
                            found |= {tensor_of(value), *self._possible.get(self._slot(memory_of(value)), ())}  # type: ignore
                    changed |= len(found) > before

    def _handed(self, construct: regions.Construct) -> list[tuple[tuple[Node, int], list[Node]]]:
        """For each value that a marker gives, the values that it may be."""
        begin, part, end = construct.begin, construct.part, construct.end
        lists = [values for _, _, values in handed_over(construct)]
        found = []
        for i in range(len(lists[0])):
            if construct.kind == "if":
                then, otherwise = lists[0][i], lists[1][i]
                found.append(((end, i), [v for v in (then, otherwise) if v is not None]))
                continue
            first, following = lists[0][i], lists[-1][i]
            found.append(((begin, i), [first, following]))
            if construct.kind == "loop":
                count = regions.trip_count(construct)
                found.append(((end, i), [following] if count else [first, following]))
            else:
                found.append(((part, i), [lists[1][i]]))
                found.append(((end, i), [lists[1][i]]))
        return found  # type: ignore[return-value]

    # ---- the code, as a value of the graph ----

    def code(self, memory: Node) -> Node:
        """A 0-d i64 value that is the number of the atom that `memory` is at run time, or 0."""
        found = _finished(self._code(memory, self.graph.graph.output_node()))
        assert isinstance(found, Node)
        return found

    def give_up(self, code: Node, atoms: Sequence[Node], why: str) -> None:
        """Run the call eagerly where `code` is the number of one of `atoms`."""
        at = self.graph.graph.output_node()
        found: Node | None = None
        for atom in atoms:
            one = self._call(aten.eq.Scalar, (code, self.atoms[atom]), at, torch.bool)
            found = one if found is None else self._call(aten.bitwise_or.Tensor, (found, one), at, torch.bool)
        with self.graph.graph.inserting_before(at):
            node = self.graph.graph.call_function(ops.bail.default, (found, why))
        node.meta = {"val": None, "location": atoms[0].meta.get("location", "")}

    def _code(self, value: Node | None, at: Node) -> Task:
        """The code of `value`: an int where it is known, else a node that may be used before `at`."""
        possible = set() if value is None else self.possible(value)
        if not possible & self.atoms.keys():
            return 0
        if len(possible) == 1:
            return self.atoms[next(iter(possible))]
        slot = self._slot(memory_of(value))  # type: ignore[arg-type]
        assert slot is not None
        if slot not in self._codes:
            yield self._extend(self._of_marker[slot[0]], slot[1])
        code = self._codes[slot]
        return self._of_older(code, slot, at)

    def _of_older(self, code: Node, slot: tuple[Node, int], at: Node) -> Node:
        """The code of what a step is given: what the step before made is not what this one makes."""
        if slot[0].target not in (ops.loop_begin.default, ops.while_cond.default):
            return code
        inside = self._inside[self._of_marker[slot[0]].begin]
        for atom, number in self.atoms.items():
            if atom in inside and atom in self._possible[slot] and memory_of(atom) in inside:
                other = self._call(aten.ne.Scalar, (code, number), at, torch.bool)
                code = self._call(aten.mul.Tensor, (code, other), at, torch.int64)
        return code

    def _extend(self, construct: regions.Construct, slot: int) -> Task:
        """Let `construct` hand over the code of its value number `slot` too."""
        begin, part, end = construct.begin, construct.part, construct.end
        assert end is not None
        # To find one code may extend this construct by those of other values, so places are taken when they are filled.
        first, *_, last = handed = [values[slot] for _, _, values in handed_over(construct)]
        if construct.kind == "if":
            assert part is not None
            then = self._node((yield self._code(handed[0], part)), part)
            otherwise = self._node((yield self._code(handed[1], end)), end)
            number = len(part.args[0])  # type: ignore[arg-type]
            self._append(part, 0, then, gives=False)
            self._append(end, 0, otherwise)
            self._append(end, 1, then, gives=False)
            self._codes[end, slot] = self._item(end, number)
            return
        loop = construct.kind == "loop"
        initial = self._node((yield self._code(first, begin)), begin)
        number = len(begin.args[1 if loop else 0])  # type: ignore[arg-type]
        self._append(begin, 1 if loop else 0, initial)
        given = self._codes[begin, slot] = self._item(begin, number + loop)
        if part is not None:
            self._append(part, 1, given)
            self._codes[part, slot] = self._item(part, number)
        self._append(end, 0, given)
        self._codes[end, slot] = self._item(end, number)
        if part is not None:
            self._put(part, 1, number, self._node((yield self._code(handed[1], part)), part))
        self._put(end, 0, number, self._node((yield self._code(last, end)), end))

    @staticmethod
    def _put(marker: Node, place: int, number: int, value: Node) -> None:
        values = list(marker.args[place])  # type: ignore[arg-type]
        values[number] = value
        marker.args = (*marker.args[:place], values, *marker.args[place + 1 :])

    def _append(self, marker: Node, place: int, value: Node, gives: bool = True) -> None:
        args = list(marker.args)
        args[place] = [*args[place], value]  # type: ignore[misc]
        marker.args = tuple(args)
        if gives:
            marker.meta["val"] = [*marker.meta["val"], value.meta["val"]]

    def _item(self, marker: Node, index: int) -> Node:
        with self.graph.graph.inserting_after(marker):
            node = self.graph.graph.call_function(operator.getitem, (marker, index))
        node.meta = {"val": marker.meta["val"][index], "location": ""}
        return node

    def _node(self, code: Any, at: Node) -> Node:
        if isinstance(code, Node):
            return code
        return self._call(aten.full.default, ([], code), at, torch.int64, {"dtype": torch.int64, "device": _CPU})

    def _call(
        self, op: Any, args: Sequence[Any], at: Node, dtype: torch.dtype, kwargs: dict[str, Any] | None = None
    ) -> Node:
        with self.graph.graph.inserting_before(at):
            node = self.graph.graph.call_function(op, tuple(args), kwargs)
        mode = next(n.meta["val"].fake_mode for n in self.graph.graph.nodes if hasattr(n.meta.get("val"), "fake_mode"))
        with mode:
            node.meta = {"val": torch.empty((), dtype=dtype), "location": ""}
        return node
