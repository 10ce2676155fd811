"""How a reduction kernel walks its iteration space: axes, stages, and what is kept from one walk to the next."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from ....kernel.cost import TRANSCENDENTAL, moved_bytes
from ....kernel.evaluate import accesses
from ....kernel.index import Index, Linear, identity, offset
from ....kernel.region import Region
from ....kernel.space import Axis, merge
from ...machine import Machine
from ..tasks import streams, total, vector_width

# Accumulators side by side, to hide the latency of the operation.
UNROLL = 4


@dataclass
class Pass:
    """A walk over the reduced dims: accumulate `reductions`, or write `outputs` (numbers of the region's outputs)."""

    reductions: list[int]
    outputs: list[int]
    keep: list[int]


class Plan:
    """What both schedules need: spaces, stages, cached values."""

    def __init__(self, region: Region, machine: Machine) -> None:
        self.region, self.machine = region, machine
        reductions = region.find("reduce")
        first = region.nodes[reductions[0]]
        self.shape = region.nodes[first.operands[0]].shape
        self.dims: tuple[int, ...] = first.attributes["dims"]
        self.kept = tuple(d for d in range(len(self.shape)) if d not in self.dims)
        self.full = identity(len(self.shape))
        self.reduced: Index = tuple(Linear.of(d) for d in self.kept)
        self.width = vector_width(region, machine)
        self.levels = self._levels(reductions)
        self.row_outputs = [k for k, n in enumerate(region.outputs) if not self._is_full(n)]
        self.full_outputs = [k for k, n in enumerate(region.outputs) if self._is_full(n)]

        found = accesses(region, [(region.nodes[r].operands[0], self.full) for r in reductions], frozenset(reductions))
        rest = accesses(region, [(n, self.index_of(n)) for n in region.outputs], frozenset(reductions))
        self.indexed = found.indexed or rest.indexed
        positional = found.positional | rest.positional
        if any(region.nodes[r].attributes["kind"].startswith("arg") for r in reductions):
            positional |= set(self.dims)
        offsets = [p for _, p in [*found.loads, *rest.loads]]
        offsets += [offset(region.nodes[n].shape, self.index_of(n)) for n in region.outputs]
        classes = ["reduced" if d in self.dims else "kept" for d in range(len(self.shape))]
        axes = merge(self.shape, offsets, positional, classes)
        self.kept_axes = [a for a in axes if classes[a.variable] == "kept"] if self.shape else []
        self.reduced_axes = [a for a in axes if classes[a.variable] == "reduced"] if self.shape else []
        self.columns = bool(self.kept_axes) and axes[-1] == self.kept_axes[-1] and bool(self.reduced_axes)
        if not self.reduced_axes:  # every reduced dim has size 1
            self.reduced_axes = [Axis(self.dims[-1] if self.dims else 0, 1)]
            self.columns = False
        self.row_elements = total(self.reduced_axes)
        stores = [offset(region.nodes[region.outputs[k]].shape, self.full) for k in self.full_outputs]
        moved = moved_bytes(region)
        # While one row is worked on, the next one is fetched: the passes over a row in the cache leave the memory idle.
        self.ahead: list[tuple[int, Linear]] = []
        if moved > machine.l2 and len(self.reduced_axes) == 1 and self.kept_axes and not self.columns:
            row, lane = self.kept_axes[-1].variable, self.reduced_axes[-1].variable
            loads = {(n, p) for n, p in found.loads if p.coefficient(lane) == 1 and p.coefficient(row)}
            self.ahead = [(n, p + p.coefficient(row)) for n, p in sorted(loads, key=str)]
        self.streaming = not self.columns and streams(stores, self.reduced_axes[-1], self.width, moved, machine)
        self.passes = self._passes()
        self.scratch = self._scratch()

    def _is_full(self, node: int) -> bool:
        shape = self.region.nodes[node].shape
        return shape == self.shape and (
            prod(shape) != prod(self.shape[d] for d in self.kept) or not self._row_value(node)
        )

    def _row_value(self, node: int) -> bool:
        return self.region.nodes[node].op == "reduce"

    def index_of(self, node: int) -> Index:
        """The index of an output: the iteration's, or the kept dims' (perhaps with dims of size 1 put back)."""
        shape = self.region.nodes[node].shape
        if shape == self.shape and self._is_full(node):
            return self.full
        kept = iter([(Linear.of(d), self.shape[d]) for d in self.kept if self.shape[d] != 1])
        return tuple(Linear() if size == 1 else next(kept)[0] for size in shape)

    def _levels(self, reductions: list[int]) -> list[list[int]]:
        level: dict[int, int] = {}
        for i, node in enumerate(self.region.nodes):
            below = max((level[k] for k in node.operands), default=0)
            level[i] = below + 1 if i in reductions else below
        stages: list[list[int]] = [[] for _ in range(max(level[r] for r in reductions))]
        for r in reductions:
            stages[level[r] - 1].append(r)
        return stages

    def _passes(self) -> list[Pass]:
        passes = [Pass(stage, [], []) for stage in self.levels]
        if self.full_outputs:
            passes.append(Pass([], self.full_outputs, []))
        # A value is kept if it is expensive, of the iteration shape, and needed by more than one walk.
        needed = [self._reach(p) for p in passes]
        kept: set[int] = set()
        if self.row_elements * 4 <= self.machine.l2 // 2:
            for node in range(self.region.arguments, len(self.region.nodes)):
                walks = [k for k, reach in enumerate(needed) if node in reach]
                expensive = self.region.nodes[node].op in TRANSCENDENTAL
                if len(walks) > 1 and expensive and self.region.nodes[node].shape == self.shape:
                    if self.region.nodes[node].op in ("rsqrt", "div", "sqrt") and not any(
                        self.region.nodes[n].op in TRANSCENDENTAL - {"rsqrt", "div", "sqrt"} for n in self._below(node)
                    ):
                        continue
                    passes[walks[0]].keep.append(node)
                    kept.add(node)
        self.cached = sorted(kept)
        return passes

    def _below(self, node: int) -> set[int]:
        found: set[int] = set()
        work = [node]
        while work:
            for operand in self.region.nodes[work.pop()].operands:
                if operand not in found:
                    found.add(operand)
                    work.append(operand)
        return found

    def _reach(self, walk: Pass) -> set[int]:
        """The nodes that a walk evaluates at the iteration index (it stops at reductions)."""
        roots = [self.region.nodes[r].operands[0] for r in walk.reductions]
        roots += [self.region.outputs[k] for k in walk.outputs]
        found: set[int] = set()
        work = list(roots)
        while work:
            node = work.pop()
            if node in found or self.region.nodes[node].op == "reduce":
                continue
            found.add(node)
            work.extend(self.region.nodes[node].operands)
        return found

    def _scratch(self) -> int:
        self.cache_at: dict[int, int] = {}
        at = 0
        for node in self.cached:
            self.cache_at[node] = at
            size = 8 if self.region.nodes[node].element == "f64" else 4
            at += (
                -(-(self.row_elements + 2 * self.width) * size * (UNROLL * self.width if self.columns else 1) // 64)
                * 64
            )
        return at
