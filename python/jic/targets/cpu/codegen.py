"""Kernel functions to an object file: MLIR's own passes down to LLVM IR, then LLVM's O3 for the machine."""

from __future__ import annotations

import functools
import threading
from collections.abc import Mapping

import llvmlite.binding as llvm
from torch_mlir import ir
from torch_mlir._mlir_libs._mlirDialectsLLVM import translate_module_to_llvmir
from torch_mlir.passmanager import PassManager

from jic import budget
from jic.errors import CodegenError

from ..ir.llvm_text import to_older_syntax
from .kernel import KernelModule
from .machine import Machine

LOWERING = (
    "builtin.module(canonicalize,cse,loop-invariant-code-motion,"
    "convert-vector-to-scf,lower-affine,expand-strided-metadata,lower-affine,convert-scf-to-cf,"
    # math before vector: the scalar calls of convert-math-to-libm leave vector.extract and vector.insert behind
    "convert-math-to-llvm,convert-math-to-libm,"
    "convert-vector-to-llvm{reassociate-fp-reductions=true vector-transpose-lowering=shuffle16x16},"
    "finalize-memref-to-llvm,convert-func-to-llvm{use-bare-ptr-memref-call-conv=true},"
    "convert-arith-to-llvm,convert-cf-to-llvm,convert-index-to-llvm,convert-ub-to-llvm,reconcile-unrealized-casts,canonicalize,cse)"
)
_lock = threading.Lock()


def compile_kernels(kernels: KernelModule, machine: Machine) -> bytes:
    """The relocatable object of all kernels, each under its name with the packed ABI of docs/architecture.md."""
    budget.check("lowering to LLVM")
    text = lower_to_llvm(kernels)
    budget.check("LLVM's passes")
    return emit_object(text, machine)


def lower_to_llvm(kernels: KernelModule) -> str:
    """LLVM IR text of the module, with a packed entry point a kernel. The module is consumed.

    It is verified before and after MLIR's passes; between them that would take longer than the passes.
    """
    module = kernels.module
    with kernels.context, ir.Location.unknown():
        _make_private(module, kernels.kernels)
        manager = PassManager.parse(LOWERING)
        manager.enable_verifier(False)
        try:
            module.operation.verify()
            manager.run(module.operation)
            _add_entries(module, kernels.kernels)
            module.operation.verify()
        except ir.MLIRError as error:
            raise CodegenError(f"lowering to the LLVM dialect failed: {error}") from error
        return translate_module_to_llvmir(module.operation)


def _make_private(module: ir.Module, kernels: Mapping[str, int]) -> None:
    """Kernel `name` becomes the internal function `<name>.body`."""
    for function in module.body.operations:
        name = ir.StringAttr(function.attributes["sym_name"]).value
        if name in kernels:
            function.attributes["sym_name"] = ir.StringAttr.get(f"{name}.body")
            function.attributes["llvm.linkage"] = ir.Attribute.parse("#llvm.linkage<internal>")


def _add_entries(module: ir.Module, kernels: Mapping[str, int]) -> None:
    """Add the packed entry of each kernel, which calls its body."""
    entries = ir.Module.parse("".join(_entry(name, buffers) for name, buffers in kernels.items()))

    def append(op: ir.Operation) -> ir.WalkResult:
        if op.name != "llvm.func":
            return ir.WalkResult.ADVANCE
        if len(op.regions[0].blocks):
            module.body.append(op.clone())
        return ir.WalkResult.SKIP

    # A walk hands over plain operations; anything else loads a class for each op of the LLVM dialect (25 ms).
    entries.operation.walk(append, ir.WalkOrder.PRE_ORDER)


def _entry(name: str, buffers: int) -> str:
    loads = "".join(
        f"  %a{i} = llvm.getelementptr %buffers[{i}] : (!llvm.ptr) -> !llvm.ptr, !llvm.ptr\n"
        f"  %p{i} = llvm.load %a{i} : !llvm.ptr -> !llvm.ptr\n"
        for i in range(buffers)
    )
    pointers = "".join(f"%p{i}, " for i in range(buffers))
    types = "!llvm.ptr, " * buffers
    return (
        f'llvm.func @"{name}.body"({types}i64, i64, !llvm.ptr)\n'
        f'llvm.func @"{name}"(%buffers: !llvm.ptr, %begin: i64, %end: i64, %scratch: !llvm.ptr) {{\n{loads}'
        f'  llvm.call @"{name}.body"({pointers}%begin, %end, %scratch) : ({types}i64, i64, !llvm.ptr) -> ()\n'
        "  llvm.return\n}\n"
    )


@functools.cache
def _target() -> llvm.Target:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm.Target.from_default_triple()


def emit_object(text: str, machine: Machine, level: int = 3) -> bytes:
    """Compile LLVM IR text for `machine`. llvmlite releases the GIL inside."""
    with _lock:
        target = _target()
    tm = target.create_target_machine(
        cpu=machine.name, features=machine.features, opt=level, reloc="pic", codemodel="small"
    )
    try:
        module = llvm.parse_assembly(to_older_syntax(text))
        module.triple = llvm.get_default_triple()
        module.data_layout = str(tm.target_data)
        module.verify()
    except RuntimeError as error:
        raise CodegenError(f"LLVM refused the generated code: {error}") from error
    options = llvm.create_pipeline_tuning_options(speed_level=level)
    options.loop_vectorization = False  # kernels are vectorised already; scalar loops left over are cold
    options.slp_vectorization = False
    builder = llvm.create_pass_builder(tm, options)
    builder.getModulePassManager().run(module, builder)
    budget.check("emitting code")
    return tm.emit_object(module)
