"""Builds `@main` at the kernels level with Python, compiles it, and runs it on torch tensors in a workspace of garbage."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch_mlir import ir

from jic import dialects
from jic.dialects import build
from jic.runtime.artifact import Artifact
from jic.runtime.program import Program
from jic.targets import lookup
from jic.targets.cpu.machine import Machine

DTYPES = {
    "f32": torch.float32,
    "f64": torch.float64,
    "bf16": torch.bfloat16,
    "i64": torch.int64,
    "i32": torch.int32,
    "i1": torch.bool,
}
NAMES = {dtype: name for name, dtype in DTYPES.items()}
Body = Callable[..., Any]
INDEX = ((), "i64")


def tensor(shape: Sequence[int], element: str = "f32") -> ir.Type:
    return build.tensor_type(tuple(shape), ir.Type.parse(element))


def module(types: Sequence[tuple[Sequence[int], str]], body: Body) -> ir.Module:
    """A module whose `@main` takes tensors of `types` ((shape, element) each) and returns what `body` makes of them."""
    with dialects.context(), ir.Location.unknown():
        made = ir.Module.create()
        arguments = [tensor(*t) for t in types]
        with ir.InsertionPoint(made.body):
            main = ir.Operation.create(
                "func.func",
                attributes={
                    "sym_name": build.string("main"),
                    "function_type": ir.TypeAttr.get(ir.FunctionType.get(arguments, [])),
                },
                regions=1,
            )
        block = main.regions[0].blocks.append(*arguments)
        with ir.InsertionPoint(block):
            results = values(body(*block.arguments))
            ir.Operation.create("func.return", operands=results)
        type_ = ir.FunctionType.get(arguments, [v.type for v in results])
        main.attributes["function_type"] = ir.TypeAttr.get(type_)
        assert made.operation.verify()
        return made


def values(found: Any) -> list[ir.Value]:
    return list(found) if isinstance(found, (list, tuple)) else [found]


def kernel(inputs: Sequence[ir.Value], body: Body, kind: str = "pointwise") -> Any:
    """A `jic.fused` of `body(*inputs)`; its result, or the list of its results."""
    scratch = ir.Module.create()
    with ir.InsertionPoint(scratch.body):
        block = ir.Operation.create("func.func", attributes={
            "sym_name": build.string("types"),
            "function_type": ir.TypeAttr.get(ir.FunctionType.get([v.type for v in inputs], [])),
        }, regions=1).regions[0].blocks.append(*[v.type for v in inputs])  # fmt: skip
    with ir.InsertionPoint(block):
        types = [v.type for v in values(body(*block.arguments))]
    made = build.fused(kind, inputs, types, lambda arguments: values(body(*arguments)))
    results = list(made.results)
    return results[0] if len(results) == 1 else results


def compiled(types: Sequence[tuple[Sequence[int], str]], body: Body, machine: Machine | None = None) -> Program:
    code = lookup("cpu", **({} if machine is None else {"machine": machine})).compile(module(types, body))
    return Program(Artifact(code.manifest, code.code, code.constants))


def run(body: Body, *inputs: torch.Tensor, machine: Machine | None = None, times: int = 2) -> list[torch.Tensor]:
    """Compile `body` for the inputs and run it; later runs (whose memory is what the first left) must give the same."""
    program = compiled([(tuple(t.shape), NAMES[t.dtype]) for t in inputs], body, machine)
    kept = [t.clone() for t in inputs]
    results = program.run(inputs)
    for _ in range(times - 1):
        again = program.run(inputs)
        for a, b in zip(results, again, strict=True):
            assert _same_bits(a, b), "a second run gave something else"
    for a, b in zip(kept, inputs, strict=True):
        assert _same_bits(a, b), "an input was written"
    return results


def _same_bits(a: torch.Tensor, b: torch.Tensor) -> bool:
    return torch.equal(a.reshape(-1).view(torch.uint8), b.reshape(-1).view(torch.uint8))


def poison(size: int) -> None:
    """Fill memory of this size, which the next workspace will lie on, with bytes that are no sensible number."""
    blob = torch.full((max(1, size),), 0xA7, dtype=torch.uint8)
    manifest = {
        "format": 1, "target": "cpu", "features": "", "inputs": [{"dtype": "uint8", "shape": [len(blob)]}], "outputs": [],
        "workspace": len(blob), "scratch": 0, "constants": [], "values": 0,
        "steps": [{"op": "copy", "from": ["input", 0], "to": ["workspace", 0], "bytes": len(blob)}],
    }  # fmt: skip
    Program(Artifact(manifest, b"", b"")).run([blob])
