"""The tasks of a recurrence's step, and the order in which they run."""

from __future__ import annotations

from dataclasses import dataclass, field

from jic.errors import LoweringError

from ....kernel.index import Linear, identity
from ....kernel.recurrence.body import Body
from .places import Places, Reach


@dataclass(frozen=True)
class Store:
    """The value at the point goes to `offset` of buffer `buffer`, as `element`."""

    buffer: int
    at: Linear
    element: str


@dataclass
class Task:
    """Something that a step computes: `node`, over the space of its own shape. `target` is the node that it is (a part of)."""

    kind: str
    node: int
    target: int
    stores: list[Store] = field(default_factory=list)
    reach: Reach = field(default_factory=Reach)
    carried: list[int] = field(default_factory=list)
    rows: int | None = None

    def space(self, body: Body) -> tuple[tuple[int, ...], int | None]:
        return body.node(self.node).shape, self.rows


@dataclass
class Copy:
    """At the end of a step, `elements` a row from one scratch buffer to another."""

    source: int
    target: int
    node: int


def order(tasks: list[Task], kept: set[int], places: Places) -> list[list[Task]]:
    """The stages: lists of pointwise tasks over one space, or one other task.

    Matmuls and reductions come as soon as they can, so that what is left is one walk; `kept` nodes are read where they are kept.
    """
    left, stages = list(tasks), []
    makers: dict[int, set[int]] = {}
    for number, task in enumerate(tasks):
        if task.target in kept:
            makers.setdefault(task.target, set()).add(number)
    number_of = {id(t): i for i, t in enumerate(tasks)}
    needs = {id(t): {m for read, _ in t.reach.read for m in makers.get(read, ())} - {number_of[id(t)]} for t in tasks}
    done: set[int] = set()

    def emit(stage: list[Task]) -> None:
        stages.append(stage)
        for task in stage:
            done.add(number_of[id(task)])
            left.remove(task)

    while left:
        ready = [t for t in left if needs[id(t)] <= done]
        heavy = [t for t in ready if t.kind != "pointwise"]
        if heavy:
            for task in heavy:
                emit([task])
            continue
        if not ready:
            raise LoweringError("the values of a recurrence depend on each other in a circle")
        wanted = {m for t in left for m in needs[id(t)]}
        # first what others wait for; a carried value's next one as late as that, so that it can replace the old one
        first = next((t for t in ready if number_of[id(t)] in wanted), ready[0])
        waiting = {read for t in left if t not in ready for read, _ in t.reach.read}
        group = [first]
        space = first.space(places.body)
        for task in ready:
            postponed = any(c in waiting for c in task.carried) and number_of[id(task)] not in wanted
            if task is not first and task.space(places.body) == space and not postponed:
                group.append(task)
        emit(_grow(group, left, needs, number_of, done, kept, places))
    return stages


def _grow(
    group: list[Task],
    left: list[Task],
    needs: dict[int, set[int]],
    number_of: dict[int, int],
    done: set[int],
    kept: set[int],
    places: Places,
) -> list[Task]:
    """Add tasks of the same space that need a member's value where the point is."""
    space = group[0].space(places.body)
    growing = True
    while growing:
        growing = False
        inside = {number_of[id(t)] for t in group}
        for task in left:
            if task in group or task.kind != "pointwise" or task.space(places.body) != space:
                continue
            missing = needs[id(task)] - done
            if missing and missing <= inside and _at_the_point(task, group, kept, places):
                group.append(task)
                growing = True
    return group


def _at_the_point(task: Task, group: list[Task], kept: set[int], places: Places) -> bool:
    """Whether `task` reads what `group` makes only at the point where it is."""
    for member in group:
        if member.target not in kept or member.target != member.node:
            continue
        reads = {at for read, at in task.reach.read if read == member.target}
        shape = places.body.node(member.node).shape
        own = places.offset(member.node, places.at[member.node], identity(len(shape)))
        if reads - {own}:
            return False
    return not any(m.target != m.node and any(r == m.target for r, _ in task.reach.read) for m in group)
