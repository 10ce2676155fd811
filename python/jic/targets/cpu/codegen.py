"""Kernel functions to an object file: MLIR's own passes down to LLVM IR, then LLVM's O3 for the machine."""

from __future__ import annotations

import functools
import threading

import llvmlite.binding as llvm
from torch_mlir import ir
from torch_mlir.dialects import llvm as llvm_dialect
from torch_mlir.passmanager import PassManager

from jic.errors import CodegenError

from ..common.llvm_ir import to_older_syntax
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
    return emit_object(lower_to_llvm(kernels), machine)


def lower_to_llvm(kernels: KernelModule) -> str:
    """LLVM IR text of the module, with a packed entry point a kernel. The module is consumed."""
    module = kernels.module
    with kernels.context, ir.Location.unknown():
        try:
            PassManager.parse(LOWERING).run(module.operation)
        except ir.MLIRError as error:
            raise CodegenError(f"lowering to the LLVM dialect failed: {error}") from error
        for name, buffers in kernels.kernels.items():
            _add_entry(module, name, buffers)
        return llvm_dialect.translate_module_to_llvmir(module.operation)


def _add_entry(module: ir.Module, name: str, buffers: int) -> None:
    """Rename kernel `name` to `<name>.body`, make it private, and add the packed entry that calls it."""
    body = next(
        op
        for op in module.body.operations
        if op.operation.name == "llvm.func" and str(op.attributes["sym_name"]) == f'"{name}"'
    )
    body.attributes["sym_name"] = ir.StringAttr.get(f"{name}.body")
    body.attributes["linkage"] = ir.Attribute.parse("#llvm.linkage<internal>")
    loads = "".join(
        f"  %a{i} = llvm.getelementptr %buffers[{i}] : (!llvm.ptr) -> !llvm.ptr, !llvm.ptr\n"
        f"  %p{i} = llvm.load %a{i} : !llvm.ptr -> !llvm.ptr\n"
        for i in range(buffers)
    )
    pointers = "".join(f"%p{i}, " for i in range(buffers))
    types = "!llvm.ptr, " * buffers
    entry = ir.Module.parse(
        f'llvm.func @"{name}.body"({types}i64, i64, !llvm.ptr)\n'
        f'llvm.func @"{name}"(%buffers: !llvm.ptr, %begin: i64, %end: i64, %scratch: !llvm.ptr) {{\n{loads}'
        f'  llvm.call @"{name}.body"({pointers}%begin, %end, %scratch) : ({types}i64, i64, !llvm.ptr) -> ()\n'
        "  llvm.return\n}"
    )
    module.body.append(entry.body.operations[1].operation.clone())


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
    return tm.emit_object(module)
