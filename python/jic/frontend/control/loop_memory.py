"""The memory of what a loop carries: which tensors may be which after it, and which of them a step may write to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch.fx import Node

from .context import Context
from .errors import Unsupported
from .journal import Place
from .loop_plan import Plan
from .region import Region, storage_of
from .rotation import are_apart, rotation_of
from .scalar import Scalar
from .values import tensors_of

if TYPE_CHECKING:
    from .loops import Loop


class LoopMemory:
    """The part of `Attempt` that follows memory."""

    loop: Loop
    plan: Plan
    context: Context
    region: Region
    region_outside: Region | None
    before: dict[Place, Any]
    initial: list[Any]
    following: list[Any]
    entered: dict[Place, list[torch.Tensor]]
    carried_memory: dict[Place, set[int]]
    rotation: dict[int, int]

    def again(self) -> None:
        raise AssertionError("Attempt has it")

    def _see_rotation(self, count: int | Scalar | None, begin: Node) -> None:
        """Find the carried tensors that change places."""
        if not isinstance(count, int):
            return
        entered = [t for tensors in self.entered.values() for t in tensors]
        found = rotation_of(entered, self.following, self.region.changed, count)
        body: list[Node] = []
        node = begin.next
        while node.op != "root":
            body.append(node)
            node = node.next
        first = [self.initial[i] for i in found]
        # An earlier try, in which they were not carried, wrote to them as to tensors from outside.
        stale = {id(t) for t in first if id(t) in self.region.versions}
        if any(self.context.is_used(self.region.versions[key][1]) for key in stale):
            return
        if found and are_apart(self.context, first, body):
            if stale:
                self.plan.written[:] = [t for t in self.plan.written if id(t) not in stale]
                self.again()
            self.rotation = found

    def _note_origins(self, results: list[torch.Tensor]) -> None:
        """Which results may be tensors that were there before: after no step, or if no step assigned them."""
        context, count = self.context, self.loop.trip_count
        surely_runs = isinstance(count, int) and count > 0 and not self.plan.exits
        entered = {storage_of(t) for tensors in self.entered.values() for t in tensors}
        for i, (before, after, result) in enumerate(zip(self.initial, self.following, results, strict=False)):
            if i in self.rotation:
                continue
            if after is None or not isinstance(before, torch.Tensor):
                continue
            step = {storage_of(after), *context.origins(after)}
            if not surely_runs or step & entered:
                sources = [t for t in self.initial if isinstance(t, torch.Tensor)] if step & entered else [before]
                context.may_be(result, sources, self.region)
            if storage_of(after) not in entered:
                context.may_be(result, [after], self.region)

    def _no_aliases(self, tensors: list[torch.Tensor]) -> None:
        """Two carried values must not share memory that the body writes to."""
        written = {storage_of(self.region.versions[id(t)][1]) for t in self.plan.written}
        own = [storage_of(t) for t in tensors]
        others = own[: len(own) - len(self.plan.written)]
        entered = [t for leaves in self.entered.values() for t in leaves]
        rotating = {storage_of(entered[i]) for i in self.rotation}
        if not self.region.changed <= rotating:
            self._only_one_sees([t for t in tensors[: len(others)] if storage_of(t) not in rotating], rotating)
        if any(storage in written for storage in others):
            raise Unsupported(
                f"{self.loop.what} writes to a tensor in place and carries a view of it", hint="clone() the view"
            )

    def _only_one_sees(self, following: list[torch.Tensor], rotating: set[int]) -> None:
        """A variable that is both changed in place and assigned anew: no other value may be that tensor, at any step."""
        context = self.context
        changed = [p for p in self.plan.carried if self.carried_memory[p] & (self.region.changed - rotating)]
        first = [t for p in changed for t in tensors_of(self.before[p])]
        memory = {storage_of(t) for t in first}
        others = [
            t for place, value in context.variables() if place not in self.plan.carried for t in tensors_of(value)
        ] + [t for p in self.plan.carried if p not in changed for t in tensors_of(self.before[p])]
        outside = self.region_outside
        seen = len(memory) < len(first) or any(storage_of(t) in memory for t in others)
        steps = [storage_of(t) for t in following]
        if (
            seen
            or not all(context.is_own(t, outside) for t in first)
            or len(set(steps)) < len(steps)
            or not all(context.is_own(t, self.region) for t in following)
        ):
            raise Unsupported(
                f"a variable that {self.loop.what} carries from step to step is changed in place, and assigned anew",
                hint="use one of both: h = h + x, or h += x on one tensor",
            )
