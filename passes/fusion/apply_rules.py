"""The user's fusion rules."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass

from torch_mlir import ir

from jic.errors import PassError
from jic.passes.base import Pass
from jic.passes.rules import FusionRule, OpView, Replacement, Result, registered

from ._graph import Graph, graph_blocks, live_graph
from ._group import SIDE_VIEWS, UNLIMITED, Group, Policy
from ._growth import Grower
from ._ops import INDEXING, KERNEL_KIND, POINTWISE, WINDOW
from ._outline import outline

_log = logging.getLogger("jic.fusion")
_ANCHORS = WINDOW | {"matmul", "concat", "cumulative", "dynamic_update"}


@dataclass(frozen=True)
class ApplyRules(Pass):
    """Apply the fusion rules that `jic.passes.rules.fusion_rule` registered, in order of registration.

    First the replacements, then the fusions, each once over the program. An op goes to the first rule that claims it.
    A request that no kernel can serve is skipped with a warning of the logger `jic.fusion`.

    Options:
        only: names of the rules to apply; all if empty.
        strict: a request that no kernel can serve is an error.
    """

    name = "jic-apply-rules"
    only: tuple[str, ...] = ()
    strict: bool = False

    def apply(self, module: ir.Operation) -> None:
        rules = self._rules()
        if not rules:
            return
        for block in graph_blocks(module):
            if self._replace(rules, Graph(block)):
                live_graph(block)
            graph = live_graph(block)
            grower = Grower(graph)
            for rule, place, result in _requests(rules, graph):
                if not isinstance(result, Replacement):
                    self._fuse(rule, place, list(result or ()), grower)
            outline(graph, grower.groups)

    def _rules(self) -> list[FusionRule]:
        known = {rule.name: rule for rule in registered()}
        for name in self.only:
            if name not in known:
                raise PassError(f"no fusion rule is named '{name}'; registered are: {', '.join(known) or 'none'}")
        return [rule for rule in known.values() if not self.only or rule.name in self.only]

    def _replace(self, rules: list[FusionRule], graph: Graph) -> bool:
        replaced: set[int] = set()
        for rule, place, result in _requests(rules, graph):
            root = graph.nodes[place[-1]._index]
            if not isinstance(result, Replacement) or root.index in replaced:
                continue
            old = root.op.results[0]
            with ir.InsertionPoint(root.op), root.op.location:
                try:
                    new = result.build()
                except Exception as error:
                    raise _failed(rule, place, f"its replacement raised {type(error).__name__}: {error}") from error
            if not isinstance(new, ir.Value) or new.type != old.type:
                got = new.type if isinstance(new, ir.Value) else type(new).__name__
                raise _failed(rule, place, f"its replacement is {got}, expected a value of type {old.type}")
            old.replace_all_uses_with(new)
            graph.values[root.outputs[0]] = new  # later rules build on the new value
            replaced.add(root.index)
        return bool(replaced)

    def _fuse(self, rule: FusionRule, place: tuple[OpView, ...], ops: list[OpView], grower: Grower) -> None:
        if not ops:
            return
        graph = grower.graph
        if any(not isinstance(op, OpView) or op._graph is not graph for op in ops):
            raise _failed(
                rule, place, f"it returned {ops!r}, expected views of ops that it was given or reached from there"
            )
        wanted = frozenset(op._index for op in ops)
        if any(not grower.is_free(i) for i in wanted):
            return self._refuse(rule, place, "another kernel holds one of the ops already")
        for index in sorted(wanted):
            if graph.nodes[index].name not in KERNEL_KIND and graph.nodes[index].name not in ("reshape", "constant"):
                return self._refuse(rule, place, f"jic.{graph.nodes[index].name} cannot be in a kernel")
        group = _group(graph, grower, wanted)
        if isinstance(group, str):
            return self._refuse(rule, place, group)
        left = [i for i in sorted(wanted) if i not in group.roles and i not in group.clones]
        left = [i for i in left if graph.nodes[i].name not in ("reshape", "constant")]
        if left:
            names = ", ".join(f"jic.{graph.nodes[i].name}" for i in left)
            reason = (
                f"{names} cannot join the {group.kind} kernel: no template computes it there, or a cycle would form"
            )
            return self._refuse(rule, place, reason)
        grower.commit(group)

    def _refuse(self, rule: FusionRule, place: tuple[OpView, ...], reason: str) -> None:
        if self.strict:
            raise _failed(rule, place, reason)
        _log.warning("fusion rule '%s' skipped at %s: %s", rule.name, place[-1].location or place[-1], reason)


def _requests(rules: list[FusionRule], graph: Graph) -> Iterator[tuple[FusionRule, tuple[OpView, ...], Result]]:
    """What each rule answers at each place where it matches."""
    for rule in rules:
        for place in rule.matches(graph):
            try:
                result = rule.function(*place)
            except Exception as error:
                raise _failed(rule, place, f"it raised {type(error).__name__}: {error}") from error
            yield rule, place, result


def _group(graph: Graph, grower: Grower, wanted: frozenset[int]) -> Group | str:
    """The largest group among the nodes `wanted`, or why there is none."""
    anchors = [i for i in sorted(wanted) if graph.nodes[i].name in _ANCHORS]
    reductions = [i for i in sorted(wanted) if graph.nodes[i].name == "reduce"]
    if len(anchors) > 1 or (anchors and reductions):
        names = ", ".join(f"jic.{graph.nodes[i].name}" for i in [*anchors, *reductions])
        return f"a kernel holds one of {names}"
    seeds = anchors or reductions or [i for i in sorted(wanted) if graph.nodes[i].name not in ("reshape", "constant")]
    if not seeds:
        return "there is nothing to compute"
    seed = seeds[-1]
    kind = KERNEL_KIND[graph.nodes[seed].name].replace("indexing", "pointwise")
    side, prologue = POINTWISE, POINTWISE
    if kind == "pointwise":
        side = POINTWISE | INDEXING
    elif kind in ("contraction", "window"):
        side = SIDE_VIEWS
        prologue = POINTWISE if kind == "contraction" else frozenset({"pad"})
    policy = Policy(
        max_size=UNLIMITED,
        side=side,
        prologue=prologue,
        producers=kind in ("pointwise", "reduction", "update"),
        consumers=kind != "concat",
        recompute=True,
        within=wanted,
    )
    group = grower.seed(seed, kind)
    grower.grow(group, policy)
    return group


def _failed(rule: FusionRule, place: tuple[OpView, ...], reason: str) -> PassError:
    return PassError(f"fusion rule '{rule.name}': {reason}", location=place[-1].location)
