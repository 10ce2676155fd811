"""From a captured graph to IR: to the torch dialect through torch-mlir's FX importer, and on to `jic`."""

from __future__ import annotations

import operator
import re
from typing import Any

import torch
from torch._subclasses.fake_tensor import unset_fake_temporarily
from torch.fx import Graph, GraphModule, Node
from torch_mlir import ir
from torch_mlir.dialects import func
from torch_mlir.dialects import torch as torch_dialect
from torch_mlir.extras.fx_importer import (
    FxImporter,
    GraphNodeImporter,
    _emit_operation,  # pyright: ignore[reportPrivateUsage]
    _get_mlir_op_name_for_schema,  # pyright: ignore[reportPrivateUsage]
)

from ..errors import CaptureError
from .convert import Conversion, is_converted
from .decompose import decompose
from .trace import Traced


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
    torch_dialect.register_dialect(context)
    graph = _copy(traced.graph_module)
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


def _main(module: ir.Module) -> ir.Operation:
    return next(op.operation for op in module.body.operations if op.operation.name == "func.func")


class _NodeImporter(GraphNodeImporter):
    """Imports nodes as they are (no rewriting of ops, mixed lists allowed) and remembers the tensors of literals."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.literals: dict[ir.Value, torch.Tensor] = {}

    def import_all(self, nodes: list[Node]) -> None:
        with ir.InsertionPoint(self._b):
            arguments = iter(self._b.arguments)
            for node in nodes:
                location = _location(node.meta.get("location", ""))
                try:
                    self._import_node(node, location, arguments)
                except (AssertionError, RuntimeError, NotImplementedError, KeyError, TypeError, ValueError) as error:
                    raise CaptureError(
                        f"{node.target} cannot be imported: {error}", location=node.meta.get("location", "")
                    ) from error

    def _import_node(self, node: Node, location: ir.Location, arguments: Any) -> None:
        if node.op == "placeholder":
            self.bind_node_value(node, next(arguments))
        elif node.op == "output":
            with location:
                func.ReturnOp([self._import_argument(location, a) for a in node.args[0]])  # type: ignore[union-attr]
        elif node.target is operator.getitem:
            self._import_getitem(location, node)
        elif isinstance(node.target, torch._ops.OpOverload):
            self._import_torch_op_overload(location, node)
        elif node.op != "get_attr":
            raise NotImplementedError("not an ATen op")

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


def _location(text: str) -> ir.Location:
    match = re.fullmatch(r"(.+):(\d+)", text)
    return ir.Location.file(match[1], int(match[2]), 0) if match else ir.Location.unknown()
