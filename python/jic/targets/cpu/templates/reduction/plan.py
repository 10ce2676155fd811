"""How a reduction kernel walks its iteration space: axes, stages, and what is kept from one walk to the next."""

from __future__ import annotations

from dataclasses import dataclass

from ....kernel.cost import TRANSCENDENTAL, moved_bytes
from ....kernel.index import Linear, offset
from ....kernel.reduction import read
from ....kernel.region import Region
from ...machine import Machine
from ..tasks import streams, vector_width

# Accumulators side by side, to hide the latency of the operation.
UNROLL = 4


@dataclass
class Pass:
    """A walk over the reduced dims: accumulate `reductions`, or write `outputs` (numbers of the region's outputs)."""

    reductions: list[int]
    outputs: list[int]
    keep: list[int]


class ReductionPlan:
    """What both schedules need: spaces, stages, cached values."""

    def __init__(self, region: Region, machine: Machine) -> None:
        self.region, self.machine = region, machine
        described = read(region)
        self.shape, self.dims = described.shape, described.dims
        self.full, self.reduced = described.space, described.row
        self.index_of = described.index_of
        self.width = vector_width(region, machine)
        self.stages = described.stages
        self.row_outputs = [k for k, n in enumerate(region.outputs) if not described.is_full(n)]
        self.full_outputs = [k for k, n in enumerate(region.outputs) if described.is_full(n)]
        self.indexed = described.accesses.indexed
        self.kept_axes, self.reduced_axes = described.kept_axes, described.reduced_axes
        self.columns, self.row_elements = described.columns, described.length
        stores = [offset(region.nodes[region.outputs[k]].shape, self.full) for k in self.full_outputs]
        moved = moved_bytes(region)
        # While one row is worked on, the next one is fetched: the passes over a row in the cache leave the memory idle.
        self.ahead: list[tuple[int, Linear]] = []
        if moved > machine.l2 and len(self.reduced_axes) == 1 and self.kept_axes and not self.columns:
            row, lane = self.kept_axes[-1].variable, self.reduced_axes[-1].variable
            loads = {(n, p) for n, p in described.operands.loads if p.coefficient(lane) == 1 and p.coefficient(row)}
            self.ahead = [(n, p + p.coefficient(row)) for n, p in sorted(loads, key=str)]
        self.streaming = not self.columns and streams(stores, self.reduced_axes[-1], self.width, moved, machine)
        self.passes = self._passes()
        self.scratch = self._scratch()

    def _passes(self) -> list[Pass]:
        passes = [Pass(stage, [], []) for stage in self.stages]
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
