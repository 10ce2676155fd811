"""A `gpu.module` to PTX text: MLIR's NVVM lowering, LLVM IR text, llvmlite's NVPTX backend.

LLVM's NVPTX backend ends the process on an intrinsic that it cannot select (`llvm.pow`, f32 `llvm.sin`, …), so the IR
is checked against what it is known to select before it gets there.
"""

from __future__ import annotations

import functools
import re
import threading

import llvmlite.binding as llvm
from torch_mlir import ir
from torch_mlir.dialects import llvm as llvm_dialect
from torch_mlir.passmanager import PassManager

from jic.errors import CodegenError, ConfigError

from ..ir.llvm_text import to_older_syntax

TRIPLE = "nvptx64-nvidia-cuda"
DATA_LAYOUT = "e-p6:32:32-i64:64-i128:128-i256:256-v16:16-v32:32-n16:32:64"
# PTX ISA versions: the oldest with the architecture's instructions, so that older drivers take the text too.
ARCHITECTURES = {
    "sm_75": "+ptx70",
    "sm_80": "+ptx70",
    "sm_86": "+ptx71",
    "sm_89": "+ptx78",
    "sm_90": "+ptx78",
    "sm_90a": "+ptx80",
}

_LOWERING = (
    "builtin.module(gpu.module(canonicalize,cse,loop-invariant-code-motion,"
    "convert-vector-to-scf,lower-affine,expand-strided-metadata,lower-affine,convert-scf-to-cf,"
    "convert-gpu-to-nvvm{index-bitwidth={bits} use-bare-ptr-memref-call-conv=true},"
    "convert-vector-to-llvm,convert-math-to-llvm,convert-arith-to-llvm,convert-index-to-llvm,convert-ub-to-llvm,"
    "convert-nvvm-to-llvm,reconcile-unrealized-casts,canonicalize,cse))"
)

# The conversion to NVVM turns ops of the `math` dialect into calls of NVIDIA's libdevice. What jic's kernels use of it
# is one instruction or two, so it is defined here (as an LLVM intrinsic, or `frem`) rather than shipped.
_LIBDEVICE = {
    f"__nv_{name}{suffix}": (intrinsic, count, type_, short)
    for name, intrinsic, count in (
        ("fabs", "fabs", 1),
        ("ceil", "ceil", 1),
        ("floor", "floor", 1),
        ("trunc", "trunc", 1),
        ("rint", "roundeven", 1),
        ("sqrt", "sqrt", 1),
        ("fma", "fma", 3),
        ("fmod", "frem", 2),
        ("copysign", "copysign", 2),
        ("exp2", "exp2", 1),
    )
    for suffix, type_, short in (("f", "float", "f32"), ("", "double", "f64"))
    if (name, suffix) != ("exp2", "")
}
_LIBDEVICE_CALL = re.compile(r"^declare [^@]*@(__nv_\w+)\([^)]*\).*$", re.MULTILINE)

# Intrinsics that the backend selects for these types (and vectors of them, which it splits).
_FLOATS = ("f16", "bf16", "f32", "f64")
_INTEGERS = ("i8", "i16", "i32", "i64")
_SELECTED: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("fabs", "floor", "ceil", "trunc", "rint", "nearbyint", "roundeven", "copysign"), _FLOATS),
    **dict.fromkeys(("fma", "fmuladd", "sqrt", "maxnum", "minnum", "maximum", "minimum"), _FLOATS),
    **dict.fromkeys(("smax", "smin", "umax", "umin", "abs", "ctlz", "ctpop", "bitreverse", "fshl", "fshr"), _INTEGERS),
    "exp2": ("f16", "f32"),
    "vector.reduce.fadd": _FLOATS,
    "vector.reduce.fmul": _FLOATS,
    "is.fpclass": _FLOATS,
    "fptosi.sat": (*_FLOATS, *_INTEGERS),
    "fptoui.sat": (*_FLOATS, *_INTEGERS),
}
_DECLARED = re.compile(r"^declare [^@]*@\"?([\w.$-]+)\"?\(", re.MULTILINE)
_SUFFIX = re.compile(r"\.(?:v\d+)?((?:f|bf|i)\d+)")
_lock = threading.Lock()


