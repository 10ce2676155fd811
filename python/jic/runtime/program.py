"""A program ready to run: an artifact's code in memory, with the steps of its manifest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from jic.errors import ArtifactError

from .artifact import Artifact
from .aten import AtenCall
from .native_module import native, type_code

__all__ = ["Program"]

_SLOTS = {"input": 0, "output": 1, "constant": 2, "workspace": 3, "value": 4}
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
        zeroed = _zeroed(self._steps)
        steps: list[tuple[Any, ...]] = []
        calls: dict[int, AtenCall] = {}
        self._numbers: list[int] = []  # of each manifest step among the native ones
        for number, step in enumerate(self._steps):
            for slot in zeroed.get(number, ()):
                steps.append(("zero", (_slot(slot),), 8))
            self._numbers.append(len(steps))
            if step["op"] == "aten":
                calls[len(steps)] = AtenCall(step)
            steps.append(_native_step(step))

        def call_aten(step: int, operands: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
            return calls[step](operands)

        sizes = (len(self.inputs), len(self.outputs), manifest["values"], manifest["workspace"], manifest["scratch"])
        ranges = [(offset, size) for offset, size in manifest["constants"]]
        self.native = native.Program(
            artifact.code, artifact.constants, ranges, sizes, tuple(steps), call_aten, externals
        )

    def run(self, inputs: Sequence[torch.Tensor], outputs: Sequence[torch.Tensor] | None = None) -> list[torch.Tensor]:
        """Run on contiguous tensors; the outputs are new tensors unless they are given.

        Raises:
            TypeError: a tensor of another dtype, shape or layout than the program was compiled for.
            IndexError: a kernel met an index out of range.
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
        """One entry a step: its `op`, `name`, `location`, the number of measured `runs`, and `mean_us` and `min_us`."""
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


def _slot(slot: Sequence[Any]) -> tuple[int, int]:
    return _SLOTS[slot[0]], int(slot[1])


def _native_step(step: Mapping[str, Any]) -> tuple[Any, ...]:
    match step["op"]:
        case "launch":
            buffers = tuple(_slot(s) for s in step["buffers"])
            return "launch", step["kernel"], buffers, int(step["tasks"]), int(step["cost"])
        case "copy":
            return "copy", (_slot(step["from"]), _slot(step["to"])), int(step["bytes"])
        case "check":
            return "check", (_slot(step["buffer"]),), str(step["message"])
        case "aten":
            operands = tuple(
                (_slot(o["slot"]), (*type_code(o["dtype"]), [int(n) for n in o["shape"]])) for o in step["operands"]
            )
            return "aten", operands, tuple(int(r["value"]) for r in step["results"])
        case other:
            raise ValueError(f"unknown step {other!r}")


def _zeroed(steps: Sequence[Mapping[str, Any]]) -> dict[int, list[Sequence[Any]]]:
    """Step number → status buffers to clear before it.

    A status buffer belongs to one launch, the last one before its check that writes it. It is cleared right before:
    until then the memory may hold something else.
    """
    found: dict[int, list[Sequence[Any]]] = {}
    for number, step in enumerate(steps):
        if step["op"] != "check":
            continue
        for back in range(number - 1, -1, -1):
            earlier = steps[back]
            if earlier["op"] == "launch" and step["buffer"] in earlier["buffers"][earlier["inputs"] :]:
                found.setdefault(back, []).append(step["buffer"])
                break
        else:
            raise ValueError(f"no launch writes the status that step {number} checks")
    return found


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
