"""The leaves of a captured call's result: computed tensors, inputs, views of either, constants.

Which of them share memory is read off the graph as it was traced, with its views and writes. Leaves on one new memory become
views of one graph result, the tensor that made it:

    %a = add(%x, 1)                       graph results: %a
    %v = select(%a, 0, 0)         ->      leaf 0: result 0
    return %a, %v                         leaf 1: as_strided of result 0

A leaf that is a part of a new tensor is such a view too, also where nothing else shows that tensor: it has eager's strides, and
is computed without a copy. A leaf that may be one of several tensors, by what happens at run time, is a choice (choices.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch.fx import GraphModule, Node

from ..errors import CaptureError
from .choices import Choices
from .layouts import dense_like, memory_order, repeats_elements
from .provenance import is_detached, memory_of, shows_computed_place, tensor_of
from .traced import OutputSource

_PLACE = "a view at a place that is only known at run time"
Geometry = dict[int, tuple[tuple[int, ...], tuple[int, ...]]]  # graph result → size and stride


def classify_outputs(
    graph: GraphModule, leaves: Sequence[Any], numbers: set[int], inputs: Sequence[torch.Tensor], certain: bool = False
) -> tuple[list[OutputSource], Geometry]:
    """Say what each of the result's `leaves` is, and leave only computed tensors as the graph's results, whose sizes and strides
    come second.

    `numbers` are the positions of leaves that are run-time numbers; `inputs` are the traced function's tensors. With `certain` it
    must be known which tensor, or which part of one, each leaf is.

    Raises:
        CaptureError: leaves share memory in a way that a plan cannot say.
    """
    placeholders = [n for n in graph.graph.nodes if n.op == "placeholder"]
    given = {id(t): i for i, t in enumerate(inputs)}
    nodes: Sequence[Node] = graph.graph.output_node().args[0]  # type: ignore[assignment]
    found = _Outputs(graph, placeholders, certain)
    rest = iter(nodes)
    sources: list[OutputSource | None] = []
    objects: dict[int, _Leaf] = {}
    for i, leaf in enumerate(leaves):
        if not isinstance(leaf, torch.Tensor):
            sources.append(OutputSource("constant", value=leaf))
            continue
        node = next(rest)
        if i in numbers:
            sources.append(replace(found.number(node), number=True))
        elif id(leaf) in given:
            sources.append(OutputSource("input", given[id(leaf)]))
        else:
            objects.setdefault(id(leaf), _Leaf(node, tensor_of(node), memory_of(node))).places.append(i)
            sources.append(None)
    found.share(list(objects.values()), sources)
    graph.graph.output_node().args = (tuple(found.results),)
    assert all(s is not None for s in sources)
    values = [node.meta["val"] for node in found.results]
    return sources, {i: (tuple(v.shape), tuple(v.stride())) for i, v in enumerate(values)}  # type: ignore[return-value]


def make_dense(graph: GraphModule, geometry: Geometry) -> Geometry:
    """Let each graph result be the memory of eager's tensor, from its start to its end: its dims in the order of its strides.

    Returns `geometry` with the strides of a dense tensor where eager's has gaps.
    """
    output = graph.graph.output_node()
    results = list(output.args[0])  # type: ignore[arg-type]
    dense: Geometry = {}
    for i, (size, stride) in geometry.items():
        node = results[i]
        order = memory_order(size, stride)
        if order is None:
            stride = dense_like(size, stride)
            order = memory_order(size, stride)
            assert order is not None
        if order != sorted(order):
            with graph.graph.inserting_before(output), node.meta["val"].fake_mode:
                permuted = graph.graph.call_function(torch.ops.aten.permute.default, (node, order))
                permuted.meta = {"val": node.meta["val"].permute(order), "location": node.meta.get("location", "")}
            results[i] = permuted
        dense[i] = size, stride
    output.args = (tuple(results),)
    return dense


@dataclass(eq=False)
class _Leaf:
    """A tensor object in the result: its node, the node that first was this object, the one that made its memory, its places."""

    node: Node
    tensor: Node
    memory: Node
    places: list[int] = field(default_factory=list)

    @property
    def value(self) -> torch.Tensor:
        return self.node.meta["val"]


class _Outputs:
    def __init__(self, graph: GraphModule, placeholders: list[Node], certain: bool) -> None:
        self.graph, self.placeholders, self.certain = graph, placeholders, certain
        self.results: list[Node] = []
        self.identities = 0
        self.identity_of: dict[Node, int] = {}

    def number(self, node: Node) -> OutputSource:
        if node in self.placeholders:
            return OutputSource("input", self.placeholders.index(node))
        return self.result(node)

    def result(self, node: Node) -> OutputSource:
        """`node` as a result of the graph."""
        if node not in self.results:
            self.results.append(node)
        return OutputSource("result", self.results.index(node))

    def share(self, leaves: list[_Leaf], sources: list[OutputSource | None]) -> None:
        """Fill in the sources of `leaves`."""
        choices = Choices(self.graph, [leaf.memory for leaf in leaves])
        groups: dict[Node, list[_Leaf]] = {}
        for leaf in leaves:
            groups.setdefault(leaf.memory, []).append(leaf)
        bases: dict[Node, OutputSource] = {}
        for memory, group in groups.items():
            self._check(memory, group, choices)
            if memory in self.placeholders:
                continue
            if (
                not _is_alone(group)
                or memory in choices.named
                or choices.alternatives(memory)
                or not _is_whole(group[0].value)
                and _is_whole(memory.meta["val"])
                and not shows_computed_place(group[0].node)
            ):
                bases[memory] = self._base(memory)
        for memory, group in groups.items():
            for leaf in group:
                if alternatives := choices.alternatives(memory):
                    source = self._choice(memory, alternatives, choices, bases)
                elif memory in self.placeholders:
                    source = self._of_input(leaf.node, memory)
                elif memory in bases:
                    source = self._of_new(leaf.node, memory, bases)
                else:
                    source = self.result(leaf.node)
                if len(leaf.places) > 1 and source.identity < 0:
                    source = replace(source, identity=self._new_identity())
                for place in leaf.places:
                    sources[place] = source

    def _new_identity(self) -> int:
        self.identities += 1
        return self.identities - 1

    def _check(self, memory: Node, group: list[_Leaf], choices: Choices) -> None:
        computed = [leaf for leaf in group if shows_computed_place(leaf.node)]
        if self.certain and (computed or choices.alternatives(memory)):
            raise CaptureError("a result is, or may be, a part of a tensor at a place that a Python number gives")
        if computed and (memory in self.placeholders or len(group) > 1 or memory in choices.named):
            raise CaptureError(
                f"a result is {_PLACE}, of a tensor that others see",
                hint="return a copy (.clone())",
                location=computed[0].node.meta["location"],
            )
        if choices.alternatives(memory) and any(leaf.tensor is not memory for leaf in group):
            raise CaptureError(
                "a result is a view of a tensor that is one or another by what happens at run time",
                hint="return a copy (.clone())",
                location=group[0].node.meta["location"],
            )

    def _choice(
        self, memory: Node, alternatives: list[Node], choices: Choices, bases: dict[Node, OutputSource]
    ) -> OutputSource:
        """What a region's result is, which may be any of `alternatives`."""
        own = bases[memory]
        table = [own] * (len(choices.atoms) + 1)
        unsaid: list[Node] = []
        for atom in alternatives:
            (home, inside), number = choices.home(atom), choices.atoms[atom]
            if shows_computed_place(atom):
                unsaid.append(atom)
            elif home in self.placeholders:
                table[number] = self._of_input(atom, home, inside)
            elif home in choices.named:
                table[number] = self._of_new(atom, home, bases, inside)
            else:  # several results may be this one
                if atom not in self.identity_of:
                    self.identity_of[atom] = self._new_identity()
                table[number] = replace(own, identity=self.identity_of[atom])
        if choices.is_certain(memory):
            if unsaid:
                raise CaptureError(
                    f"a result is {_PLACE}",
                    hint="return a copy (.clone())",
                    location=unsaid[0].meta.get("location", ""),
                )
            return table[choices.atoms[alternatives[0]]]
        code = choices.code(memory)
        if unsaid:
            choices.give_up(code, unsaid, f"a result is {_PLACE}")
        return OutputSource("choice", self.result(code).index, choices=tuple(table))

    def _of_input(self, node: Node, memory: Node, inside: Node | None = None) -> OutputSource:
        """`node` as an input or a view of one; `inside` stands for that input where `node` is."""
        index, base = self.placeholders.index(memory), inside or memory
        return OutputSource("input", index) if tensor_of(node) is base else self._shown(node, base, "view", index)

    def _of_new(
        self, node: Node, memory: Node, bases: dict[Node, OutputSource], inside: Node | None = None
    ) -> OutputSource:
        source, base = bases[memory], inside or memory
        return source if tensor_of(node) is base else self._shown(node, base, "alias", source.index)

    def _shown(self, node: Node, memory: Node, kind: Any, index: int) -> OutputSource:
        """`node` as a view of the whole of `memory`."""
        value, base = node.meta["val"], memory.meta["val"]
        if value.dtype != base.dtype:
            raise CaptureError(
                f"a result is a view of a tensor of {base.dtype} as {value.dtype}",
                hint="return a copy (.clone())",
                location=node.meta["location"],
            )
        offset = value.storage_offset() - base.storage_offset()
        detached = is_detached(node, memory)
        return OutputSource(kind, index, tuple(value.shape), tuple(value.stride()), offset, detached=detached)

    def _base(self, memory: Node) -> OutputSource:
        """The whole of a new memory, as the tensor that made it."""
        if not _is_whole(memory.meta["val"]):
            raise CaptureError(
                "results are views of one tensor that has gaps",
                hint="return copies (.clone())",
                location=memory.meta.get("location", ""),
            )
        return self.result(memory)


def _is_whole(value: torch.Tensor) -> bool:
    """Whether a tensor is all of its memory, without gaps."""
    whole = value.untyped_storage().nbytes() == value.numel() * value.element_size()
    return whole and memory_order(value.shape, value.stride()) is not None


def _is_alone(group: list[_Leaf]) -> bool:
    """Whether a memory shows in one object of the result only, and there each element once."""
    if len(group) != 1:
        return False
    return not repeats_elements(tuple(group[0].value.shape), tuple(group[0].value.stride()))
