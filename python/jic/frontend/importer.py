"""From a captured graph to IR: to the torch dialect through torch-mlir's FX importer, and on to `jic`."""

from __future__ import annotations

import operator
import re
from collections.abc import Sequence
from typing import Any

import torch
from torch._subclasses.fake_tensor import unset_fake_temporarily
from torch.fx import Graph, GraphModule, Node
from torch_mlir import ir
from torch_mlir._mlir_libs._torchMlir import register_dialect  # `dialects.torch` has it too, and 0.2 s of op classes
from torch_mlir.dialects import func
from torch_mlir.extras.fx_importer import (
    FxImporter,
    GraphNodeImporter,
    _emit_operation,  # pyright: ignore[reportPrivateUsage]
    _get_mlir_op_name_for_schema,  # pyright: ignore[reportPrivateUsage]
)

from ..errors import CaptureError
from . import wrappers  # noqa: F401  (sets where MLIR looks for op classes)
from .control import markers, regions
from .convert import Conversion, is_converted
from .decompose import decompose
from .traced import Traced


def import_graph(traced: Traced, context: ir.Context) -> ir.Module:
    """`traced` as a module with one `func.func @main` of `jic` graph ops.

    One argument for each entry of `traced.inputs`, named by its `jic.name` attribute; the results are those of
    `traced.graph_module`. Ops carry the user's source lines. An op without a conversion is a `jic.aten_call`.

    Raises:
        CaptureError: the graph holds something that neither `jic` ops nor ATen calls can express.
    """
    module, literals = _import_torch(traced, context, decomposed=True)
    names = [source.name for source in traced.inputs]
    with unset_fake_temporarily():
        return Conversion(context, literals, names).run(_main(module))


def import_torch(traced: Traced, context: ir.Context) -> ir.Module:
    """`traced` in the torch dialect, as it was captured: for reading."""
    return _import_torch(traced, context, decomposed=False)[0]


def _import_torch(
    traced: Traced, context: ir.Context, decomposed: bool
) -> tuple[ir.Module, dict[ir.Value, torch.Tensor]]:
    register_dialect(context)
    graph = _copy(traced.graph_module)
    _fill_absent(graph)
    if decomposed:
        decompose(graph, is_converted)
    with unset_fake_temporarily(), context:
        importer = FxImporter(context=context, graph_node_importer_cls=_NodeImporter)
        nodes = list(graph.graph.nodes)
        inputs = [importer._cc.node_val_to_type(n) for n in nodes if n.op == "placeholder"]
        results = [importer._cc.node_val_to_type(n) for n in nodes[-1].args[0]]
        with ir.Location.unknown(), ir.InsertionPoint(importer.module.body):
            main = func.FuncOp("main", ir.FunctionType.get(inputs, results))
            block = main.add_entry_block()
        node_importer = _NodeImporter(importer, context, importer._cc, block)
        node_importer.import_all(nodes)
        return importer.module, node_importer.literals


def _copy(graph_module: GraphModule) -> GraphModule:
    graph = Graph()
    copies: dict[Node, Node] = {}
    graph.output(graph.graph_copy(graph_module.graph, copies))
    for node, copy in copies.items():
        copy.meta = dict(node.meta)
    return GraphModule(graph_module, graph)


def _fill_absent(graph: GraphModule) -> None:
    """Zeros for the values that only one branch of an `if` has."""
    for construct in regions.constructs(regions.parse(graph)):
        if construct.kind != "if":
            continue
        assert construct.part is not None and construct.end is not None
        likes = construct.end.meta["val"]
        for marker in (construct.part, construct.end):
            with graph.graph.inserting_before(marker):
                values: Any = enumerate(marker.args[0])  # type: ignore[arg-type]
                filled = [_zeros(graph, marker, likes[i]) if v is None else v for i, v in values]
            marker.args = (filled, *marker.args[1:])


def _zeros(graph: GraphModule, marker: Node, like: torch.Tensor) -> Node:
    zeros = graph.graph.call_function(torch.ops.aten.full.default, (list(like.shape), 0), {"dtype": like.dtype})
    zeros.meta = {"val": like, "location": marker.meta.get("location", "")}
    return zeros


def _main(module: ir.Module) -> ir.Operation:
    return next(op.operation for op in module.body.operations if op.operation.name == "func.func")


