"""The Vulkan target against the reference interpreter in float64. Skipped where there is no Vulkan 1.2 driver."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch_mlir import ir

from jic.dialects import build as b
from jic.errors import ArtifactError, DeviceError, UnsupportedError
from jic.runtime.artifact import Artifact
from jic.runtime.vulkan import VulkanProgram, available
from jic.runtime.vulkan_device import capabilities, device
from jic.targets import lookup

sys.path[:0] = [str(Path(__file__).parents[2])]
from support.interpret import interpret  # noqa: E402
from targets.gpu.programs import DOUBLE, NARROW, PROGRAMS, Program, fused, reduce, softmax, unary  # noqa: E402

needs_device = pytest.mark.skipif(available() is not None, reason=f"no Vulkan device: {available()}")
SPECIAL = torch.tensor([float("nan"), float("inf"), -float("inf"), 0.0, -0.0, 1.0, -1.0, 0.5, -2.0, 3.0, 1e-30, -1e30])


def compiled(program: Program) -> Artifact:
    made = lookup("vulkan").compile(program.module())
    return Artifact(made.manifest, made.code, made.constants)


def shaders(program: Program) -> dict[str, bytes]:
    made = lookup("vulkan").compile(program.module())
    return {name: made.module(name) for name in made.manifest["modules"]}


def load(program: Program) -> VulkanProgram:
    return VulkanProgram(compiled(program))


@needs_device
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.name)
def test_agrees_with_float64(program: Program) -> None:
    tensors = program.tensors()
    program.check(load(program).run(tensors), interpret(program.module(), *tensors, float64=True))


@needs_device
@pytest.mark.parametrize("program", DOUBLE, ids=lambda p: p.name)
def test_doubles(program: Program) -> None:
    if "shaderFloat64" not in device().features:
        pytest.skip(f"{device().name} has no f64")
    tensors = program.tensors()
    program.check(load(program).run(tensors), interpret(program.module(), *tensors, float64=True))


_FUNCTIONS = (
    "exp exp2 expm1 log log2 log10 log1p sqrt rsqrt reciprocal atan sinh cosh tanh sigmoid erf asin acos sign relu abs"
)


@needs_device
@pytest.mark.parametrize("name", _FUNCTIONS.split())
def test_special_values(name: str) -> None:
    shape = [len(SPECIAL)]

    def body(x: ir.Value) -> list[ir.Value]:
        return fused("pointwise", [x], [(shape, "f32")], lambda a: [b.elementwise(name, a[0])])

    program = Program(name, [(shape, "f32")], body)
    (found,) = load(program).run([SPECIAL])
    program.check([found], interpret(program.module(), SPECIAL, float64=True))


@needs_device
def test_special_values_of_pow() -> None:
    x, y = (t.flatten() for t in torch.meshgrid(SPECIAL, SPECIAL, indexing="ij"))
    shape = list(x.shape)

    def body(*inputs: ir.Value) -> list[ir.Value]:
        return fused("pointwise", list(inputs), [(shape, "f32")], lambda a: [b.elementwise("pow", *a)])

    program = Program("pow", [(shape, "f32")] * 2, body)
    program.check(load(program).run([x, y]), [torch.pow(x.double(), y.double())])


@needs_device
@pytest.mark.parametrize("kind", ["max", "min", "argmax", "argmin"])
def test_nan_wins(kind: str) -> None:
    program = reduce(kind, (4, 90), [1])
    (x,) = program.tensors()
    x[1, 70] = x[1, 80] = float("nan")
    x[2] = -float("inf")
    program.check(load(program).run([x]), interpret(program.module(), x, float64=True))


@needs_device
def test_more_elements_than_blocks_times_threads() -> None:
    n = 65535 * 256 + 1000
    program = Program(
        "negate",
        [([n], "f32")],
        lambda x: fused("pointwise", [x], [([n], "f32")], lambda a: [b.elementwise("neg", a[0])]),
    )
    x = torch.arange(n, dtype=torch.float32)
    assert torch.equal(load(program).run([x])[0], -x)


@needs_device
def test_more_rows_than_blocks() -> None:
    program = reduce("sum", (65535 + 40, 40), [1])
    (x,) = program.tensors()
    program.check(load(program).run([x]), [x.double().sum(1)])


@needs_device
def test_empty_and_scalar_tensors() -> None:
    empty = Program(
        "empty",
        [([0, 4], "f32")],
        lambda x: fused("pointwise", [x], [([0, 4], "f32")], lambda a: [b.elementwise("exp", a[0])]),
    )
    assert load(empty).run([torch.zeros(0, 4)])[0].shape == (0, 4)
    scalar = Program(
        "scalar",
        [([], "f32")],
        lambda x: fused("pointwise", [x], [([], "f32")], lambda a: [b.elementwise("exp", a[0])]),
    )
    assert load(scalar).run([torch.tensor(1.0)])[0].item() == pytest.approx(2.718281828)


@needs_device
def test_strided_inputs_are_read_by_value() -> None:
    program = softmax((10, 12), [1])
    x = torch.randn(12, 10).t()
    torch.testing.assert_close(load(program).run([x])[0], x.softmax(1))


@needs_device
def test_threads_share_a_program() -> None:
    program = load(unary("exp"))
    inputs = [torch.randn(37, 29) for _ in range(8)]
    results: list[torch.Tensor | None] = [None] * 8

    def work(i: int) -> None:
        for _ in range(20):
            results[i] = program.run([inputs[i]])[0]

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for x, found in zip(inputs, results, strict=True):
        torch.testing.assert_close(found, x.exp())


@needs_device
def test_wrong_inputs_are_named() -> None:
    program = load(unary("exp"))
    with pytest.raises(ArtifactError, match=r"input 0 is torch.float64 .* expected torch.float32 \[37, 29\]"):
        program.run([torch.zeros(37, 29, dtype=torch.float64)])
    with pytest.raises(ArtifactError, match="expected 1 inputs, got 0"):
        program.run([])


@needs_device
def test_broken_code_is_an_error() -> None:
    artifact = compiled(unary("exp"))
    with pytest.raises(DeviceError, match="expected a little-endian SPIR-V module"):
        VulkanProgram(replace(artifact, code=b"not a shader at all, no" * 100))
    with pytest.raises(ArtifactError, match="no code of kernel"):
        VulkanProgram(replace(artifact, manifest={**artifact.manifest, "modules": {}}))
    with pytest.raises(ArtifactError, match="for 'cpu'"):
        VulkanProgram(replace(artifact, manifest={**artifact.manifest, "target": "cpu"}))


def test_one_kernel_a_fused_op() -> None:
    artifact = compiled(next(p for p in PROGRAMS if p.name == "two_kernels"))
    assert [s["op"] for s in artifact.manifest["steps"]] == ["launch", "launch", "copy", "copy"]
    assert len(artifact.manifest["modules"]) == 2


def test_only_used_capabilities_are_declared() -> None:
    (code,) = shaders(unary("exp")).values()
    assert 1 in capabilities(code)  # Shader
    assert not {9, 10, 11, 22, 39} & set(capabilities(code))  # no Float16, Float64, Int64, Int16, Int8


@pytest.mark.skipif(shutil.which("spirv-val") is None, reason="spirv-val is not installed")
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.name)
def test_binaries_are_valid(program: Program, tmp_path: Path) -> None:
    for name, code in shaders(program).items():
        path = tmp_path / f"{name}.spv"
        path.write_bytes(code)
        checked = subprocess.run(["spirv-val", "--target-env", "vulkan1.1", path], capture_output=True, text=True)
        assert checked.returncode == 0, checked.stdout + checked.stderr


def test_what_is_not_supported_is_named() -> None:
    def product(x: ir.Value, y: ir.Value) -> list[ir.Value]:
        return fused("contraction", [x, y], [([4, 4], "f32")], lambda a: [b.matmul(*a)])

    with pytest.raises(UnsupportedError, match="kind 'contraction'"):
        compiled(Program("product", [([4, 4], "f32")] * 2, product))
    with pytest.raises(UnsupportedError, match=r"jic\.erf on f64"):
        compiled(unary("erf", element="f64"))


@needs_device
def test_rounding_to_narrow_floats_inside_a_kernel() -> None:
    (x,) = NARROW.tensors()
    x[0, :4] = torch.tensor([float("inf"), 1e30, -1e-3, 65504.0])
    bf16, f16 = load(NARROW).run([x])
    assert torch.equal(bf16, x.bfloat16().float()) and torch.equal(f16, x.half().float())
    x[0, 0] = float("nan")
    assert all(narrow[0, 0].isnan() for narrow in load(NARROW).run([x]))