def to_llvm(module: ir.Module, index_bits: int = 64) -> str:
    """LLVM IR text (of MLIR's LLVM version) of the only `gpu.module` of `module`, which is consumed.

    Raises:
        CodegenError: an op has no lowering to NVVM or LLVM.
    """
    try:
        PassManager.parse(_LOWERING.replace("{bits}", str(index_bits))).run(module.operation)
    except ir.MLIRError as error:
        raise CodegenError(f"lowering to NVVM failed: {error}") from error
    lowered = next(op.operation for op in module.body.operations if op.operation.name == "gpu.module")
    lowered.attributes["llvm.target_triple"] = ir.StringAttr.get(TRIPLE)
    lowered.attributes["llvm.data_layout"] = ir.StringAttr.get(DATA_LAYOUT)
    return define_libdevice(llvm_dialect.translate_module_to_llvmir(lowered))


def define_libdevice(text: str) -> str:
    """LLVM IR `text` with definitions in place of the declarations of the libdevice functions that are known here."""
    intrinsics: set[str] = set()

    def definition(match: re.Match[str]) -> str:
        if match[1] not in _LIBDEVICE:
            return match[0]
        intrinsic, count, type_, short = _LIBDEVICE[match[1]]
        parameters = ", ".join(f"{type_} %{i}" for i in range(count))
        if intrinsic == "frem":
            value = f"frem {type_} %0, %1"
        else:
            value = f"call {type_} @llvm.{intrinsic}.{short}({parameters})"
            intrinsics.add(f"declare {type_} @llvm.{intrinsic}.{short}({', '.join([type_] * count)})")
        body = f"  %r = {value}\n  ret {type_} %r\n"
        return f"define internal {type_} @{match[1]}({parameters}) alwaysinline {{\n{body}}}"

    text = _LIBDEVICE_CALL.sub(definition, text)
    return text + "".join(f"\n{d}" for d in sorted(intrinsics) if d.split("@")[1] not in text)


def check_selectable(text: str) -> None:
    """Raise `CodegenError` if LLVM IR `text` calls what the NVPTX backend cannot select."""
    for name in _DECLARED.findall(text):
        if name.startswith("llvm.nvvm."):
            continue
        types = _SUFFIX.findall(name)
        base = _SUFFIX.split(name)[0].removeprefix("llvm.") if name.startswith("llvm.") else ""
        if not (base and types and all(t in _SELECTED.get(base, ()) for t in types)):
            raise CodegenError(f"the generated code calls '{name}', for which NVPTX has no instruction")


@functools.cache
def _target() -> llvm.Target:
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    return llvm.Target.from_triple(TRIPLE)


def check_architecture(arch: str) -> None:
    """Raise `ConfigError` if `arch` is not a key of `ARCHITECTURES`."""
    if arch not in ARCHITECTURES:
        raise ConfigError(f"unknown CUDA architecture '{arch}', expected one of {', '.join(ARCHITECTURES)}")


def to_ptx(text: str, arch: str = "sm_90a", level: int = 3) -> str:
    """PTX of LLVM IR `text` for `arch` (a key of `ARCHITECTURES`).

    Raises:
        ConfigError: `arch` is not known.
        CodegenError: LLVM refuses the IR or could not select an intrinsic in it.
    """
    check_architecture(arch)
    check_selectable(text)
    with _lock:
        machine = _target().create_target_machine(cpu=arch, features=ARCHITECTURES[arch], opt=level)
    try:
        module = llvm.parse_assembly(to_older_syntax(text))
        module.verify()
    except RuntimeError as error:
        raise CodegenError(f"LLVM refused the generated code: {error}") from error
    options = llvm.create_pipeline_tuning_options(speed_level=level)
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)
    # The optimiser may form new intrinsics (a pow from a chain of calls), so what goes to the backend is checked again.
    check_selectable(str(module))
    return machine.emit_assembly(module)
