"""The stages of one step of a recurrence: what is computed together, in which order, and where it is kept.

A stage is a matmul, a reduction, or a walk over one iteration space that computes several values. A value is kept in
scratch if a matmul or a reduction makes it, if a matmul reads it, or if it is expensive and several stages need it; all
else is computed where it is read. The next value of a carried one is written over the old one where nothing reads that
any more.
"""

from __future__ import annotations

from jic.errors import LoweringError

from ....kernel.cost import TRANSCENDENTAL
from ....kernel.evaluate import VIEWS
from ....kernel.index import Index, Linear, Variable, identity, moved_to_start, offset, start_variable
from ....kernel.recurrence.affine import affine
from ....kernel.recurrence.dependence import MADE_APART, Steps
from .order import Copy, Store, Task, order
from .places import Place, Places, reach, scratch_element


class RecurrencePlan:
    """Attributes:
    places: where everything lies. Buffers are the kernel's arguments, its results, `temps`, and the `scratch` ones.
    uniform: nodes that are scalars and the same for all rows; they are computed at the start of a step.
    scratch: (node, element) of each scratch buffer, in order of buffer numbers.
    cached: kernel arguments that are copied to scratch first.
    temps: carried values that are updated in place in a temporary buffer because the kernel does not return them.
    stages: in order; the tasks of one stage are pointwise over one space, or it is one other task.
    copies: what is left to do at the end of a step.
    """

    def __init__(self, steps: Steps, packed: int, columns: int = 0) -> None:
        """`columns` rows lie side by side in scratch, or with 0 each in one piece; `packed` buffers lie before scratch."""
        self.body, self.region = steps.body, steps.body.region
        self.live, self.uniform, self.stacks = steps.live, steps.uniform, steps.stacks
        self.columns, self.packed = columns, packed
        self.kept = set(steps.kept)
        self.stages: list[list[Task]] = []

    def improve(self) -> set[int]:
        """Place what is kept and find the stages of a step; returns what must be kept besides, for which to do it again."""
        self._place()
        tasks = self._tasks()
        if more := self._unreadable(tasks):
            return more
        self.stages = order(tasks, self.kept, self.places)
        return self._shared()

    def finish(self) -> None:
        """What follows from the stages."""
        self._finish_states()
        self.directions = self._directions()

    # ---- places ----

    def _place(self) -> None:
        body = self.body
        results = len(body.results)
        self.places = Places(body, max(1, self.columns), bool(self.columns))
        self.cached = self._cached()
        for number in range(body.arguments):
            if number not in self.uniform and number not in self.cached:
                self.places.at[number] = Place(number, body.node(number).element, True)
        self.temps: list[int] = []
        for k, argument in enumerate(body.carried):
            if argument in self.stacks:
                if k in body.results:
                    buffer = body.arguments + body.results.index(k)
                else:
                    buffer = body.arguments + results + len(self.temps)
                    self.temps.append(argument)
                self.places.at[argument] = Place(buffer, body.node(argument).element, True)
        self.scratch: list[int] = []
        self.first_scratch = body.arguments + results + len(self.temps) + self.packed
        for argument in body.carried:
            if argument not in self.stacks and argument not in self.uniform:
                self._scratch_place(argument)
        for number in (*sorted(self.cached), *sorted(self.kept)):
            self._scratch_place(number)

    def _cached(self) -> set[int]:
        """Arguments that every step reads whole, where rows lie side by side: from memory each would be a gather."""
        if not self.columns:
            return set()
        sliced: set[int] = set()
        for number in self.live:
            if self.region.nodes[number].op == "dynamic_slice":
                source = self.region.nodes[number].operands[0]
                while self.region.nodes[source].op in VIEWS:
                    source = self.region.nodes[source].operands[0]
                sliced.add(source)
        read = {k for n in self.live for k in self.region.nodes[n].operands}
        return {
            n for n in range(self.body.arguments)
            if n in self.body.dims and n in read and n not in sliced and n not in self.body.inits
        }  # fmt: skip

    def _scratch_place(self, number: int) -> None:
        self.places.at[number] = Place(self._scratch(number), scratch_element(self.body.node(number)), False)

    def _scratch(self, number: int) -> int:
        self.scratch.append(number)
        return self.first_scratch + len(self.scratch) - 1

    # ---- tasks ----

    def _tasks(self) -> list[Task]:
        """Tasks in program order; a value that is wanted in several places is computed by one."""
        body, nodes = self.body, self.region.nodes
        tasks: dict[tuple[int, int], Task] = {}

        def pointwise(node: int, target: int, store: Store, rows: int | None) -> Task:
            task = tasks.setdefault((node, target), Task("pointwise", node, target, rows=rows))
            task.stores.append(store)
            return task

        for number in sorted(self.kept):
            node, place = nodes[number], self.places.at[number]
            if node.op in ("matmul", "reduce"):
                tasks[number, number] = Task(node.op, number, number, rows=body.dims.get(number))
            elif node.op == "concat":
                start = 0
                for part in node.operands:
                    shape, dim = nodes[part].shape, node.attributes["dim"]
                    index = tuple(p + start if d == dim else p for d, p in enumerate(identity(len(shape))))
                    at = self.places.offset(number, place, index)
                    pointwise(part, number, Store(place.buffer, at, place.element), body.dims.get(number))
                    start += shape[dim]
            else:
                index = identity(len(node.shape))
                at = self.places.offset(number, place, index)
                pointwise(number, number, Store(place.buffer, at, place.element), body.dims.get(number))
        for argument, value in zip(body.carried, self.region.outputs, strict=True):
            if argument in self.uniform or value == argument:
                continue
            if argument in self.stacks:
                for update in self.stacks[argument]:
                    part, index = self._peel(nodes[update].operands[1])
                    moved = moved_to_start(self.region, update, index)
                    place = self.places.at[argument]
                    at = offset(nodes[argument].shape, moved)
                    task = pointwise(
                        part, self._target(part), Store(place.buffer, at, place.element), self._rows(part, argument)
                    )
                    task.reach.starts.add(update)
                    task.carried.append(argument)
            else:
                part, index = self._peel(value)
                place = self.places.at[argument]
                at = self.places.local_offset(nodes[argument].shape, body.dims.get(argument), index)
                task = pointwise(
                    part, self._target(part), Store(place.buffer, at, place.element), self._rows(part, argument)
                )
                task.carried.append(argument)
        for task in tasks.values():
            self._walk(task)
        return sorted(tasks.values(), key=lambda t: (t.target, t.node))

    def _rows(self, node: int, like: int) -> int | None:
        """The dim of a task's rows; a constant has the one of what it is stored to."""
        return self.body.dims.get(node, self.body.dims.get(like))

    def _target(self, node: int) -> int:
        """A matmul's or reduction's own task makes it: a task that moves it on makes nothing."""
        return -1 if self.region.nodes[node].op in MADE_APART else node

    def _peel(self, number: int) -> tuple[int, Index]:
        """What a value is but for transposes and dims of size 1, and the value's index in terms of that one's."""
        nodes = self.region.nodes
        chain = []
        while number not in self.kept and nodes[number].op in ("reshape", "transpose"):
            (source,) = nodes[number].operands
            before, after = nodes[source].shape, nodes[number].shape
            if nodes[number].op == "reshape" and [s for s in before if s != 1] != [s for s in after if s != 1]:
                break
            if source not in self.body.dims and self.body.dims:
                break
            chain.append(number)
            number = source
        index = list(identity(len(nodes[number].shape)))
        for view in reversed(chain):
            if nodes[view].op == "transpose":
                index = [index[p] for p in nodes[view].attributes["permutation"]]
            else:
                source = nodes[nodes[view].operands[0]]
                big = iter([p for p, s in zip(index, source.shape, strict=True) if s != 1])
                index = [Linear() if s == 1 else next(big) for s in nodes[view].shape]
        return number, tuple(index)

    def _walk(self, task: Task) -> None:
        nodes = self.region.nodes
        node = nodes[task.node]
        if task.kind == "pointwise":
            # a task of its own computes the node that it keeps
            computed = self.computed([task])
            roots = [(task.node, identity(len(node.shape)))]
        elif task.kind == "reduce":
            computed = frozenset()
            roots = [(node.operands[0], identity(len(nodes[node.operands[0]].shape)))]
        else:
            computed = frozenset()
            rows = self.rows_operand(task.node)
            roots = [(rows, self.rows_index(task.node))]
        starts = task.reach.starts
        task.reach = reach(self.places, roots, self.uniform, computed)
        task.reach.starts |= starts

    def computed(self, tasks: list[Task]) -> frozenset[int]:
        """The nodes that pointwise tasks compute and keep, or copy to scratch."""
        return frozenset(
            t.node for t in tasks if t.target == t.node and (t.node >= self.region.arguments or t.node in self.cached)
        )

    def rows_operand(self, matmul: int) -> int:
        return self.region.nodes[matmul].operands[1 - self.body.weights[matmul]]

    def rows_index(self, matmul: int) -> Index:
        """The index of the rows operand: variable 0 is the row, 1 the contracted dim."""
        node = self.region.nodes[matmul]
        side = 1 - self.body.weights[matmul]
        flipped = node.attributes["transpose_rhs" if side else "transpose_lhs"] != (side == 1)
        row, k = Linear.of(0), Linear.of(1)
        return (k, row) if flipped else (row, k)

    def _unreadable(self, tasks: list[Task]) -> set[int]:
        """Nodes that must be kept because a matmul reads their elements one by one, or a reshape in another order."""
        nodes = self.region.nodes
        found: set[int] = set()
        for task in tasks:
            if task.kind == "matmul":
                number = self.rows_operand(task.node)
                while nodes[number].op in VIEWS and nodes[number].op != "pad" and self.places.find(number) is None:
                    number = nodes[number].operands[0]
                place = self.places.find(number)
                if place is None or place.whole:
                    # also arguments: the micro kernel may read rows past the block's end
                    found.add(self.rows_operand(task.node))
        for number in self.body.in_memory & self.live:
            source = number
            while nodes[source].op in VIEWS and nodes[source].op != "pad" and self.places.find(source) is None:
                source = nodes[source].operands[0]
            if self.places.find(source) is None and nodes[source].op != "constant":
                found.add(number)
        return found - self.kept

    # ---- stages ----

    def _shared(self) -> set[int]:
        """Expensive nodes that several stages would compute."""
        count: dict[int, int] = {}
        for stage in self.stages:
            for number in {n for task in stage for n in task.reach.inner}:
                count[number] = count.get(number, 0) + 1
        rows = self.body.dims
        return {
            n for n, c in count.items()
            if c > 1 and self.region.nodes[n].op in TRANSCENDENTAL and (n in rows or not rows) and n not in self.kept
        }  # fmt: skip

    def _directions(self) -> dict[Variable, int]:
        """For the start of each dynamic slice by how much it grows from one step to the next, where that is known."""
        found: dict[Variable, int] = {}
        if not self.body.weights:
            return found  # no time passes between two steps: the hardware is as early
        for number in {n for stage in self.stages for task in stage for n in task.reach.starts}:
            position = affine(self.body, self.region.nodes[number].operands[-1])
            if position is not None:
                found[start_variable(self.region, number)] = position[0]
        return found

    # ---- carried values ----

    def _finish_states(self) -> None:
        """A next value that would overwrite an old one which is still read goes to scratch of its own first."""
        self.copies: list[Copy] = []
        for s, stage in enumerate(self.stages):
            for task in stage:
                for store in list(task.stores):
                    argument = self._state_of(store.buffer)
                    if argument is None or not self._is_read(argument, s, store):
                        continue
                    if argument in self.stacks:
                        raise LoweringError(
                            "a buffer of a recurrence is read after it is updated",
                            location=self.region.nodes[self.stacks[argument][0]].location,
                        )
                    aside = self._scratch(argument)
                    task.stores[task.stores.index(store)] = Store(aside, store.at, store.element)
                    self.copies.append(Copy(aside, store.buffer, argument))

    def _state_of(self, buffer: int) -> int | None:
        return next((n for n in self.body.carried if n in self.places.at and self.places.at[n].buffer == buffer), None)

    def _is_read(self, argument: int, stage: int, store: Store) -> bool:
        """Whether the old value is read after `stage`, or in it at other points than the one written."""
        for s, later in enumerate(self.stages[stage:]):
            for task in later:
                for read, at in task.reach.read:
                    if read == argument and (s > 0 or at != store.at):
                        return True
        return False


def plan_of(steps: Steps, packed: int, columns: int = 0) -> RecurrencePlan:
    """The plan for which nothing more must be kept."""
    plan = RecurrencePlan(steps, packed, columns)
    while more := plan.improve():
        plan.kept |= more
    plan.finish()
    return plan
