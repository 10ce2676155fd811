"""A program ready to run: an artifact's code in memory, with the steps of its manifest."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from jic.errors import ArtifactError

from .artifact import Artifact
from .aten import AtenCall
from .native_module import native, type_code

__all__ = ["Bailout", "Program"]

# Raised when a program gives up (a `bail` step): its outputs are worth nothing, and what it stands for has to be done otherwise.
Bailout = native.Bailout

_MALFORMED = (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError)


class Program:
    """An artifact for the cpu, loaded.

    Threads may run one program at the same time: each run has a workspace of its own.

    Args:
        artifact: what the cpu target made.
        externals: addresses for symbols that the code does not define; the process's symbols and libm come after these.

    Attributes:
        native: the object that `Dispatcher` variants run.
        inputs, outputs: (dtype, shape) of each buffer.

    Raises:
        ArtifactError: damaged, malformed, for another target, or calling what is not there.
    """

    def __init__(self, artifact: Artifact, externals: Mapping[str, int] | None = None) -> None:
        manifest = artifact.manifest
        if manifest.get("target") != "cpu":
            raise ArtifactError(f"an artifact for {manifest.get('target')!r}, expected 'cpu'")
        artifact.check_machine()
        try:
            self._load(artifact, manifest, dict(externals or {}))
        except native.LoadError as error:
            raise ArtifactError(f"the code cannot be loaded: {error}", hint="compile again") from error
        except _MALFORMED as error:
            raise ArtifactError(
                f"a malformed manifest: {type(error).__name__}: {error}", hint="compile again"
            ) from error

    def _load(self, artifact: Artifact, manifest: dict[str, Any], externals: dict[str, int]) -> None:
        self.inputs = [_tensor(t) for t in manifest["inputs"]]
        self.outputs = [_tensor(t) for t in manifest["outputs"]]
        self._steps: list[dict[str, Any]] = manifest["steps"]
        calls = {number: AtenCall(step) for number, step in enumerate(self._steps) if step["op"] == "aten"}
        by_native: dict[int, AtenCall] = {}

        def call_aten(step: int, operands: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
            return by_native[step](operands)

        text = json.dumps(manifest, allow_nan=False)
        self.native = native.Program(text, artifact.code, artifact.constants, call_aten, externals)
        self._numbers: list[int] = self.native.numbers  # of each manifest step among the native ones
        by_native.update((self._numbers[number], call) for number, call in calls.items())

    def run(self, inputs: Sequence[torch.Tensor], outputs: Sequence[torch.Tensor] | None = None) -> list[torch.Tensor]:
        """Run on contiguous tensors; the outputs are new tensors unless they are given.

        Raises:
            TypeError: a tensor of another dtype, shape or layout than the program was compiled for.
            IndexError: a kernel met an index out of range.
            Bailout: the program gave up.
        """
        if outputs is None:
            outputs = [torch.empty(shape, dtype=dtype) for dtype, shape in self.outputs]
        _check(inputs, self.inputs, "input")
        _check(outputs, self.outputs, "output")
        self.native.run([t.data_ptr() for t in inputs], [t.data_ptr() for t in outputs])
        return list(outputs)

    def set_timing(self, on: bool) -> None:
        """Measure each step of later runs, or stop; measured runs are slightly slower."""
        self.native.timing = on

    def reset_times(self) -> None:
        """Forget what was measured."""
        self.native.reset_times()

    def stats(self) -> list[dict[str, Any]]:
        """One entry a step: its `op`, `name`, `location`, the number of measured `runs`, and `mean_us` and `min_us`.

        A step in a loop has a run in each iteration.
        """
        times = self.native.times()
        rows = []
        for step, number in zip(self._steps, self._numbers, strict=True):
            runs, total, least = times[number]
            rows.append(
                {
                    "op": step["op"],
                    "name": step.get("name") or step.get("callee") or step.get("message", ""),
                    "location": step.get("location", ""),
                    "runs": runs,
                    "mean_us": total / runs / 1e3 if runs else 0.0,
                    "min_us": least / 1e3,
                }
            )
        return rows


def _tensor(description: Mapping[str, Any]) -> tuple[torch.dtype, tuple[int, ...]]:
    type_code(description["dtype"])
    return getattr(torch, description["dtype"]), tuple(int(n) for n in description["shape"])


def _check(tensors: Sequence[torch.Tensor], expected: Sequence[tuple[torch.dtype, tuple[int, ...]]], what: str) -> None:
    if len(tensors) != len(expected):
        raise TypeError(f"{len(tensors)} {what}s, expected {len(expected)}")
    for i, (tensor, (dtype, shape)) in enumerate(zip(tensors, expected, strict=True)):
        seen = (tensor.dtype, tuple(tensor.shape))
        if seen != (dtype, shape) or not tensor.is_contiguous() or tensor.device.type != "cpu" or tensor.is_neg():
            layout = "" if tensor.is_contiguous() else " not contiguous"
            raise TypeError(
                f"{what} {i} is {seen[0]} {list(seen[1])}{layout} on {tensor.device}, expected {dtype} {list(shape)}"
            )
