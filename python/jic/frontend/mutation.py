"""From in-place ops to functional ones.

An in-place op becomes its functional form. A write through a view becomes a scatter into the view's base, and views of a
tensor that was written are read again from its new value; where some alias is no such view, and lives on, PyTorch's
functionalisation has to help, which takes composites apart. A written input's new value becomes one more result of the
graph, which the caller copies back.

    %v = select(%x, 0, 1)                      %v = select(%x, 0, 1)
    %w = add_(%v, 1)                           %w = add(%v, 1)
    %y = mul(%x, 2)                       ->   %x1 = select_scatter(%x, %w, 0, 1)
                                               %y = mul(%x1, 2)

A region (see control/markers.py) writes only to tensors of its own: a loop would not see another's new value.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch.fx import Graph, GraphModule, Node
from torch.fx import traceback as fx_traceback
from torch.fx.experimental.proxy_tensor import make_fx

from ..errors import CaptureError
from .control import markers, regions
from .layouts import reads_what_it_writes, repeats_elements
from .provenance import RETURN_SELF, memory_of, tensor_of
from .statistics import show_running_statistics, updates_statistics
from .views import LISTS, View, view_of

aten = torch.ops.aten


class _NoSuchResult(CaptureError):
    """The target of an in-place op cannot hold the result: the op raises."""


@dataclass
class Mutation:
    """Input number `input` ends up with the value of graph result `result`."""

    input: int
    result: int


def remove_mutations(graph: GraphModule) -> tuple[GraphModule, list[Mutation]]:
    """`graph` without in-place ops (it may be changed) and the inputs it writes to.

    Raises:
        CaptureError: for a write that cannot be expressed.
    """
    if not any(_writes(node) or updates_statistics(node) for node in graph.graph.nodes):
        return graph, []
    _check_overlaps(graph)
    try:
        rewritten = _copy(graph)
        return rewritten, _rewrite(rewritten)
    except _NoSuchResult:
        raise
    except CaptureError as error:
        if regions.has_own(graph) or _writes_where_elements_repeat(graph):
            raise  # torch knows nothing of our aliases, and adds up the changes to the copies of one element
        try:
            functional = _functionalised(graph)
        except Exception:
            raise error from None
        mutations = _rewrite(functional)
        if not _written_inputs(graph) <= {m.input for m in mutations}:
            raise  # torch has lost a write
        return functional, mutations


def _written_inputs(graph: GraphModule) -> set[int]:
    """The inputs that the graph writes to, through views too."""
    numbers = {n: i for i, n in enumerate(n for n in graph.graph.nodes if n.op == "placeholder")}
    written = [memory_of(n) for n in graph.graph.nodes if n.op == "call_function" and _writes(n)]
    return {numbers[m] for m in written if m in numbers}


def _rewrite(graph: GraphModule) -> list[Mutation]:
    for node in list(graph.graph.nodes):
        if updates_statistics(node):
            show_running_statistics(node)
    return _Rewriter(graph).run()


def _check_overlaps(graph: GraphModule) -> None:
    """Refuse writes to elements that are also read, or written twice: eager raises, or gives what its order gives."""
    for node in graph.graph.nodes:
        if node.op != "call_function" or not _writes(node):
            continue
        target = node.args[0] if node.args and isinstance(node.args[0], Node) else node.kwargs.get("out")
        value = target.meta.get("val") if isinstance(target, Node) else None
        if not isinstance(value, torch.Tensor):
            continue
        if repeats_elements(value.shape, value.stride()):
            raise CaptureError(f"{node.target} writes to a view that shows elements more than once", **_at(node))
        for other in node.all_input_nodes:
            read = other.meta.get("val")
            if other is not target and isinstance(read, torch.Tensor) and reads_what_it_writes(value, read):
                raise CaptureError(f"{node.target} reads a view that overlaps what it writes to", **_at(node))


def _copy(graph_module: GraphModule) -> GraphModule:
    graph = Graph()
    copies: dict[Node, Node] = {}
    graph.output(graph.graph_copy(graph_module.graph, copies))
    for node, copy in copies.items():
        copy.meta = dict(node.meta)
    return GraphModule(graph_module, graph)


def _functionalised(graph: GraphModule) -> GraphModule:
    """`graph` traced again through functionalisation, which follows writes through views but takes composites apart.

    It leaves one `copy_` for each input that was written to.
    """
    for node in list(graph.graph.nodes):
        # To torch what such an op returns is another tensor at times, and writes to it are lost.
        if node.target in RETURN_SELF and (operand := tensor_of(node)) is not node:
            node.replace_all_uses_with(operand)
            graph.graph.erase_node(node)
    placeholders = [n for n in graph.graph.nodes if n.op == "placeholder"]
    storages = [s for n in placeholders for s in _storages(n)]
    if len(set(storages)) < len(storages):
        raise CaptureError("inputs that share memory are written to")
    run = torch.func.functionalize(torch.fx.Interpreter(graph).run)
    with torch.no_grad(), fx_traceback.preserve_node_meta():
        tracer = make_fx(run, tracing_mode="fake", _allow_non_fake_inputs=True)
        new = tracer(*[n.meta["val"] for n in placeholders])
    for node in new.graph.nodes:
        node.meta["location"] = node.meta.get("stack_trace", "")
    copies = [n for n in new.graph.nodes if n.op == "placeholder"]
    for node, copy in zip(placeholders, copies, strict=True):
        copy.meta = {**node.meta, "val": copy.meta["val"]}
    return new


def _writes_where_elements_repeat(graph: GraphModule) -> bool:
    """True if something is written of which there is a view that shows elements more than once."""
    nodes = list(graph.graph.nodes)
    written = {s for n in nodes if n.op == "call_function" and _writes(n) for s in _storages(n)}
    return any(
        isinstance(value := node.meta.get("val"), torch.Tensor)
        and value.untyped_storage()._cdata in written
        and repeats_elements(value.shape, value.stride())
        for node in nodes
    )


def _writes(node: Node) -> bool:
    target = node.target
    return isinstance(target, torch._ops.OpOverload) and target._schema.is_mutable


@dataclass
class _Rewriter:
    """Walks the nodes in order and keeps the value that each tensor has at that place.

    A tensor's identity is the node that made it: the result of an in-place op is its target.

    Attributes:
        current: the value of each written tensor that is no view.
        versions: how often it was written.
        views: the tensors that are views of others.
        readings: for each view its latest value, the version of its root that this shows, and the region it is in.
        region: where each node is.
        listed: what an `unbind` or the like takes apart, and the version of it that its items show.
    """

    graph: GraphModule
    current: dict[Node, Node] = field(default_factory=dict)
    identity: dict[Node, Node] = field(default_factory=dict)
    versions: dict[Node, int] = field(default_factory=dict)
    views: dict[Node, View] = field(default_factory=dict)
    readings: dict[Node, tuple[Node, int, int]] = field(default_factory=dict)
    region: dict[Node, int] = field(default_factory=dict)
    listed: dict[Node, tuple[Node, int]] = field(default_factory=dict)

    def run(self) -> list[Mutation]:
        nodes = list(self.graph.graph.nodes)
        self.order = {node: i for i, node in enumerate(nodes)}
        # Who reads a node, by position: the rewriting below changes `users`.
        self.last_use = {node: max((self.order[u] for u in node.users), default=-1) for node in nodes}
        self.find_aliases(nodes)
        self.open, self.regions = [0], 1  # the numbers of the regions around the node at hand
        for node in nodes:
            self.at = node
            writes = node.op == "call_function" and _writes(node)
            if writes:
                self.check(node)
            elif (view := view_of(node)) is not None:
                self.see(node, view)
            elif node.target in LISTS:
                base: Node = node.args[0]  # type: ignore[assignment]
                self.listed[node] = base, self.version(base)
            node.args = torch.fx.map_arg(node.args, self.value_now)
            node.kwargs = torch.fx.map_arg(node.kwargs, self.value_now)
            self.enter_or_leave(node)
            if writes:
                self.replace(node)
        return self.copy_back()

    def find_aliases(self, nodes: list[Node]) -> None:
        """Sort the nodes by the memory they share. A dynamic slice has memory of its own only on fake tensors."""
        self.memory: dict[int, int] = {}
        self.aliases: dict[int, list[Node]] = {}
        for node in nodes:
            if node.target is markers.ops.dynamic_slice.default:
                (own,), (base, *_) = _storages(node), _storages(node.args[0])  # type: ignore[arg-type]
                self.memory[own] = self.memory.get(base, base)
            for storage in self.storages(node):
                self.aliases.setdefault(storage, []).append(node)

    def storages(self, node: Node) -> list[int]:
        return [self.memory.get(s, s) for s in _storages(node)]

    def enter_or_leave(self, node: Node) -> None:
        if node.target in markers.CLOSING or node.target in markers.PARTING:
            self.open.pop()
        if node.target in markers.OPENING or node.target in markers.PARTING:
            self.open.append(self.regions)
            self.regions += 1
        self.region[node] = self.open[-1]

    def same_tensor(self, node: Node) -> Node:
        return self.identity.get(node, node)

    def root(self, node: Node) -> Node:
        node = self.same_tensor(node)
        while node in self.views:
            node = self.same_tensor(self.views[node].base)
        return node

    def version(self, node: Node) -> int:
        return self.versions.get(self.root(node), 0)

    def see(self, node: Node, view: View) -> None:
        """Note the view `node`. Its indices keep the values they have now."""
        read, scatter = (c and (c[0], torch.fx.map_arg(c[1], self.value_now)) for c in (view.read, view.scatter))
        base, version = view.base, self.version(view.base)
        if node.target is operator.getitem:  # it shows what the list's op saw
            base, version = self.listed[node.args[0]]  # type: ignore[index]
        self.views[node] = replace(view, base=base, read=read, scatter=scatter)
        self.readings[node] = node, version, self.open[-1]

    def value_now(self, node: Node) -> Node:
        tensor = self.same_tensor(node)
        if tensor not in self.views:
            return self.current.get(tensor, node)
        value, seen, region = self.readings[tensor]
        version = self.version(tensor)
        if seen == version and region in self.open:
            return value
        view = self.views[tensor]
        value = self.value_now(view.base)
        if view.read is not None:
            op, arguments = view.read
            value = self.call(op, (value, *arguments), tensor)
        self.readings[tensor] = value, version, self.open[-1]
        return value

    def call(self, op: torch._ops.OpOverload, arguments: tuple[Any, ...], like: Node) -> Node:
        """A new node before the one at hand, whose value is like that of `like`."""
        with self.graph.graph.inserting_before(self.at):
            new = self.graph.graph.call_function(op, arguments)
        new.meta = _meta(self.at, like.meta["val"])
        return new

    def check(self, node: Node) -> None:
        """Refuse a write that cannot be followed, or that another live alias sees."""
        written = [i for i, a in enumerate(node.target._schema.arguments) if a.alias_info and a.alias_info.is_write]  # type: ignore
        if written != [0] or not isinstance(node.args[0], Node):
            raise CaptureError(f"{node.target} writes to more than its first argument", **_at(node))
        target = self.same_tensor(node.args[0])
        root = self.root(target)
        if root.op == "get_attr":
            raise CaptureError(f"{node.target} writes to a constant", **_at(node))
        if self.region[root] != self.open[-1]:
            raise CaptureError(
                f"{node.target} writes to a tensor from outside the loop or branch that it is in",
                hint="make the tensor inside, or compute a new value instead of writing",
                **_at(node),
            )
        tensor = target
        while tensor in self.views:
            if not self.views[tensor].writable:
                raise CaptureError(f"{node.target} writes to a view that shows elements more than once", **_at(node))
            tensor = self.same_tensor(self.views[tensor].base)
        self.identity[node] = target
        for storage in self.storages(node.args[0]):
            for alias in self.aliases[storage]:
                if self.order[alias] >= self.order[node] or self.root(alias) is root:
                    continue
                if alias.op in ("placeholder", "get_attr") or self.last_use[alias] > self.order[node]:
                    raise CaptureError(
                        f"{node.target} writes to a tensor that is also seen through a view", **_at(node)
                    )

    def replace(self, node: Node) -> None:
        new = self.copied(node) if node.target is aten.copy_.default else self.computed(node)
        target = self.same_tensor(node)
        self.identity[new] = target
        self.write_back(target, new)
        self.order[new] = self.order[node]
        self.last_use[new] = self.last_use[node]
        node.replace_all_uses_with(new)
        self.graph.graph.erase_node(node)

    def copied(self, node: Node) -> Node:
        """What `copy_` leaves in its target: `aten.copy` is the same, but has no derivative."""
        value, source = node.meta["val"], node.args[1]
        given = source.meta["val"]  # type: ignore[union-attr]
        if given.dtype != value.dtype:
            source = self.call(aten.to.dtype, (source, value.dtype), node)
        if given.shape != value.shape:
            source = self.call(aten.expand.default, (source, list(value.shape)), node)
        return self.call(aten.clone.default, (source,), node)

    def computed(self, node: Node) -> Node:
        functional = _functional(node.target)  # type: ignore[arg-type]
        if functional is None:
            raise CaptureError(f"{node.target} has no functional form", **_at(node))
        value = node.meta["val"]
        graph = self.graph.graph
        with graph.inserting_before(node):
            new = graph.call_function(functional, node.args, dict(node.kwargs))
            new.meta = _meta(node, value)  # the target's value: its storage tells who aliases it
            try:
                with value.fake_mode:
                    computed = functional(*_values(node.args), **_values(node.kwargs))
            except Exception as error:  # whatever the op's meta function raises
                raise CaptureError(f"{functional} cannot be computed on fake tensors: {error}", **_at(node)) from error
            if computed.shape != value.shape:
                raise CaptureError(f"{node.target} changes the shape of its target", **_at(node))
            if not torch.can_cast(computed.dtype, value.dtype):
                raise _NoSuchResult(f"result type {computed.dtype} can't be cast to {value.dtype}", **_at(node))
            if computed.dtype != value.dtype:
                converted = graph.call_function(aten.to.dtype, (new, value.dtype))
                converted.meta = _meta(node, value)
                new.meta["val"] = computed
                new = converted
        return new

    def write_back(self, tensor: Node, value: Node) -> None:
        """`value` is what `tensor` holds from here on, and its root the like."""
        root = self.root(tensor)
        version = self.version(root) + 1
        while tensor in self.views:
            view = self.views[tensor]
            base = self.same_tensor(view.base)
            before = self.value_now(base)
            self.readings[tensor] = value, version, self.open[-1]
            if view.scatter is not None:
                op, arguments = view.scatter
                value = self.call(op, (before, value, *arguments), base)
            elif view.inverse is not None:
                op, arguments = view.inverse
                value = self.call(op, (value, *arguments), base)
            tensor = base
        self.current[root] = value
        self.versions[root] = version

    def copy_back(self) -> list[Mutation]:
        output = self.graph.graph.output_node()
        results = list(output.args[0])  # type: ignore[arg-type]
        mutations = []
        for i, node in enumerate([n for n in self.graph.graph.nodes if n.op == "placeholder"]):
            if node in self.current:
                value = node.meta["val"]
                if repeats_elements(value.shape, value.stride()):
                    raise CaptureError("an input that shows elements more than once is written to", **_at(node))
                mutations.append(Mutation(i, len(results)))
                results.append(self.current[node])
        output.args = (tuple(results),)
        return mutations


# Python's in-place operators have names of their own.
_OPERATORS = {
    "__iand__": "bitwise_and",
    "__ior__": "bitwise_or",
    "__ixor__": "bitwise_xor",
    "__ilshift__": "__lshift__",
    "__irshift__": "__rshift__",
}


def _functional(op: torch._ops.OpOverload) -> torch._ops.OpOverload | None:
    """`aten.add.Tensor` for `aten.add_.Tensor`, `aten.bitwise_and.Tensor` for `aten.__iand__.Tensor`."""
    namespace, _, name = op._schema.name.partition("::")
    if name not in _OPERATORS and (not name.endswith("_") or name.endswith("__")):
        return None
    packet = getattr(getattr(torch.ops, namespace), _OPERATORS.get(name, name[:-1]), None)
    if packet is None:
        return None
    # The overload of the same name; `floor_divide_.Tensor` is one of those that have another.
    names = sorted(packet.overloads(), key=lambda overload: overload != op._overloadname)
    wanted = _signature(op)
    for found in (getattr(packet, overload) for overload in names):
        if not found._schema.is_mutable and _signature(found) == wanted:
            return found
    return None


def _signature(op: torch._ops.OpOverload) -> list[tuple[str, str]]:
    return [(a.name, str(a.type)) for a in op._schema.arguments]


def _meta(node: Node, value: Any) -> dict[str, Any]:
    """What a node that replaces `node` carries; torch's other entries describe `node`'s own value."""
    return {"val": value, "location": node.meta.get("location", "")}


def _values(arguments: Any) -> Any:
    return torch.fx.map_arg(arguments, lambda node: node.meta["val"])


def _storages(node: Node) -> list[int]:
    value = node.meta.get("val")
    values = value if isinstance(value, (list, tuple)) else [value]
    return [_memory(v) for v in values if isinstance(v, torch.Tensor)]


def _memory(value: torch.Tensor) -> int:
    return value.untyped_storage()._cdata


def _at(node: Node) -> dict[str, str]:
    return {"location": node.meta.get("location", "")}
