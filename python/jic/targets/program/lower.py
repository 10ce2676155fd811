"""`@main` at the kernels level to kernel functions and a `@main` of launches on planned memory.

    func.func @main(%x: tensor<64xf32>) -> tensor<64xf32>          func.func @main(%x: memref<64xf32>, %out: memref<64xf32>, …)
      %0 = jic.fused(%x) {kind = "pointwise"} …              →        jic.launch(%x, %ws) {kernel = @k0, …}
      %1 = jic.fused(%0) {kind = "reduction"} …                       jic.launch(%ws, %out) {kernel = @k1, …}

Every tensor is a contiguous buffer: an input, an output, a constant, a range of the workspace, or the result of an ATen
call. Which values have one buffer is decided by sharing.py, control flow is in control_flow.py.
"""

from __future__ import annotations

from torch_mlir import ir

from jic.errors import LoweringError

from ..kernel.region import source_line
from .assembly import Assembly
from .backend import Backend
from .control_flow import LOWERINGS
from .sharing import OpNode, extent
from .steps import HostProgram, Slot


def main_of(body: ir.Block) -> ir.Operation:
    """The `func.func @main` in a module's body. Raises `LoweringError` without one."""
    for op in body.operations:
        if op.operation.name == "func.func" and ir.StringAttr(op.attributes["sym_name"]).value == "main":
            return op.operation
    raise LoweringError("the module has no func.func @main")


def lower(main: ir.Operation, backend: Backend) -> HostProgram:
    """Lower every kernel of `main` by the templates of `backend` and plan the memory between them.

    Raises:
        UnsupportedError: a kind of kernel or a dtype that the target has nothing for.
        LoweringError: an op that is not allowed at the kernels level, or a body that its template does not take.
    """
    assembly = Assembly(main, backend)

    def block(nodes: list[OpNode]) -> None:
        """Lower ops; terminators do nothing by themselves."""
        for node in nodes:
            if node.name == "jic.fused":
                assembly.fused(node)
            elif node.name == "jic.constant":
                assembly.constant(node)
            elif node.name == "jic.aten_call":
                assembly.aten(node)
            elif node.name in LOWERINGS:
                LOWERINGS[node.name](assembly, node, block)
            elif node.name not in ("jic.reshape", "jic.yield", "jic.condition"):
                raise LoweringError(
                    f"{node.name} is not allowed at the kernels level",
                    hint="run jic-form-kernels before lowering",
                    location=source_line(node.op),
                )

    nodes, program = assembly.sharing.nodes, assembly.program
    block(nodes[:-1])
    returned = nodes[-1].operands
    program.outputs = [Slot("output", i, *extent(v)) for i, v in enumerate(returned)]
    assembly.copies([(assembly.slot(v), out) for v, out in zip(returned, program.outputs, strict=True)])
    assembly.finish()
    return program
