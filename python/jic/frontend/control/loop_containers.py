"""The lists, dicts and objects that a loop carries: which of them are as good as eager's (see containers.py)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import containers
from .context import Context
from .journal import Place
from .loop_plan import Plan
from .region import Region
from .values import Spec

if TYPE_CHECKING:
    from .loops import Loop


class LoopContainers:
    """The part of `Attempt` that follows containers.

    Attributes:
        soles: ids of those that nothing but a carried value refers to, before the loop or after a step.
        after: the values of carried places after a step.
    """

    loop: Loop
    plan: Plan
    context: Context
    region: Region
    learned: bool
    soles: set[int]
    after: dict[Place, Any]

    def _find_soles(self, values: dict[Place, Any]) -> None:
        self.soles |= containers.soles(
            self.context, (v for p, value in values.items() for v in containers.held(p.kind, value))
        )

    def _judge(self, place: Place, made: Any, alternatives: list[Any]) -> None:
        """Note whether the containers in the value `made` of a carried place are as good as eager's."""
        spec, what = self.plan.carried[place], self.loop.what
        for inner, item, *others in zip(
            spec.items if place.kind in ("list", "dict") else (spec,),
            containers.held(place.kind, made),
            *(containers.held(place.kind, a) for a in alternatives),
            strict=False,
        ):
            if place in self.plan.shared:
                containers.doubt_all(self.context, inner, item, what)
            else:
                containers.judge(self.context, inner, item, others, self.soles, what)

    def _handed(self, spec: Spec, item: Any) -> Any:
        """An item of a list that a loop appends to, as code that reads it gets it: made anew each time."""
        return containers.doubt_all(self.context, spec, item, self.loop.what)

    def _see_shared(self) -> None:
        """After a step: learn which carried values hold containers to which something else refers."""
        plan = self.plan
        self.after = {place: place.read() for place in plan.carried}
        self._find_soles(self.after)
        for place, spec in plan.carried.items():
            parts = spec.items if place.kind in ("list", "dict") else (spec,)
            made = zip(parts, containers.held(place.kind, self.after[place]), strict=False)
            rebuilt = [p for inner, value in made for p in containers.rebuilt_parts(inner, value)]
            if place not in plan.shared and any(id(p) not in self.soles for p in rebuilt):
                plan.shared.add(place)
                self.learned = True
