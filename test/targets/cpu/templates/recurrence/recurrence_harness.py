"""Loops at graph level, formed into recurrence kernels, compiled and run."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from support.program_harness import module
from torch_mlir import ir

from jic.dialects import build as b
from jic.passes.base import functions
from jic.passes.pipeline import Pipeline
from jic.runtime.artifact import Artifact
from jic.runtime.program import Program
from jic.targets import lookup
from jic.targets.cpu.machine import Machine

Step = Callable[..., Sequence[ir.Value]]


def number(value: int) -> ir.Value:
    return b.splat([], ir.IntegerType.get_signless(64), value)


def loop_program(
    types: Sequence[tuple[Sequence[int], str]],
    carried: int,
    trip: int | None,
    step: Step,
    decompose: bool = False,
    machine: Machine | None = None,
) -> Program:
    """`for i in range(trip): carried = step(i, *carried, *others)`; the first `carried` inputs are the first values.

    Without `trip` the last input is it. The whole loop must become one kernel.
    """

    def body(*inputs: ir.Value) -> list[ir.Value]:
        inits, others = inputs[:carried], inputs[carried:] if trip is not None else inputs[carried:-1]
        count = number(trip) if trip is not None else inputs[-1]
        return list(b.loop(count, inits, lambda arguments: step(*arguments, *others)).results)

    made = module(types, body)
    passes = ("jic-decompose," if decompose else "") + "jic-form-recurrence"
    Pipeline.parse(f"builtin.module({passes})").run(made)
    (main,) = functions(made.operation)
    names = [op.operation.name for op in main.regions[0].blocks[0].operations]
    assert set(names) <= {"jic.constant", "jic.fused", "func.return"}, names
    code = lookup("cpu", **({} if machine is None else {"machine": machine})).compile(made)
    return Program(Artifact(code.manifest, code.code, code.constants))


def guarded(tensor: torch.Tensor) -> torch.Tensor:
    """A contiguous copy in the middle of NaN: what is read beside it shows in the result."""
    if not tensor.is_floating_point():
        return tensor.clone()
    whole = torch.full((tensor.numel() + 128,), float("nan"), dtype=tensor.dtype)
    whole[64 : 64 + tensor.numel()] = tensor.reshape(-1)
    return whole[64 : 64 + tensor.numel()].view(tensor.shape)


def run_program(program: Program, inputs: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """Run on one thread and on two: both must give the same."""
    threads = torch.get_num_threads()
    try:
        held = [guarded(t) for t in inputs]
        torch.set_num_threads(1)
        one = program.run(held)
        torch.set_num_threads(2)
        two = program.run(held)
    finally:
        torch.set_num_threads(threads)
    for x, y in zip(one, two, strict=True):
        torch.testing.assert_close(x, y, rtol=1e-5, atol=1e-6, equal_nan=True)
    return one
