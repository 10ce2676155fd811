"""The Vulkan target against the reference interpreter in float64. Skipped where there is no Vulkan 1.2 driver."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch
from jic.errors import ArtifactError, DeviceError, UnsupportedError
from jic.runtime.vulkan import VulkanProgram, available
from jic.runtime.vulkan_device import capabilities
from jic.targets import vulkan

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1] / "gpu")]
from programs import PROGRAMS, Program, fused, gelu, reduce, softmax, unary  # noqa: E402
from support.interpret import interpret  # noqa: E402

needs_device = pytest.mark.skipif(available() is not None, reason=f"no Vulkan device: {available()}")


def load(program: Program) -> VulkanProgram:
    kernels = vulkan.compile(program.module())
    return VulkanProgram(kernels.manifest, kernels.shaders, kernels.constants)


@needs_device
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.name)
def test_agrees_with_float64(program: Program) -> None:
    tensors = program.tensors()
    program.check(load(program).run(tensors), interpret(program.module(), *tensors, float64=True))
