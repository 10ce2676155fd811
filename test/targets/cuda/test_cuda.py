"""The CUDA target: kernels run by emulation against float64, PTX assembled by ptxas, and how the PTX must look."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from jic.dialects import build as b
from jic.errors import CodegenError, ConfigError, UnsupportedError
from jic.targets import lookup
from jic.targets.cuda.ptx import check_selectable, to_ptx

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parent)]
import emulate  # noqa: E402
from support.interpret import interpret  # noqa: E402
from targets.gpu.programs import (  # noqa: E402
    DOUBLE,
    NARROW,
    PROGRAMS,
    Program,
    binary,
    fused,
    gelu,
    layer_norm,
    reduce,
    softmax,
    unary,
)

# Emulation of shuffles and barriers is slow: small ones that cover a warp a row, a block a row, and a thread a row.
ROWS = [
    softmax((9, 100), [1]),
    softmax((5, 70), [1], log=True),
    softmax((2, 5000), [1]),
    softmax((2, 1031), [1]),
    softmax((40, 7, 3), [1]),
    softmax((4, 48), [1], "bf16", tolerance=8e-3),
    softmax((4, 48), [1], "f16", tolerance=1e-3),
    layer_norm(3, 768),
    layer_norm(3, 77),
    layer_norm(1, 3000),
    reduce("sum", (2, 40, 50), [1, 2]),
    reduce("sum", (300, 260), [0], tolerance=2e-5),
    reduce("min", (3, 200), [1], "i32"),
    reduce("sum", (3, 200), [1], "i64"),
    reduce("any", (9, 70), [1], "i1"),
    reduce("all", (2, 1500), [1], "i1"),
    reduce("argmax", (3, 300), [1]),
    reduce("argmin", (2, 900), [1]),
    reduce("max", (4, 90), [1]),
    *(p for p in PROGRAMS if p.name in ("row_results", "two_kernels")),
]
POINTWISE = [p for p in [*PROGRAMS, *DOUBLE[:-2]] if not re.search("over|norm|row|two", p.name)]


def modules(program: Program, arch: str = "sm_90a") -> dict[str, str]:
    """The PTX of each kernel."""
    made = lookup("cuda", arch=arch).compile(program.module())
    return {name: made.module(name).decode() for name in made.manifest["modules"]}


def launches(program: Program) -> list[dict[str, Any]]:
    steps = lookup("cuda").compile(program.module()).manifest["steps"]
    return [step for step in steps if step["op"] == "launch"]


def ptx_of(program: Program) -> str:
    return lookup("cuda").stage(program.module(), "ptx")


@pytest.mark.parametrize("program", [*POINTWISE, *ROWS, *DOUBLE[-2:]], ids=lambda p: p.name)
def test_agrees_with_float64(program: Program) -> None:
    tensors = program.tensors()
    program.check(emulate.run(program.module(), tensors), interpret(program.module(), *tensors, float64=True))


@pytest.mark.skipif(shutil.which("ptxas") is None, reason="ptxas is not installed")
@pytest.mark.parametrize("arch", ["sm_80", "sm_90a"])
def test_ptxas_assembles_everything(arch: str, tmp_path: Path) -> None:
    """One call of ptxas on all kernels; names are made unique by the module they are in."""
    paths = []
    for number, program in enumerate([*PROGRAMS, *DOUBLE]):
        for name, text in modules(program, arch).items():
            assert f".target {arch}" in text
            assert "call.uni" not in text, f"{program.name} calls a function that nobody defines"
            path = tmp_path / f"{number}_{name}.ptx"
            path.write_text(text)
            paths.append(path)
    script = " && ".join(f"ptxas -O1 -arch={arch} {p.name} -o {p.name}.cubin" for p in paths)
    done = subprocess.run(["sh", "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_contiguous_floats_move_in_128_bits() -> None:
    ptx = ptx_of(gelu((64, 128), "f32", 0))
    assert len(re.findall(r"ld\.global(?:\.nc)?\.v4\.b32", ptx)) == 2
    assert len(re.findall(r"st\.global\.v4\.b32", ptx)) == 1
    assert not re.search(r"(ld|st)\.global(\.nc)?\.b32", ptx)


def test_halves_move_in_128_bits() -> None:
    ptx = ptx_of(binary("add", "f16"))
    assert re.search(r"ld\.global(?:\.nc)?\.v4\.b32", ptx) and re.search(r"st\.global\.v4\.b32", ptx)


def test_odd_rows_move_element_by_element() -> None:
    ptx = ptx_of(gelu((5, 33), "f32", 0))
    assert ".v4." not in ptx


def test_one_kernel_a_fused_op() -> None:
    program = next(p for p in PROGRAMS if p.name == "two_kernels")
    found = modules(program)
    assert len(found) == 2
    for launch in launches(program):
        text = found[launch["kernel"]]
        assert re.findall(r"\.visible \.entry (\w+)\(", text) == [launch["kernel"]]
        assert text.count(".param .u64") == len(launch["buffers"])
    (text,) = modules(softmax((64, 1000), [1])).values()
    assert "shfl.sync.bfly" in text


def test_a_row_is_read_once_when_it_fits_registers() -> None:
    program = softmax((64, 1024), [1])
    assert len(re.findall(r"ld\.global", ptx_of(program))) == 1  # 256 threads with 4 elements each
    (launch,) = launches(program)
    assert launch["grid"] == [64, 1, 1] and launch["block"] == [256, 1, 1]


def test_index_arithmetic_is_64_bit_only_where_it_must_be() -> None:
    small = ptx_of(unary("exp"))
    assert not re.search(r"(div|rem)\.[us]64", small)
    n = 2**31 + 8
    program = Program(
        "large", [([n], "i1")], lambda x: fused("pointwise", [x], [([n], "i1")], lambda a: [b.elementwise("not", a[0])])
    )
    (launch,) = launches(program)
    assert launch["grid"][0] * launch["block"][0] * 16 >= n


def test_what_the_backend_cannot_select_is_an_error_not_an_abort() -> None:
    declared = 'declare float @llvm.pow.f32(float, float)\ntarget triple = "nvptx64-nvidia-cuda"\n'
    with pytest.raises(CodegenError, match=r"llvm\.pow\.f32"):
        to_ptx(declared)
    with pytest.raises(CodegenError, match="__nv_sinf"):
        check_selectable("declare float @__nv_sinf(float)")
    with pytest.raises(CodegenError, match="LLVM refused"):
        to_ptx("define nonsense")
    check_selectable("declare <4 x float> @llvm.fma.v4f32(<4 x float>, <4 x float>, <4 x float>)")


def test_errors_name_what_was_seen() -> None:
    with pytest.raises(ConfigError, match="sm_12"):
        lookup("cuda", arch="sm_12")
    with pytest.raises(UnsupportedError, match=r"jic\.erf on f64"):
        ptx_of(unary("erf", element="f64"))


def test_nan_wins_in_reductions() -> None:
    for kind in ("max", "argmin"):
        program = reduce(kind, (3, 90), [1])
        (x,) = program.tensors()
        x[1, 70] = x[1, 80] = float("nan")
        x[2] = -float("inf")
        program.check(emulate.run(program.module(), [x]), interpret(program.module(), x, float64=True))
    assert torch.isnan(x[1, 70])


def test_rounding_to_narrow_floats_inside_a_kernel() -> None:
    (x,) = NARROW.tensors()
    x[0, :4] = torch.tensor([float("inf"), 1e30, -1e-3, 65504.0])
    bf16, f16 = emulate.run(NARROW.module(), [x])
    assert torch.equal(bf16, x.bfloat16().float()) and torch.equal(f16, x.half().float())
    x[0, 0] = float("nan")
    assert all(narrow[0, 0].isnan() for narrow in emulate.run(NARROW.module(), [x]))
