"""PyTorch functions through the whole compiler to both GPU targets: Vulkan results against eager, PTX from meta inputs."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings

import pytest
import torch
import torch.nn.functional as F

import jic
from jic.errors import JicError
from jic.runtime.vulkan import available

needs_device = pytest.mark.skipif(available() is not None, reason=f"no Vulkan device: {available()}")

CASES = {
    "chain": (lambda x, y: torch.tanh(x * y + 1).exp() / (1 + y.abs()), [(33, 65), (65,)]),
    "gelu": (lambda x: F.gelu(x), [(8, 100)]),
    "gelu_tanh": (lambda x: F.gelu(x, approximate="tanh"), [(8, 100)]),
    "softmax": (lambda x: x.softmax(-1), [(8, 100)]),
    "log_softmax_of_dim_0": (lambda x: x.log_softmax(0), [(800, 10)]),
    "layer_norm": (lambda x, w, b: F.layer_norm(x, (96,), w, b), [(4, 7, 96), (96,), (96,)]),
    "pow": (lambda x: x.abs() ** 2.5 + x**3, [(50,)]),
    "standardise": (lambda x: (x - x.mean(1, keepdim=True)) / x.std(1, keepdim=True), [(50, 300)]),
    "keepdim": (lambda x: x.sum(1, keepdim=True), [(50, 30)]),
    "argmax": (lambda x: x.argmax(1), [(50, 300)]),
    "permute": (lambda x: x.permute(2, 0, 1).contiguous() * 2, [(5, 6, 7)]),
    "where": (lambda x: torch.where(x > 0, x, x.exp() - 1).sum(-1), [(10, 100)]),
    "masked": (lambda x, y: x.masked_fill(y > 0, -1e4).softmax(-1), [(2, 4, 8, 8), (2, 1, 1, 8)]),
    "of_nothing": (lambda x: x.sum(1), [(4, 0)]),
}
TOLERANCE = {torch.float32: 1e-5, torch.float16: 2e-3, torch.bfloat16: 2e-2}


@needs_device
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize("name", CASES)
def test_vulkan_agrees_with_eager(name: str, dtype: torch.dtype) -> None:
    function, shapes = CASES[name]
    generator = torch.Generator().manual_seed(0)
    inputs = [torch.randn(s, generator=generator).to(dtype) for s in shapes]
    compiled = jic.compile(function, target="vulkan")
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # running eagerly would be a warning
        found = compiled(*inputs)
    expected = function(*[x.double() for x in inputs])
    if dtype != torch.float32 and name == "argmax":
        expected = function(*inputs)  # ties
    assert found.shape == expected.shape
    error = (found.double() - expected.double()).abs() / expected.double().abs().clamp(min=1)
    assert error.numel() == 0 or error.max() <= TOLERANCE[dtype]


@needs_device
def test_a_module_with_weights_on_vulkan() -> None:
    module = torch.nn.Sequential(
        torch.nn.LayerNorm(48), torch.nn.GELU(), torch.nn.PReLU(48), torch.nn.Softmax(-1)
    ).eval()
    torch.nn.init.normal_(module[0].weight)
    x = torch.randn(5, 48)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("error")
        torch.testing.assert_close(jic.compile(module, target="vulkan")(x), module(x))


@pytest.mark.parametrize("arch", ["sm_80", "sm_90a"])
@pytest.mark.parametrize("name", CASES)
def test_ptx_from_meta_inputs(name: str, arch: str) -> None:
    function, shapes = CASES[name]
    ptx = jic.compile(function).ptx(*[torch.empty(s, device="meta") for s in shapes], arch=arch)
    assert ptx.count(".visible .entry") == 1 and f".target {arch}" in ptx


def test_without_a_driver_the_reason_is_given() -> None:
    script = (
        "from jic.runtime import vulkan\n"
        "print(vulkan.available())\n"
        "from jic.runtime.vulkan_device import device\n"
        "try: device()\n"
        "except Exception as error: print(type(error).__name__)\n"
    )
    nowhere = {"VK_ICD_FILENAMES": "/nonexistent.json", "VK_DRIVER_FILES": "/nonexistent.json"}
    done = subprocess.run(
        [sys.executable, "-c", script], env={**os.environ, **nowhere}, capture_output=True, text=True, timeout=120
    )
    lines = done.stdout.splitlines()
    assert done.returncode == 0 and lines[-1] == "DeviceError" and "ulkan" in lines[0], done.stdout + done.stderr


@needs_device
def test_vulkan_programs_are_cached_and_measured(tmp_path) -> None:
    config = jic.JitConfig(target_device="vulkan", cache_dir=str(tmp_path), enable_profiling=True)

    def function(x: torch.Tensor) -> torch.Tensor:
        return x.softmax(-1) * 2

    x = torch.randn(6, 50)
    found = jic.compile(function, config=config)(x)
    again = jic.compile(function, config=config)
    assert torch.equal(again(x), found)
    (entry,) = again.stats()["signatures"]
    assert entry["cached"] and not entry["eager"]
    launches = [step for step in entry["kernels"] if step["op"] == "launch"]
    assert [step["runs"] for step in launches] == [1] and launches[0]["mean_us"] > 0
    (kernel,) = jic.explain(again)(x).kernels
    assert kernel.estimated_us > 0 and "exp" in kernel.ops


@needs_device
def test_loops_and_branches_on_vulkan() -> None:
    def function(x: torch.Tensor, n: torch.Tensor) -> torch.Tensor:
        while x.sum() < 100:
            x = x * 1.5 + 1
        return x.exp() if x.amax() < 50 else torch.sort(x)[0] + n

    compiled = jic.compile(function, target="vulkan")
    x, n = torch.rand(17) + 0.5, torch.randn(17)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = compiled(x, n)
    torch.testing.assert_close(found, function(x, n))


def test_stages_of_targets() -> None:
    config = jic.JitConfig(target_device="vulkan")
    compiled = jic.compile(lambda x: x.exp() + 1, config=config)
    compiled.entry_for((torch.ones(70),), {})
    assert "gpu.module @k0_" in compiled.ir("vulkan") and "jic.launch" in compiled.ir("vulkan")
    assert "spirv.module" in compiled.ir("spirv")
    with pytest.raises(JicError, match="expected torch, jic, kernels, vulkan or spirv"):
        compiled.ir("llvm")