class _NodeImporter(GraphNodeImporter):
    """Imports nodes as they are (no rewriting of ops, mixed lists allowed) and remembers the tensors of literals.

    Markers become ops with regions: a loop is a `torch.prim.Loop` whose condition is always true, an `if` a
    `torch.prim.If`, and a `while` a `torch.operator "torch.jic.while"` with the condition region and the body.
    """

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.literals: dict[ir.Value, torch.Tensor] = {}
        self._open: list[ir.Operation] = []
        self._points: list[ir.InsertionPoint] = []
        self._ends: dict[Node, Node] = {}

    def import_all(self, nodes: list[Node]) -> None:
        self._points = [ir.InsertionPoint(self._b)]
        if nodes:
            tree = regions.parse(nodes[0].graph.owning_module)
            self._ends = {c.begin: c.end for c in regions.constructs(tree)}
        arguments = iter(self._b.arguments)
        # Literals first: the regions of a function share them.
        for node in [n for n in nodes if n.op == "get_attr"] + [n for n in nodes if n.op != "get_attr"]:
            location = _location(node.meta.get("location", ""))
            try:
                with self._points[-1]:
                    self._import_node(node, location, arguments)
            except (AssertionError, RuntimeError, NotImplementedError, KeyError, TypeError, ValueError) as error:
                raise CaptureError(
                    f"{node.target} cannot be imported: {error}", location=node.meta.get("location", "")
                ) from error

    def _import_node(self, node: Node, location: ir.Location, arguments: Any) -> None:
        if node.op == "placeholder":
            self.bind_node_value(node, next(arguments))
        elif node.op == "get_attr":
            if node.users:
                with location:
                    value = self._import_literal(getattr(node.graph.owning_module, node.target))
                self.bind_node_value(node, value)
                self._v[node.target, 0] = value  # where the stock importer looks before it makes a literal
        elif node.op == "output":
            with location:
                func.ReturnOp([self._import_argument(location, a) for a in node.args[0]])  # type: ignore[union-attr]
        elif node.target is operator.getitem:
            self._import_getitem(location, node)
        elif node.target in markers.MARKERS:
            with location:
                _MARKERS[node.target](self, node)
        elif isinstance(node.target, torch._ops.OpOverload):
            self._import_torch_op_overload(location, node)
        else:
            raise NotImplementedError("not an ATen op")

    # Regions. Each method stands for a marker.

    def loop_begin(self, node: Node) -> None:
        trip_count, inits = node.args
        count = _create("torch.aten.Int.Tensor", [self.resolve_node_value(trip_count)], ["!torch.int"]).result
        carried = self._all(inits)
        types = [v.type for v in carried]
        loop = _create("torch.prim.Loop", [count, self._true(), *carried], types, regions=1)
        arguments = self._enter(loop, 0, [ir.Type.parse("!torch.int"), *types])
        scalar = self._cc.value_info_to_type(node.meta["val"][0])
        with self._points[-1]:
            index = _create("torch.prim.NumToTensor.Scalar", arguments[:1], [scalar]).result
        self._bind(node, [index, *arguments[1:]])

    def loop_end(self, node: Node) -> None:
        self._leave(node, "torch.prim.Loop.condition", [self._true(), *self._all(node.args[0])])

    def while_begin(self, node: Node) -> None:
        carried = self._all(node.args[0])
        types = [v.type for v in carried]
        name = {"name": ir.StringAttr.get("torch.jic.while")}
        loop = _create("torch.operator", carried, types, regions=2, attributes=name)
        self._bind(node, self._enter(loop, 0, types))

    def while_cond(self, node: Node) -> None:
        condition, values = node.args
        forwarded = self._all(values)
        _create("torch.operator_terminator", [self.resolve_node_value(condition), *forwarded])
        self._points.pop()
        self._bind(node, self._enter(self._open.pop(), 1, [v.type for v in forwarded]))

    def while_end(self, node: Node) -> None:
        self._leave(node, "torch.operator_terminator", self._all(node.args[0]))

    def if_begin(self, node: Node) -> None:
        condition = _create("torch.aten.Bool.Tensor", [self.resolve_node_value(node.args[0])], ["!torch.bool"]).result
        types = [self._cc.value_info_to_type(v) for v in self._ends[node].meta["val"]]
        self._enter(_create("torch.prim.If", [condition], types, regions=2), 0, [])

    def if_else(self, node: Node) -> None:
        _create("torch.prim.If.yield", self._all(node.args[0]))
        self._points.pop()
        self._enter(self._open.pop(), 1, [])

    def if_end(self, node: Node) -> None:
        self._leave(node, "torch.prim.If.yield", self._all(node.args[0]))

    def _enter(self, op: ir.Operation, region: int, types: list[ir.Type]) -> list[ir.Value]:
        block = op.regions[region].blocks.append(*types)
        self._open.append(op)
        self._points.append(ir.InsertionPoint(block))
        return list(block.arguments)

    def _leave(self, node: Node, terminator: str, values: list[ir.Value]) -> None:
        _create(terminator, values)
        self._points.pop()
        self._bind(node, list(self._open.pop().results))

    def _all(self, nodes: Any) -> list[ir.Value]:
        return [self.resolve_node_value(n) for n in nodes]

    def _bind(self, node: Node, values: list[ir.Value]) -> None:
        self._multi_result_nodes.add(node)
        for i, value in enumerate(values):
            self.bind_node_value(node, value, i)

    def _true(self) -> ir.Value:
        return self._import_literal(True)

    def _import_torch_op_overload(self, loc: ir.Location, node: Node, concrete_target: Any = None) -> None:
        """Without the stock importer's rewriting of ops: all of them have a conversion or can be called by name."""
        schema = node.target._schema  # type: ignore[union-attr]
        name = _get_mlir_op_name_for_schema(schema)
        results = self._unpack_node_result_types(node, schema)
        if len(results) > 1:
            self._multi_result_nodes.add(node)
        operands = []
        for i, parameter in enumerate(schema.arguments):
            if i < len(node.args):
                operands.append(self._import_argument(loc, node.args[i], parameter.type))
            elif parameter.name in node.kwargs:
                operands.append(self._import_argument(loc, node.kwargs[parameter.name], parameter.type))
            else:
                operands.append(self._import_default_value(loc, parameter.default_value, parameter.type))
        operation = _emit_operation(name, result_types=results, operands=operands, loc=loc)
        for i, value in enumerate(operation.results):
            self.bind_node_value(node, value, i)
        if len(results) == 1 and str(results[0]).startswith("!torch.list"):
            # Here, not at the first use, which may be in a region.
            types = [self._cc.value_info_to_type(v) for v in node.meta["val"]]
            unpacked = ir.Operation.create("torch.prim.ListUnpack", types, [operation.result], loc=loc)
            self._unpack_list_values[node] = tuple(unpacked.results)

    def _import_list_argument(self, loc: ir.Location, arg: Any, expected_jit_type: Any) -> ir.Value:
        operands = [self._import_argument(loc, item) for item in arg]
        with loc:
            kinds = {str(o.type) if "vtensor" not in str(o.type) else "vtensor" for o in operands}
            optional = "!torch.none" in kinds
            kind = (sorted(kinds - {"!torch.none"}) or ["int"])[0].removeprefix("!torch.")
            list_type = ir.Type.parse(f"!torch.list<optional<{kind}>>" if optional else f"!torch.list<{kind}>")
            return ir.Operation.create("torch.prim.ListConstruct", results=[list_type], operands=operands).result

    def _import_literal(self, py_value: Any, info: Any = None) -> ir.Value:
        value = super()._import_literal(py_value, info)
        if isinstance(py_value, torch.Tensor):
            if py_value.dtype == torch.bool:  # a literal of bytes, and a conversion of it
                self.literals[value.owner.operands[0]] = py_value.to(torch.uint8)
            else:
                self.literals[value] = py_value
        return value


_MARKERS = {
    getattr(markers.ops, name).default: getattr(_NodeImporter, name)
    for name in (
        "loop_begin", "loop_end", "while_begin", "while_cond", "while_end", "if_begin", "if_else", "if_end",
    )
}  # fmt: skip


def _create(
    name: str,
    operands: list[ir.Value],
    types: Sequence[ir.Type | str] = (),
    regions: int = 0,
    attributes: dict[str, ir.Attribute] | None = None,
) -> ir.Operation:
    results = [ir.Type.parse(t) if isinstance(t, str) else t for t in types]
    return ir.Operation.create(name, results, operands, attributes=attributes or {}, regions=regions)


def _location(text: str) -> ir.Location:
    match = re.fullmatch(r"(.+):(\d+)", text)
    return ir.Location.file(match[1], int(match[2]), 0) if match else ir.Location.unknown()
