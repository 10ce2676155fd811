"""How groups grow: which neighbour may join which group, in which role, without a cycle between kernels."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from math import prod

from ._graph import Closure, Graph, Shape, is_static
from ._group import FULL, REDUCED, TREE, UNLIMITED, WRITE, Group, Policy
from ._legality import fits, operand_shape, pads_window, reads_as
from ._ops import CHEAP, ELEMENTWISE, INDEXING, POINTWISE, VIEWS, WINDOW, in_memory

_IN_SPACE = ELEMENTWISE | {"reshape"}
_COUNTED = ELEMENTWISE | INDEXING | WINDOW | {"reduce", "matmul", "concat", "cumulative", "dynamic_update"}
_MAX_COPIES = 4
_MAX_TREES = 256  # they are written out recursively


class Grower:
    """Grows groups in one snapshot. Committed groups keep their nodes, and no cycle through them can form."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.closure = Closure(graph)
        self.group_of: dict[int, Group] = {}
        self.groups: list[Group] = []
        self._index_fed: dict[int, bool] = {}

    def seed(self, index: int, kind: str) -> Group:
        """A group of the one node `index`; its result's shape (a reduction's operand's, an update's
        `update`'s) is the iteration space."""
        node = self.graph.nodes[index]
        shape = self.graph.shape(index)
        assert shape is not None
        if node.name == "reduce":
            full = self.graph.shapes[node.inputs[0]]
            assert full is not None
            group = Group(kind, index, full, shape, self.graph.ints(index, "dims"))
            self._admit(group, index, REDUCED)
        elif node.name == "dynamic_update":
            update = self.graph.shapes[node.inputs[1]]
            assert update is not None
            group = Group(kind, index, update)
            self._admit(group, index, WRITE)
        else:
            group = Group(kind, index, shape)
            self._admit(group, index, FULL)
        return group

    def grow(self, group: Group, policy: Policy) -> None:
        """Let neighbours of `group` join until none may. What could be copied is so last, if it cannot join."""
        pending = deque(self._neighbours(group, [*group.roles]))
        copies: dict[int, None] = {}
        while pending or copies:
            if pending:
                index = pending.popleft()
                joined = self._join(group, index, policy, copies)
            else:
                index = next(iter(copies))
                del copies[index]
                joined = self._join(group, index, policy, None)
            if joined:
                pending.extend(self._neighbours(group, [index]))

    def commit(self, group: Group) -> None:
        """Finish `group`: its nodes are taken."""
        for index in group.roles:
            self.group_of[index] = group
        self.closure.contract(group.members, group.above, group.below)
        self.groups.append(group)

    def merge(self, first: Group, second: Group) -> bool:
        """Move the committed group `second` into `first`, unless a cycle would form. Their spaces must be equal."""
        i, j = first.seed, second.seed
        members = first.members | second.members
        above = self.closure.above[i] | self.closure.above[j]
        below = self.closure.below[i] | self.closure.below[j]
        if above & below & ~members or self._hands_over(first, second) or self._hands_over(second, first):
            return False
        for index in second.roles:
            self.group_of[index] = first
        first.roles |= second.roles
        # A copy that is a member of the other group is read there.
        first.clones = {c for c in first.clones | second.clones if c not in first.roles}
        first.repeated |= second.repeated
        first.members, first.above, first.below = members, above & ~members, below & ~members
        first.written |= second.written
        first.size += second.size
        self.closure.contract(members, above, below)
        self.groups.remove(second)
        return True

    def _hands_over(self, first: Group, second: Group) -> bool:
        """Something in `second` needs a value of `first` in memory, or writes or reads what the other reads or writes."""
        for index in (*second.roles, *second.clones):
            node = self.graph.nodes[index]
            for position, value in enumerate(node.inputs):
                if in_memory(node.name, position) and self.graph.producer[value] in first.roles:
                    return True
                if self.graph.base(value) in first.written:
                    return True
        return False

    def is_free(self, index: int) -> bool:
        return index not in self.group_of

    def worthwhile(self, group: Group) -> bool:
        """More than one op that does something."""
        joined = [*group.roles, *group.clones]
        return sum(self.graph.nodes[i].name not in ("reshape", "constant") for i in joined) > 1

    def _neighbours(self, group: Group, indices: Iterable[int]) -> list[int]:
        """What the nodes `indices` of `group` read, and what reads those that are not copies."""
        found: list[int] = []
        for i in indices:
            found += [p for p in self.graph.producers(i) if p >= 0]
            if i in group.roles:
                found += self.graph.node_users(i)
        return found

    # Who may join.

    def _join(self, group: Group, index: int, policy: Policy, copies: dict[int, None] | None) -> bool:
        """Let node `index` join if it may. With `copies`, what might be copied is noted there instead."""
        name = self.graph.nodes[index].name
        if index in group.roles or index in group.clones or index in self.group_of:
            return False
        if name == "dynamic_update":
            return self._join_write(group, index, policy)
        if name not in POINTWISE and name not in INDEXING and name != "reduce":
            return False
        if group.written and any(self.graph.base(v) in group.written for v in self.graph.nodes[index].inputs):
            return False
        if name == "constant" and not self.graph.is_splat(index):
            return False  # a dense constant is a buffer of its own
        if policy.within is not None and index not in policy.within and name != "constant":
            return False
        if name in _COUNTED and group.size >= policy.max_size:
            return False
        role = self._space_role(group, index)
        if any(p in group.roles for p in self.graph.producers(index)):
            return role is not None and policy.consumers and self._join_space(group, index, role)
        if not any(u in group.roles or u in group.clones for u in self.graph.node_users(index)):
            return False
        if name == "reduce" or (group.kind == "reduction" and self._fed_by_index(index)):
            return False
        exclusive = all(u in group.roles for u in self.graph.node_users(index))
        copyable = not exclusive and self._copyable(index)
        if role is not None and policy.producers and self._may_be_in_space(group, index, name):
            if not copyable:
                return self._join_space(group, index, role)
            if copies is not None:
                copies[index] = None
                return False
            if self._other_reader_may_join(group, index) and self._join_space(group, index, role):
                return True
        if name != "constant" and copyable and copies is not None:
            copies[index] = None
            return False
        return self._join_tree(group, index, policy, exclusive, copyable)

    def _may_be_in_space(self, group: Group, index: int, name: str) -> bool:
        return name in _IN_SPACE or (
            name in INDEXING and group.kind == "pointwise" and self.graph.shape(index) == group.full
        )

    def _join_space(self, group: Group, index: int, role: str) -> bool:
        graph = self.graph
        for p in graph.producers(index):
            # A repeated operand that has no linear index in this space would have to be written out: not worth it.
            free = p >= 0 and p not in group.roles and p not in self.group_of
            if free and graph.nodes[p].name == "broadcast" and not fits(graph, p, group.space(role)):
                return False
        if not self._acyclic(group, index):
            return False
        self._admit(group, index, role)
        return True

    def _join_write(self, group: Group, index: int, policy: Policy) -> bool:
        """Let the update `index` join a group of updates that computes what it stores, or what else it could read of it."""
        graph, node = self.graph, self.graph.nodes[index]
        target, update, start = node.inputs
        within = policy.within is None or index in policy.within
        if group.kind != "update" or not within or group.size >= policy.max_size:
            return False
        if graph.shapes[update] != group.full or group.roles.get(graph.producer[update]) != FULL:
            return False
        if graph.producer[target] in group.roles or graph.producer[start] in group.roles:
            return False
        read = {graph.base(v) for i in (*group.roles, *group.clones) for v in graph.nodes[i].inputs}
        if graph.base(target) in read | {graph.base(update), graph.base(start)} | group.written:
            return False
        if not self._acyclic(group, index):
            return False
        self._admit(group, index, WRITE)
        return True

    def _join_tree(self, group: Group, index: int, policy: Policy, exclusive: bool, copyable: bool) -> bool:
        graph, name = self.graph, self.graph.nodes[index].name
        readers = [u for u in graph.node_users(index) if u in group.roles or u in group.clones]
        in_prologue = [u in group.prologue or self._is_leaf(group, u) for u in readers]
        if any(in_prologue) and name not in policy.prologue or not all(in_prologue) and name not in policy.side:
            return False
        if group.kind == "window" and name == "pad" and not pads_window(graph, index, group.seed):
            return False
        if name != "constant" and len(group.targets) - group.constants >= _MAX_TREES:
            return False
        targets = self._targets(group, index, readers)
        if targets is None or not all(fits(graph, index, t) for t in targets):
            return False
        repeated = any(u in group.repeated or self._repeats(u, index) for u in readers)
        if repeated and not policy.recompute and name in (ELEMENTWISE | INDEXING) - CHEAP:
            return False
        counted = name in ELEMENTWISE and any(in_prologue)
        if counted and policy.prologue_size < UNLIMITED:
            # Repeated for every block of the product: only what cannot join the kernel that makes its operand.
            left = policy.prologue_size - group.prologue_size
            if not exclusive or not self._starts_in_memory(index, left):
                return False
        if exclusive and self._acyclic(group, index):
            self._admit(group, index, TREE)
        elif copyable:
            group.clones.add(index)
            group.size += name in _COUNTED
        else:
            return False
        group.targets[index] = targets
        group.constants += name == "constant"
        group.prologue_size += counted
        if any(in_prologue):
            group.prologue.add(index)
        if repeated:
            group.repeated.add(index)
        return True

    def _admit(self, group: Group, index: int, role: str) -> None:
        group.roles[index] = role
        group.members |= 1 << index
        group.above |= self.closure.above[index]
        group.below |= self.closure.below[index]
        group.size += self.graph.nodes[index].name in _COUNTED
        if role == WRITE:
            group.written.add(self.graph.base(self.graph.nodes[index].inputs[0]))

    def _acyclic(self, group: Group, index: int) -> bool:
        """No path leads from the group with node `index` out and back in."""
        above, below = group.above | self.closure.above[index], group.below | self.closure.below[index]
        return not above & below & ~(group.members | 1 << index)

    # Roles.

    def _space_role(self, group: Group, index: int) -> str | None:
        """The space that all members that node `index` touches agree it belongs to."""
        roles: set[str | None] = set()
        for value, p in zip(self.graph.nodes[index].inputs, self.graph.producers(index), strict=True):
            if p in group.roles:
                roles.add(self._role_after(group, index, value, group.roles[p]))
        for user in self.graph.node_users(index):
            if user in group.roles:
                roles.add(self._role_before(group, index, user))
            elif user in group.clones:
                roles.add(None)
        return roles.pop() if len(roles) == 1 else None

    def _role_after(self, group: Group, index: int, value: int, role: str) -> str | None:
        graph, name = self.graph, self.graph.nodes[index].name
        shape = graph.shape(index)
        if role in (TREE, WRITE):
            return None
        if name in _IN_SPACE:
            same = shape == group.space(role)
            return role if same or (is_static(shape) and is_static(group.space(role))) else None
        if name == "broadcast" and role == REDUCED and shape == group.full:
            source, dims = graph.shapes[value], graph.ints(index, "dims")
            assert source is not None and group.reduced is not None
            if is_static(group.full) and reads_as(source, dims, group.full, group.reduced, group.kept):
                return FULL
        if name == "reduce" and role == FULL and group.kind == "reduction" and graph.shapes[value] == group.full:
            return REDUCED if graph.ints(index, "dims") == group.dims else None
        return None

    def _role_before(self, group: Group, index: int, user: int) -> str | None:
        role, name = group.roles[user], self.graph.nodes[user].name
        if role == TREE or self._is_leaf(group, user):
            return None
        if role == WRITE:
            target, _, start = self.graph.producers(user)
            if index in (target, start):
                return None
            role = FULL
        if name == "reduce":
            return FULL if self.graph.shape(index) == group.full else None
        same = self.graph.shape(index) == group.space(role)
        return role if same or (is_static(self.graph.shape(index)) and is_static(group.space(role))) else None

    def _is_leaf(self, group: Group, index: int) -> bool:
        """A member that reads its operands in their own shapes: a matmul, a window, a view or a look-up."""
        name = self.graph.nodes[index].name
        return group.roles.get(index) == FULL and name not in _IN_SPACE

    def _targets(self, group: Group, index: int, readers: list[int]) -> set[Shape] | None:
        """The shapes in which the group's nodes read node `index`; None if one must read it from memory."""
        graph = self.graph
        found: set[Shape] = set()
        for user in readers:
            node = graph.nodes[user]
            leaf = self._is_leaf(group, user)
            for position, value in enumerate(node.inputs):
                if graph.producer[value] != index:
                    continue
                own = graph.shapes[value]
                if own is None or in_memory(node.name, position):
                    return None
                if user in group.targets:
                    found |= {operand_shape(graph, user, t, position) for t in group.targets[user]}
                elif leaf:
                    found.add(own)
                else:
                    found.add(group.full if node.name == "reduce" else group.space(group.roles[user]))
        return found

    # Costs.

    def _repeats(self, user: int, index: int) -> bool:
        """True if node `user` reads elements of node `index` more than once."""
        graph = self.graph
        if graph.nodes[user].name not in ("broadcast", "index_select"):
            return False
        result, source = graph.shape(user), graph.shape(index)
        return not (is_static(result) and is_static(source)) or prod(result) > prod(source)  # type: ignore[arg-type]

    def _copyable(self, index: int) -> bool:
        """Cheaper to compute in each kernel that reads it than to write out once and read back."""
        graph, node = self.graph, self.graph.nodes[index]
        if node.name == "constant":
            return graph.is_splat(index)
        if node.name in ("iota", "broadcast"):
            return True
        users = graph.node_users(index)
        readers = self._readers(index)
        source = graph.producer[graph.base(node.outputs[0])]
        if source >= 0 and graph.nodes[source].name == "dynamic_slice":
            readers = readers - {"matmul"}  # it packs its operands anyway
        if len(users) > _MAX_COPIES or not readers <= POINTWISE | {"reduce", "dynamic_update"}:
            return False  # somebody needs it in memory anyway
        if node.name in VIEWS:
            return True
        if node.name == "reshape":
            above = graph.producers(index)[0]
            return above >= 0 and graph.nodes[above].name in VIEWS and self._copyable(above)
        if node.name not in CHEAP:
            return False
        small = ("constant", "broadcast", "iota")
        return sum(p < 0 or graph.nodes[p].name not in small for p in set(graph.producers(index))) <= 1

    def _readers(self, index: int) -> set[str]:
        """The names of the ops that read node `index`, directly or through reshapes; `memory` for what needs it there."""
        found: set[str] = set()
        for user in self.graph.node_users(index):
            name = self.graph.nodes[user].name
            if any(p == index and in_memory(name, i) for i, p in enumerate(self.graph.producers(user))):
                name = "memory"
            found |= self._readers(user) if name == "reshape" else {name}
        return found

    def _starts_in_memory(self, index: int, left: int) -> bool:
        """The at most `left` elementwise ops up from node `index` begin at values that are in memory anyway."""
        name = self.graph.nodes[index].name
        left -= name in ELEMENTWISE
        if left < 0 or name in VIEWS - {"broadcast"} or name == "reduce":
            return False
        if name not in POINTWISE or index in self.group_of:
            return True
        return all(p < 0 or self._starts_in_memory(p, left) for p in self.graph.producers(index))

    def _other_reader_may_join(self, group: Group, index: int) -> bool:
        """Another reader of node `index` could be computed in the same space."""
        return any(
            u not in group.roles and self.is_free(u) and self.graph.nodes[u].name in _IN_SPACE
            for u in self.graph.node_users(index)
        )

    def _fed_by_index(self, index: int) -> bool:
        """Node `index` follows a look-up, which no reduction holds; better in the look-up's kernel."""
        if index not in self._index_fed:
            name = self.graph.nodes[index].name
            stack, seen, found = [index], {index}, name in INDEXING
            while stack and not found:
                for p in self.graph.producers(stack.pop()):
                    if p < 0 or p in seen or p in self.group_of:
                        continue
                    producer = self.graph.nodes[p].name
                    found = found or producer in INDEXING
                    if producer in POINTWISE:
                        seen.add(p)
                        stack.append(p)
            self._index_fed[index] = found
        return self._index_fed[index]
