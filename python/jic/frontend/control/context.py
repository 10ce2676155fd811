"""The state of one trace that interprets: the graph so far, open regions, and who owns which memory."""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch.fx import Node
from torch.fx.experimental.proxy_tensor import get_proxy_mode

from ... import budget
from ...errors import BudgetError
from . import markers
from .errors import Again, OverBudget, Unsupported
from .identity import Identities
from .journal import Journal, Place
from .outer import Outer
from .region import Known, Region, storage_of
from .scalar import Scalar, to_bool
from .tracker import Tracker
from .unrolling import Unrolling
from .values import Maybe, Poison, tensors_of

ops = torch.ops.jic
DEFAULT_CALLS = 1 << 15
_CALLS_A_LOOK = 16  # calls between two looks at the clock
_BAIL = "<bail>"


class _Names:
    """Variables that are none of the user's: flags and results of the interpreter's own."""

    def __init__(self) -> None:
        self.variables: dict[str, Any] = {}


class Context:
    """Shared by the interpreter and the recorder during one trace."""

    def __init__(self, location: Callable[[], str], stand_in: Callable[[Any], Any]) -> None:
        self.journal = Journal()
        self.outer = Outer(self.journal, self.is_created)
        self.regions: list[Region] = []
        self.location = location
        self.variables: Callable[[], Iterable[tuple[Place, Any]]] = lambda: ()
        self.names = _Names()
        self.names.variables[_BAIL] = False
        self.messages: list[str] = []
        self.calls = 0  # of torch, so far
        self.unrolling = Unrolling(lambda: self.calls)
        self.max_calls = DEFAULT_CALLS
        self.number_inputs = False  # whether some run-time numbers could be constants instead
        self.stand_in = stand_in
        # The trace's tensor of a captured one.
        self.captured: Callable[[torch.Tensor], torch.Tensor] = lambda tensor: tensor
        self.on_effect = "replay"  # JitConfig.on_effect
        self.advances = 0  # how often an iterator was advanced, which cannot be taken back
        self.switches: dict[int, Any] = {}  # what switches gradients and was given to no `with`
        self.tokens: list[contextvars.Token[Any]] = []  # of context variables that are set
        self._uncertain: dict[int, Any] = {}
        self._serial = 0
        self._fresh: dict[int, tuple[int, Any]] = {}
        self._views: dict[int, tuple[Region, torch.Tensor]] = {}  # by id: the region that a view was made in
        self._parts: dict[int, int] = {}  # memory of a computed slice → of what it is a view of
        self.identities = Identities()
        self._inputs: set[int] = set()
        self.arguments: list[torch.Tensor] = []
        self.bare = False  # whether an argument was asked for an attribute that it does not have
        self._reals: dict[int, torch.Tensor] = {}
        self._homes: dict[int, tuple[Region | None, torch.Tensor]] = {}

    # ---- the graph ----

    @property
    def graph(self) -> Any:
        mode = get_proxy_mode()
        assert mode is not None
        return mode.tracer.graph

    def _tracker(self) -> Tracker:
        """Which node of the graph a tensor is."""
        mode = get_proxy_mode()
        assert mode is not None
        tracker = mode.tracer.tensor_tracker
        if not isinstance(tracker, Tracker):
            tracker = mode.tracer.tensor_tracker = Tracker(tracker)
        return tracker

    def mark(self) -> Node:
        """The last node of the graph so far."""
        return self.graph._root.prev

    def erase(self, mark: Node) -> None:
        """Forget everything traced after `mark`."""
        graph = self.graph
        while graph._root.prev is not mark:
            graph.erase_node(graph._root.prev)
        self._tracker().restore()

    def last_node(self, target: Any) -> Node:
        """The latest node that calls `target`."""
        node = self.mark()
        while node.target is not target:
            node = node.prev
        return node

    def move(self, since: Node, mark: Node) -> None:
        """Move the nodes after `since` to before `mark`."""
        node = since.next
        while node is not self.graph._root:
            following = node.next
            mark.prepend(node)
            node = following

    # ---- conditions that give up the call ----

    def give_up(self, condition: Any, why: str) -> None:
        """Run the call eagerly instead if `condition` (a bool, Scalar, or 0-d bool tensor) holds."""
        condition = to_bool(condition)
        if condition is False:
            return
        where = self.location()
        message = f"{why}" + (f" at {where}" if where else "")
        if message not in self.messages:
            self.messages.append(message)
        flag = self.names.variables[_BAIL]
        if condition is True or flag is True:
            new: Any = True
        else:
            new = condition if flag is False else Scalar(bool, flag.tensor | condition.tensor)
        self.journal.write(Place("var", self.names, _BAIL), new)

    def finish(self) -> None:
        """At the end of the trace: the op that gives up, if any condition was met."""
        flag = self.names.variables[_BAIL]
        if flag is True:
            raise Unsupported("the function raises for every input: " + "; ".join(self.messages))
        if flag is not False:
            ops.bail(flag.tensor, "; ".join(self.messages))

    def defined(self, value: Any, name: str) -> Any:
        """The value of a variable that may be undefined: where it is, the call is given up."""
        if isinstance(value, Poison):
            raise value.error
        if isinstance(value, Maybe):
            if value.defined is not True:
                self.give_up(
                    True if value.defined is False else ~value.defined.tensor,
                    f"{name} may be read before it is assigned",
                )
            return value.value
        return value

    # ---- objects and what changed ----

    def next_serial(self) -> int:
        self._serial += 1
        return self._serial

    def created(self, value: Any) -> Any:
        """Note that interpreted code made the object `value`: what happens to it stays inside the call. Returns it."""
        if id(value) not in self._fresh:
            self._fresh[id(value)] = (self.next_serial(), value)
        return value

    def created_deep(self, value: Any) -> Any:
        """The same for a value that a function that is not interpreted made, and what it holds."""
        pending = [value]
        while pending:
            item = pending.pop()
            if isinstance(item, (list, tuple, dict, set)):
                if id(item) in self._fresh:
                    continue
                pending += item.values() if isinstance(item, dict) else item
            if not isinstance(item, (torch.Tensor, tuple, str, int, float)):
                self.created(item)
        return value

    def uncertain(self, value: Any) -> Any:
        """Note that nobody knows whether the call made the container `value`, or it was there before. Returns it."""
        if isinstance(value, (list, dict, set)) and id(value) not in self._fresh:
            self._uncertain[id(value)] = value
        return value

    def check_effect(self, what: str, *, in_regions: bool = False) -> None:
        """`what` (a sentence) changes what outlives the call: it is repeated after each run.

        Raises:
            Unsupported: the configuration does not want that, or it happens in control flow that is compiled.
        """
        if self.on_effect != "replay":
            raise Unsupported(what, hint=f"JitConfig(on_effect={self.on_effect!r})", effect=True)
        if self.regions and not in_regions:
            raise Unsupported(
                f"{what} in a loop or branch whose course is only known at run time",
                hint="move it out of the loop or branch, or return the new values",
                effect=True,
            )

    def doubt(self, container: Any, why: Unsupported) -> None:
        """Note that `container` stands for one that something else may refer to: it may only be read."""
        self.journal.doubtful[id(container)] = container, why

    def is_doubtful(self, container: Any) -> bool:
        return id(container) in self.journal.doubtful

    def check_identity(self, value: Any) -> None:
        """It matters which object `value` is, here. Raises Unsupported where that is not known."""
        if (found := self.journal.doubtful.get(id(value))) is not None:
            raise found[1]

    def is_its_own(self, container: Any) -> bool:
        """Whether the call made `container`, which it returns. Raises Unsupported where it may be another one."""
        self.check_identity(container)
        return self.is_created(container)

    def is_uncertain(self, value: Any) -> bool:
        return id(value) in self._uncertain

    def is_created(self, value: Any, since: int = 0) -> bool:
        found = self._fresh.get(id(value))
        return found is not None and found[0] > since

    def predates(self, region: Region, container: Any) -> bool:
        """Whether `container` was there before `region`."""
        return not self.is_created(container, region.serial)

    def changes(self, mark: int, region: Region) -> dict[Place, Any]:
        """What the code of `region` changed since `mark` that outlives it: places, and their values before."""
        return {p: v for p, v in self.journal.changes(mark).items() if not self.is_created(p.owner, region.serial)}

    # ---- memory ----

    def swapped(self, tensor: torch.Tensor) -> torch.Tensor:
        """`tensor` as the graph knows it here."""
        return self.stand_in(tensor)

    def write_back(self, tensor: torch.Tensor, value: torch.Tensor) -> None:
        """Give `tensor` the elements of `value`, in place."""
        self.writes(tensor)
        self.swapped(tensor).copy_(value)
        self.last_node(torch.ops.aten.copy_.default).meta[markers.WRITE_BACK] = True

    def made(self, result: Any) -> None:
        """Note where new tensors were made."""
        if isinstance(result, torch.Tensor):
            key, here = storage_of(result), self.regions[-1] if self.regions else None
            if key not in self._homes:
                self._homes[key] = (here, result)
            if here is not None and result is not self._homes[key][1]:
                self._views[id(result)] = (here, result)
        elif isinstance(result, (tuple, list)):
            for item in result:
                self.made(item)

    def enters(self, tensor: torch.Tensor) -> None:
        """`tensor`, a result of the marker that opens the region being traced, belongs to it."""
        self._homes[storage_of(tensor)] = (self.regions[-1], tensor)

    def part(self, result: torch.Tensor, whole: torch.Tensor) -> torch.Tensor:
        """Note that `result`, which was computed, is to the user a view of `whole`. Returns it."""
        self.made(result)
        self._parts[storage_of(result)] = self.memory(whole)
        if self.regions:
            self._views[id(result)] = (self.regions[-1], result)
        return result

    def may_be(self, result: torch.Tensor, sources: Iterable[torch.Tensor], region: Region) -> None:
        """`result` of `region` may be, to the user, one of the tensors `sources` itself."""
        new: list[int] = []
        old: list[int] = []
        for source in sources:
            if self.made_in(source, region):
                new.append(storage_of(source))
            else:
                old.append(self.memory(source))
        self.identities.add(storage_of(result), old, new)

    def origins(self, tensor: torch.Tensor) -> set[int]:
        """The memory of the tensors that `tensor`, which came out of a region, may be."""
        return self.identities.origins(storage_of(tensor))

    def is_copy(self, tensor: torch.Tensor) -> bool:
        """Whether `tensor` is, or may be, another tensor or a part of one in eager: it has memory of its own here."""
        return self.identities.is_copy(storage_of(tensor)) or self.memory(tensor) != storage_of(tensor)

    def made_in(self, tensor: torch.Tensor, region: Region) -> bool:
        """Whether `tensor` is a new one of `region`."""
        home = self._homes.get(storage_of(tensor))
        return home is not None and home[0] is region

    def _check_identity(self, tensor: torch.Tensor) -> None:
        """A write to a tensor that may or may not be another one, which somebody sees, cannot be expressed."""
        others = self.identities.related(self.memory(tensor))
        if not others:
            return
        seen = not others.isdisjoint(self._inputs) or any(other not in self._homes for other in others)
        if seen or any(self.memory(t) in others for _, value in self.variables() for t in tensors_of(value)):
            raise Unsupported(
                "a tensor is written to in place that a loop or branch may have left as another tensor",
                hint="clone() it before the loop or branch, or compute a new value",
            )

    def memory(self, tensor: torch.Tensor) -> int:
        """Which memory `tensor` has to the user."""
        key = storage_of(tensor)
        return self._parts.get(key, key)

    def version(self, tensor: torch.Tensor) -> torch.Tensor:
        """What stands for `tensor` in the region being traced."""
        for region in reversed(self.regions):
            if id(tensor) in region.versions:
                return region.versions[id(tensor)][1]
            if region.memory and storage_of(tensor) in region.memory:
                raise Unsupported(
                    f"a tensor is written to in {region.what} and read there through a view made before it",
                    hint="make the view inside, or clone() it",
                )
        return tensor

    def original(self, tensor: Any) -> Any:
        """The tensor outside that `tensor` stands for, or itself: an in-place op returns the user's own object."""
        for region in reversed(self.regions):
            for outer, inner in region.versions.values():
                if inner is tensor:
                    return outer
        return tensor

    def writes(self, tensor: torch.Tensor) -> None:
        """`tensor` (no stand-in) is about to be written to."""
        tensor = self.captured(tensor)
        self._check_write(tensor)
        if self.identities:
            self._check_identity(tensor)

    def _check_write(self, tensor: torch.Tensor) -> None:
        if not self.regions:
            return
        here = self.regions[-1]
        if id(tensor) in here.versions:
            return
        key = self.memory(tensor)
        home, root = self._homes.get(key, (None, tensor))
        if home is here:
            if key in here.carried:
                here.changed.add(key)  # whoever carries it sees to it that nobody else can see that
            return
        if root is not tensor and self._views.get(id(tensor), (None,))[0] is not here:
            raise Unsupported(
                f"{here.what} writes through a view made before it",
                hint="index the whole tensor inside: out[...] = value",
            )
        self._carry(root, home)

    def _carry(self, tensor: torch.Tensor, home: Region | None) -> None:
        """See to it that all regions inside `home` carry `tensor`, which is written to: the outermost that does not is
        traced again, and those within it know then."""
        outside = next((i + 1 for i, region in enumerate(self.regions) if region is home), 0)
        missing = [region for region in self.regions[outside:] if id(tensor) not in region.versions]
        for region in missing:
            region.known.add(tensor)
        if missing:
            missing[0].written.append(tensor)
            raise Again

    def open_region(self, what: str, known: Known | None = None) -> Region:
        """A region to be traced inside the one that is. `known` is of another try of it."""
        if known is None:
            known = Known()
            if self.regions:
                around = self.regions[-1]
                known = around.known.inner.setdefault(around.inner, known)
                around.inner += 1
            alive = [t for t in known.written if self._is_alive(t)]
            known.written[:] = alive
        return Region(what, self.next_serial(), known)

    def is_used(self, tensor: torch.Tensor) -> bool:
        """Whether something in the graph so far uses `tensor`."""
        return bool(self._tracker()[tensor].proxy.node.users)

    def _is_alive(self, tensor: torch.Tensor) -> bool:
        """Whether the graph still has what made `tensor`."""
        tracker = self._tracker()
        return tensor in tracker and not tracker[tensor].proxy.node._erased

    def given(self, tensors: list[torch.Tensor], reals: list[torch.Tensor]) -> None:
        """Note the inputs of the trace, and what they stand for."""
        self._tracker()
        for tensor, real in zip(tensors, reals, strict=True):
            self.made(tensor)
            self._inputs.add(storage_of(tensor))
            self._reals[id(tensor)] = real

    def real(self, tensor: torch.Tensor) -> torch.Tensor | None:
        """The tensor that `tensor`, an input of the trace, stands for."""
        return self._reals.get(id(tensor))

    def are_bare(self) -> bool:
        """Whether nobody attached attributes to any argument."""
        return not any(vars(argument) for argument in self.arguments)

    def is_own(self, tensor: torch.Tensor, region: Region | None) -> bool:
        """Whether the memory of `tensor` was made by code of `region`, or by the call itself outside all regions (None)."""
        key = storage_of(tensor)
        return key in self._homes and self._homes[key][0] is region and key not in self._inputs

    def count_call(self) -> None:
        """A call of torch is about to be traced.

        Raises:
            OverBudget: there are more than there may be, or it takes too long.
        """
        self.calls += 1
        try:
            if self.calls > self.max_calls:
                raise BudgetError(
                    f"the function makes more than {self.max_calls} calls of torch while it is traced",
                    hint="raise JitConfig.max_trace_ops",
                )
            if self.calls % _CALLS_A_LOOK == 0:
                budget.check("tracing")
        except BudgetError as error:
            loop = self.unrolling.outermost
            why = f", in a loop that is unrolled: {loop.why}" if loop is not None else ""
            location = self.location() if loop is None else loop.location
            raise OverBudget(BudgetError(error.message + why, hint=error.hint, location=location)) from None

    # ---- rows of tensors at run-time indices ----

    def checked_index(self, index: Scalar, size: int) -> Scalar:
        """`index` counted from the start; out of range it gives up the call."""
        low, high = index.interval
        if low < -size or high >= size:
            outside = (index.tensor < -size) | (index.tensor >= size)
            self.give_up(outside, "an index out of range")
        if low >= 0:
            return index
        if high < 0:
            return index + size
        return Scalar(int, torch.where(index.tensor < 0, index.tensor + size, index.tensor), (0, size - 1))

    def row(self, tensor: torch.Tensor, index: Any) -> torch.Tensor:
        """`tensor[index]` for an int or a Scalar."""
        if not isinstance(index, Scalar):
            return tensor[index]
        index = self.checked_index(index, tensor.shape[0])
        return self.part(ops.dynamic_slice(tensor, index.tensor, 0, 1), tensor).squeeze(0)
