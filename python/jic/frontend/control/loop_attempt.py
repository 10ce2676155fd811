"""One try to trace a loop: what goes into its body, what comes out, and what the next try must carry."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import torch

from . import containers
from .branches import select
from .context import ops
from .errors import Again, Unsupported
from .flow import NEXT, Flow
from .journal import UNDEFINED, Place
from .lists import Segment, buffer_specs
from .loop_containers import LoopContainers
from .loop_memory import LoopMemory
from .loop_plan import Growth, Plan, Unstable
from .region import storage_of
from .scalar import LIMIT, Scalar, check_limit, constant, is_number, to_bool
from .values import (
    Mismatch,
    Spec,
    check_tensor_leaves,
    conforms,
    filler,
    leaf_specs,
    leaves,
    promotable,
    promoted,
    rebuild,
    same,
    scalars_of,
    spec_of,
    unify,
)

if TYPE_CHECKING:
    from .loops import Loop

_CARRIED = (-LIMIT, LIMIT)


class Attempt(LoopMemory, LoopContainers):
    def __init__(self, loop: Loop, plan: Plan) -> None:
        self.loop, self.plan, self.context = loop, plan, loop.context
        self.region = self.context.open_region(loop.what, plan.known)
        plan.known = self.region.known
        self.mark, self.journal = self.context.mark(), self.context.journal.mark
        self.depth = len(self.context.regions)
        self.learned = False
        self.before: dict[Place, Any] = {}
        self.segments: dict[Place, Segment] = {}
        self.carried_memory: dict[Place, set[int]] = {}
        self.region_outside = self.context.regions[-1] if self.context.regions else None
        self.initial: list[Any] = []
        self.following: list[Any] = []
        self.entered: dict[Place, list[torch.Tensor]] = {}
        self.rotation: dict[int, int] = {}  # carried values that change places: whose first tensor each is in the end
        self.always = False
        self.tested: set[Place] = set()  # places that the test changes
        self.now: dict[Place, Any] = {}  # of ints that grow by a constant
        self.after: dict[Place, Any] = {}
        self.soles: set[int] = set()
        if plan.exits:  # their last step may be cut short
            plan.carried |= {place: Spec("number", int) for place in plan.steps}
            plan.steps.clear()

    def abandon(self) -> None:
        del self.context.regions[self.depth :]
        self.context.journal.undo(self.journal)
        self.context.erase(self.mark)

    def again(self) -> None:
        self.learned = True
        raise Again

    # ---- the whole loop ----

    def run(self) -> Flow:
        return self._counted() if self.loop.trip_count is not None and not self.plan.exits else self._conditional()

    def _counted(self) -> Flow:
        context, count = self.context, self.loop.trip_count
        total = count.tensor if isinstance(count, Scalar) else constant(count)  # type: ignore[arg-type]
        inits = self._inits()
        index, *carried = ops.loop_begin(total, inits)
        begin = context.mark()
        context.regions.append(self.region)
        last = count - 1 if isinstance(count, int) else LIMIT
        number = Scalar(int, index, (0, max(0, last)))
        self._enter(carried, number)
        flow = self.loop.body(number)
        exits = flow.kinds - {"next", "continue"}
        if exits:
            self.plan.exits = frozenset(exits)
            self.again()
        following = self._next(number)
        if self.region.changed:
            self._see_rotation(count, begin)
        self._no_aliases(following)
        results = ops.loop_end([context.swapped(t) for t in following])
        self._note_numbers()
        self._leave(results, count)
        return NEXT

    def _conditional(self) -> Flow:
        """A loop with a condition: a counter and the code of the exit are carried too."""
        context, loop, plan = self.context, self.loop, self.plan
        zero = constant(0)
        values = ops.while_begin([zero, zero.clone(), *self._inits()])
        context.regions.append(self.region)
        number, code, carried = self._header(values, tested=False)
        self._enter(carried, number)
        goes_on: Any = True
        if plan.exits:
            goes_on = Scalar(bool, code.tensor == 0)
        if loop.trip_count is not None:
            goes_on = _both(goes_on, number < loop.trip_count)
        if loop.test is not None:
            test, mark = loop.test, context.journal.mark
            if isinstance(goes_on, Scalar):  # after an exit the condition is not evaluated
                goes_on = select(context, goes_on, lambda: self._tested(test), lambda: False, loop.what)
            else:
                goes_on = self._tested(test)
            self.tested = set(context.changes(mark, self.region))
        if goes_on is False:
            raise Unsupported(f"{loop.what} never runs")
        condition = goes_on.tensor if isinstance(goes_on, Scalar) else constant(goes_on)
        handed = [number.tensor, code.tensor, *self._next(number, at_test=True)]
        self._no_aliases(handed[2:])
        values = ops.while_cond(condition, [context.swapped(t) for t in handed])
        number, code, carried = self._header(values)
        self._enter(carried, number, again=True)
        flow = loop.body(number).without("continue")
        exits = flow.kinds - {"next"}
        if not exits <= plan.exits:
            plan.exits = plan.exits | exits
            self.again()
        new_code = flow.code.tensor if isinstance(flow.code, Scalar) else constant(flow.code)
        following = [(number + 1).tensor, new_code, *self._next(number)]
        self._no_aliases(following[2:])
        results = ops.while_end([context.swapped(t) for t in following])
        number, code, results = self._header(results, tested=False)
        self._note_numbers()
        self._leave(results, number)
        if not plan.exits:
            return NEXT
        return Flow(code, plan.exits if self.always else plan.exits | {"next"})

    def _tested(self, test: Callable[[], Any]) -> Any:
        found = to_bool(test())
        self.always = found is True  # then the loop ends by an exit only
        return found

    def _header(self, values: list[torch.Tensor], tested: bool = True) -> tuple[Scalar, Scalar, list[torch.Tensor]]:
        number, code, *carried = values
        last: Any = self.loop.trip_count
        high = last - tested if isinstance(last, int) else LIMIT // 2
        return Scalar(int, number, (0, max(0, high))), Scalar(int, code, (0, 4)), carried

    # ---- into the body ----

    def _inits(self) -> list[torch.Tensor]:
        """The tensors that the loop starts with: carried values, lists' buffers, tensors written to."""
        plan, context = self.plan, self.context
        found: list[Any] = []
        for place, spec in plan.carried.items():
            value = self.before[place] = place.read()
            for number in scalars_of(value):
                check_limit(number)
            if place in plan.starts:
                value = self.before[place] = promoted(value, plan.starts[place])
            found += leaves(spec, value, filler)
        self.initial = list(found)
        self._find_soles(self.before)
        for place in plan.steps:
            self.before[place] = place.read()
        for place, growth in plan.lists.items():
            before = self.before[place] = place.read()
            found += self._buffers(growth, before)
        found += plan.written
        return [context.swapped(t) for t in found]

    def _buffers(self, growth: Growth, before: list[Any]) -> list[torch.Tensor]:
        count = self.loop.trip_count
        assert isinstance(count, int)
        extra = len(before) if growth.whole else 0
        made = []
        for spec in growth.items:
            for number, (shape, dtype) in enumerate(buffer_specs(spec)):
                rows = torch.zeros((count + extra, *shape), dtype=dtype)
                if extra:
                    first = torch.stack([list(leaves(spec, v))[number] for v in before])  # type: ignore[misc]
                    rows = torch.cat([first, rows[extra:]])
                made.append(rows)
        return made

    def _enter(self, carried: list[torch.Tensor], number: Scalar, again: bool = False) -> None:
        """Give every place its value in a step."""
        context, plan, region = self.context, self.plan, self.region
        for tensor in carried:
            context.enters(tensor)
        values = iter(carried)
        for place, spec in plan.carried.items():
            tensors = [next(values) for _ in leaf_specs(spec)]
            self.carried_memory[place] = {storage_of(t) for t in tensors}
            region.carried |= self.carried_memory[place]
            self.entered[place] = tensors
            undefined = self.before[place] is UNDEFINED and spec.kind != "maybe" and not again
            value = UNDEFINED if undefined else rebuild(spec, iter(tensors), _CARRIED)
            self._judge(place, value, [self.before[place]])
            context.journal.write(place, value)
        for place, step in plan.steps.items():
            self.now[place] = self.before[place] + number * step
            context.journal.write(place, self.now[place])
        for place, growth in plan.lists.items():
            self._enter_list(place, growth, values, number)
        region.replace_nothing()
        for tensor in plan.written:
            region.replace(tensor, next(values))

    def _enter_list(self, place: Place, growth: Growth, values: Any, number: Scalar) -> None:
        buffers = tuple(tuple(next(values) for _ in buffer_specs(spec)) for spec in growth.items)
        before = self.before[place]
        extra = len(before) if growth.whole else 0
        segment = Segment(growth.items, buffers, number + extra, self.context.row, self._handed)
        if not growth.whole:
            segment.on_read = lambda: self._read_list(place, growth)
        self.segments[place] = segment
        self.context.journal.write(place, [segment] if growth.whole else [*before, segment])

    def _read_list(self, place: Place, growth: Growth) -> None:
        if len(growth.items) != 1 or not all(conforms(growth.items[0], v) for v in self.before[place]):
            raise Unsupported(
                f"{self.loop.what} appends to a list and reads it", hint="keep what is read in a variable"
            )
        growth.whole = True
        self.again()

    # ---- out of the body ----

    def _next(self, number: Scalar, at_test: bool = False) -> list[torch.Tensor]:
        """The carried values after the step; learns what else must be carried."""
        context, plan = self.context, self.plan
        for place in plan.carried:
            for value in scalars_of(place.read()):
                check_limit(value)
        changed = {} if at_test else context.changes(self.journal, self.region)
        if not at_test:
            for place in changed:
                if (
                    place not in self.loop.targets
                    and place not in plan.carried
                    and place not in plan.steps
                    and place not in plan.lists
                ):
                    self._learn(place, changed[place], place.read())
        for place, spec in list(plan.carried.items()):
            value = place.read()
            if not conforms(spec, value) and not (value is UNDEFINED and self.before[place] is UNDEFINED):
                self._learn(place, self.before[place], value)
        for place in self.now:
            step, value = plan.steps[place], place.read()
            difference = value - self.now[place] if is_number(value) else None
            if type(difference) is not int or difference != (0 if at_test else step):
                del plan.steps[place]
                plan.not_steps.add(place)
                plan.carried[place] = Spec("number", int)
                self.learned = True
        if not at_test and not self.learned:
            self._see_shared()
        if self.learned:
            raise Again
        found: list[Any] = []
        for place, spec in plan.carried.items():
            value = place.read()
            # What this step does not assign stays as it came in, also where that is not yet a value.
            found += self.entered[place] if value is UNDEFINED else leaves(spec, value, filler)
        self.following = list(found)
        for place, growth in plan.lists.items():
            found += self._next_list(place, growth, number, at_test)
        for tensor in plan.written:
            found.append(self.region.versions[id(tensor)][1])
        return found

    def _learn(self, place: Place, before: Any, after: Any) -> None:
        """`place` had value `before` when the loop began and has `after` after a step."""
        plan, name = self.plan, place.text
        if place.kind in ("dict", "set"):
            raise Unsupported(
                f"{self.loop.what} adds to or removes from a {place.kind}", hint="fill it before the loop"
            )
        if place.kind == "list":
            self._learn_list(place, before, after)
            return
        if same(before, after) and place not in plan.carried:
            return
        if after is UNDEFINED:
            raise Unsupported(f"{self.loop.what} deletes {name}")
        if _is_step(before, after) and place not in plan.not_steps and place not in plan.carried and not plan.exits:
            plan.steps[place] = after - before
            self.learned = True
            return
        guarded = not (isinstance(self.loop.trip_count, int) and self.loop.trip_count > 0 and not plan.exits)
        try:
            known = plan.carried.get(place)
            guarded = guarded and not str(place.key).startswith("<") and place not in self.tested
            spec = unify(before, after, guarded, partial(self.context.predates, self.region))
            if known is not None and spec == known:
                raise Mismatch("its type changes from step to step")
        except Mismatch as error:
            wanted = spec_of(after)
            if not promotable(before, wanted) or plan.starts.get(place) == wanted:
                raise Unstable(
                    f"{name} has another type after a step of {self.loop.what} than before: {error}",
                    hint="give it its final shape, dtype and type before the loop",
                ) from None
            plan.starts[place] = wanted
            spec = _numbers_dynamic(wanted, after)
        check_tensor_leaves(spec)
        plan.carried[place] = spec
        self.learned = True

    def _learn_list(self, place: Place, before: list[Any], after: list[Any]) -> None:
        plan = self.plan
        if len(after) == len(before):
            changed = [i for i, (a, b) in enumerate(zip(before, after, strict=True)) if not same(a, b)]
            if not changed:
                return
            # all items together are one value
            spec = self._unified(place, before, after)
            plan.carried[place] = spec
            self.learned = True
            return
        if len(after) < len(before) or not all(same(a, b) for a, b in zip(before, after, strict=False)):
            raise Unsupported(f"{self.loop.what} changes the length of a list by other than append")
        if not isinstance(self.loop.trip_count, int) or plan.exits:
            raise Unsupported(
                f"{self.loop.what} appends to a list, and its number of steps is only known at run time",
                hint="preallocate a tensor of the greatest length and return the count, or keep the last value only",
            )
        items = after[len(before) :]
        specs = []
        for item in items:
            spec = spec_of(item, partial(self.context.predates, self.region))
            if any(s.kind == "maybe" for s in _all(spec)):
                raise Unsupported("a value that may be undefined is appended to a list")
            specs.append(_numbers_dynamic(spec, item))
        plan.lists[place] = Growth(tuple(specs))
        self.learned = True

    def _unified(self, place: Place, before: Any, after: Any) -> Spec:
        try:
            spec = unify(before, after, was_there=partial(self.context.predates, self.region))
        except Mismatch as error:
            raise Unstable(f"{place.text} has another type after a step of {self.loop.what}: {error}") from None
        return spec

    def _next_list(self, place: Place, growth: Growth, number: Scalar, at_test: bool) -> list[torch.Tensor]:
        segment, contents, before = self.segments[place], place.read(), self.before[place]
        kept = 1 if growth.whole else len(before) + 1
        new = contents[kept:]
        if contents[kept - 1 : kept] != [segment]:
            raise Unsupported(f"{self.loop.what} changes items of a list that it appends to")
        found: list[torch.Tensor] = []
        if at_test:
            return [b for buffers in segment.buffers for b in buffers]
        if len(new) != len(growth.items):
            raise Unsupported(f"{self.loop.what} appends to a list a number of times that differs from step to step")
        row = number + (len(before) if growth.whole else 0)
        alone = containers.soles(self.context, new)
        for spec, item, buffers in zip(growth.items, new, segment.buffers, strict=True):
            if any(id(p) not in alone for p in containers.rebuilt_parts(spec, item)):
                raise Unsupported(f"{self.loop.what} appends a container to which something else refers to a list")
            if not conforms(spec, item):
                raise Unstable(f"what {self.loop.what} appends to a list changes its type from step to step")
            for buffer, leaf in zip(buffers, leaves(spec, item), strict=True):
                assert leaf is not None
                found.append(ops.dynamic_update(buffer, self.context.swapped(leaf).unsqueeze(0), row.tensor, 0))
        return found

    def _note_numbers(self) -> None:
        plan = self.plan
        tensors = any(leaf.kind == "tensor" for spec in plan.carried.values() for leaf in leaf_specs(spec))
        self.loop.only_numbers = not (tensors or plan.lists or plan.written)

    def _leave(self, results: list[torch.Tensor], steps: Any) -> None:
        """After the loop: give every place its final value."""
        context, plan = self.context, self.plan
        context.regions.pop()
        outer = context.changes(self.journal, self.region)
        known = (*plan.carried, *plan.steps, *plan.lists, *self.loop.targets)
        finals = {p: p.read() for p in outer if p not in known}
        context.journal.undo(self.journal)
        for place, value in finals.items():  # other objects that hold the same
            context.journal.write(place, value)
        for tensor in results:
            context.made(tensor)
        self._note_origins(results)
        for i, first in self.rotation.items():
            context.write_back(self.initial[first], results[i])
        values = iter([self.initial[self.rotation[i]] if i in self.rotation else r for i, r in enumerate(results)])
        at_least_once = isinstance(self.loop.trip_count, int) and self.loop.trip_count > 0 and not plan.exits
        for place, spec in plan.carried.items():
            value = rebuild(spec, values, _CARRIED)
            self._judge(place, value, [self.after[place], *([] if at_least_once else [self.before[place]])])
            context.journal.write(place, value)
        for place, step in plan.steps.items():
            context.journal.write(place, self.before[place] + steps * step)
        for place, growth in plan.lists.items():
            buffers = tuple(tuple(next(values) for _ in buffer_specs(spec)) for spec in growth.items)
            before = self.before[place]
            extra = len(before) if growth.whole else 0
            segment = Segment(growth.items, buffers, self.loop.trip_count + extra, context.row, self._handed)  # type: ignore[operator]
            context.journal.write(place, [segment] if growth.whole else [*before, segment])
        for tensor in plan.written:
            context.write_back(tensor, next(values))


def _both(a: Any, b: Any) -> Any:
    if a is True or b is False:
        return b
    if b is True or a is False:
        return a
    return Scalar(bool, a.tensor & b.tensor)


def _is_step(before: Any, after: Any) -> bool:
    return type(before) is int and type(after) is int and before != after


def _numbers_dynamic(spec: Spec, value: Any) -> Spec:
    """`spec` with Python numbers as run-time numbers: the next step may append another one."""
    if spec.kind == "constant" and type(value) in (int, float, bool):
        return Spec("number", type(value))
    if spec.kind == "tuple":
        return Spec("tuple", spec.what, tuple(_numbers_dynamic(s, v) for s, v in zip(spec.items, value, strict=True)))
    return spec


def _all(spec: Spec) -> list[Spec]:
    return [spec, *(s for i in spec.items for s in _all(i))]
