"""Random nested control flow against torch, in workspaces full of garbage."""

from __future__ import annotations

from random import Random

import pytest
import torch
from random_control_flow import SHAPES, Builder, Eager, generate, walk
from support.program_harness import module, poison

from jic.runtime.artifact import Artifact
from jic.runtime.native_module import native
from jic.runtime.program import Program
from jic.targets import lookup


def check(seed: int) -> None:
    """Compile program `seed`, and run it a few times on memory that holds anything but what it needs."""
    random = Random(seed)
    block, kinds = generate(random)
    code = lookup("cpu").compile(
        module([(SHAPES[k], "i64") for k in kinds], lambda *v: walk(block, list(v), Builder()))
    )
    program = Program(Artifact(code.manifest, code.code, code.constants))
    for attempt in range(2):
        torch.manual_seed(seed + attempt)
        inputs = [torch.randint(0, 5, SHAPES[kind]) for kind in kinds]
        expected = walk(block, [t.clone() for t in inputs], Eager())
        kept = [t.clone() for t in inputs]
        outputs = [torch.full(tuple(t.shape), -(10**9), dtype=torch.int64) for t in expected]
        poison(code.manifest["workspace"])
        for found, wanted in zip(program.run(inputs, outputs), expected, strict=True):
            assert torch.equal(found, wanted), f"seed {seed}"
        assert all(torch.equal(a, t) for a, t in zip(kept, inputs, strict=True)), "an input was written"


@pytest.mark.parametrize("first", range(0, 40, 10))
@pytest.mark.parametrize("threads", [1, 2])
def test_random_programs(first, threads):
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    if threads > 1:
        native.set_thresholds(step=1, segment=1, steal=1, release_gil=1)
    try:
        for seed in range(first, first + 10):
            check(seed + 1000 * threads)
    finally:
        native.set_thresholds()
        torch.set_num_threads(before)
