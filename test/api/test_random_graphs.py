"""Random programs, compiled and compared with eager, and with float64 where they hold floats."""

from __future__ import annotations

import warnings

import torch
from hypothesis import HealthCheck, given, settings
from support.random_programs import Program, programs

import jic

CONFIGS = [
    jic.JitConfig(enable_caching=False),
    jic.JitConfig(enable_caching=False, fusion_strategy="aggressive"),
    jic.JitConfig(enable_caching=False, fusion_strategy="none", enable_optimizations=False),
]


def run_and_compare(program: Program, config: jic.JitConfig) -> None:
    compiled = jic.compile(lambda *xs: program(*xs), config=config)
    inputs = program.tensors()
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("error")  # a whole program that runs eagerly is a failure
        found = [compiled(*inputs) for _ in range(2)]
    for results in found:
        for ours, value in zip(results, program.expected(), strict=True):
            eager = value.eager
            assert ours.dtype == eager.dtype and ours.shape == eager.shape
            if not value.is_float:
                assert torch.equal(ours, eager), (ours, eager)
            elif eager.numel():
                # Eager may be far from float64 itself, where errors grow; as far may we be.
                error = (ours.double() - value.wide.double()).abs().max().item()
                scale = max(1.0, value.wide.abs().max().item())
                theirs = (eager.double() - value.wide.double()).abs().max().item()
                assert error <= 2 * value.epsilon * scale + 4 * theirs, (error, theirs, ours, eager)


@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(programs())
def test_random_programs(program: Program) -> None:
    run_and_compare(program, CONFIGS[0])


@settings(
    max_examples=20,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(programs(max_steps=24))
def test_strategies_on_random_programs(program: Program) -> None:
    for config in CONFIGS[1:]:
        run_and_compare(program, config)
