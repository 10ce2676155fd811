"""A `gpu.module` to a SPIR-V binary, with the passes of MLIR alone."""

from __future__ import annotations

from torch_mlir import ir
from torch_mlir.dialects import gpu
from torch_mlir.passmanager import PassManager

from jic.errors import CodegenError

_CAPABILITIES = "Shader,Float16,Float64,Int8,Int16,Int64,StorageBuffer8BitAccess,StorageBuffer16BitAccess"
_EXTENSIONS = "SPV_KHR_storage_buffer_storage_class,SPV_KHR_8bit_storage,SPV_KHR_16bit_storage"
# Version 1.3 is what Vulkan 1.1 devices read; `spirv-update-vce` keeps only the capabilities that a module uses.
TARGET_ENV = (
    f"#spirv.target_env<#spirv.vce<v1.3, [{_CAPABILITIES}], [{_EXTENSIONS}]>, api=Vulkan, #spirv.resource_limits<>>"
)

# SPIR-V has no bf16, and the conversion would take it for another type of 16 bits without a word: rounding to bf16 is
# expanded into integer operations first.
SIMPLIFY = (
    "builtin.module(gpu.module(canonicalize,cse,loop-invariant-code-motion,fold-memref-alias-ops,convert-vector-to-scf,"
    "lower-affine,arith-expand{include-bf16=true},canonicalize,cse))"
)
LOWERING = (
    "builtin.module(convert-math-to-spirv,convert-gpu-to-spirv{use-64bit-index=false},"
    "spirv.module(spirv-lower-abi-attrs,spirv-update-vce,canonicalize,cse))"
)


_ROUNDED = frozenset(f"spirv.{name}" for name in ("FAdd", "FSub", "FMul", "FDiv", "FNegate", "GL.Fma"))


def _forbid_contraction(op: ir.Operation) -> None:
    """Decorate all float arithmetic `NoContraction`. Without it drivers reassociate sums and products, and functions
    that carry rounding errors along (`exp`'s reduction, `log1p`, `pow`) lose many of their digits."""
    for region in op.regions:
        for block in region.blocks:
            for inner in block.operations:
                if inner.operation.name in _ROUNDED:
                    inner.operation.attributes["no_contraction"] = ir.UnitAttr.get()
                _forbid_contraction(inner.operation)


def to_spirv(module: ir.Module) -> ir.Operation:
    """The `spirv.module` of the only `gpu.module` of `module`, which is consumed.

    Raises:
        CodegenError: an op has no lowering to SPIR-V.
    """
    module.operation.attributes["spirv.target_env"] = ir.Attribute.parse(TARGET_ENV)
    try:
        PassManager.parse(SIMPLIFY).run(module.operation)
        if "bf16" in str(module):
            raise CodegenError("a value of bf16 is left in the kernel, which SPIR-V does not have")
        PassManager.parse(LOWERING).run(module.operation)
    except ir.MLIRError as error:
        raise CodegenError(f"lowering to SPIR-V failed: {error}") from error
    lowered = next(op.operation for op in module.body.operations if op.operation.name == "spirv.module")
    _forbid_contraction(lowered)
    return lowered


def to_binary(lowered: ir.Operation) -> bytes:
    """The SPIR-V binary of a `spirv.module`.

    Raises:
        CodegenError: it cannot be written.
    """
    # `gpu-module-to-binary` serialises a `spirv.module` in a `gpu.module` that has the environment as its target.
    wrapper = ir.Module.parse(
        f"module attributes {{gpu.container_module}} {{ gpu.module @kernels [{TARGET_ENV}] {{ }} }}"
    )
    wrapper.body.operations[0].regions[0].blocks[0].append(lowered.clone())
    try:
        PassManager.parse("builtin.module(gpu-module-to-binary)").run(wrapper.operation)
    except ir.MLIRError as error:
        raise CodegenError(f"serialising SPIR-V failed: {error}") from error
    binary = next(op.operation for op in wrapper.body.operations if op.operation.name == "gpu.binary")
    return bytes(gpu.ObjectAttr(ir.ArrayAttr(binary.attributes["objects"])[0]).object)
